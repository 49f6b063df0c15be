#include "nodeagent/store/compaction.h"

#include <algorithm>

#include "nodeagent/store/log_reader.h"

namespace hydra::agent {
namespace {

constexpr std::uint64_t kCopyBytes = 1u << 20;   // of one read and write
constexpr std::uint64_t kGroupBytes = 8u << 20;  // of records that share a sync
constexpr std::size_t kGroupRecords = 256;

// A copy that was written and waits for its commit.
struct Copy {
  Reservation place;
  EntryPtr entry;
  std::uint64_t old_generation;
  std::uint64_t old_offset;
};

LogPtr emptiest_log(const StoreCore& core) {
  LogPtr best;
  for (const auto& [generation, log] : core.logs.all()) {
    if (!log->sealed || log == core.logs.active() || log->keep || !log->open.empty()) continue;
    if (log->live_bytes == 0 || log->live_bytes * 2 >= log->physical_bytes()) continue;
    if (!best || log->live_bytes < best->live_bytes) best = log;
  }
  return best;
}

// Room for all copies must be there before the first: else a full device would be left worse than
// it was.
bool room_for(const StoreCore& core, std::uint64_t bytes) {
  const std::uint64_t capacity = core.logs.capacity_bytes();
  const std::uint64_t physical = core.logs.physical_bytes();
  const std::uint64_t active = core.logs.active() ? core.logs.active()->room() : 0;
  const std::uint64_t left = active + (capacity > physical ? capacity - physical : 0);
  return left >= bytes + bytes / 8 + kPunchableBytes;
}

class LogCompaction {
 public:
  LogCompaction(CorePtr core, LogPtr from) : core_(std::move(core)), from_(std::move(from)) {}
  Task<Status> run();

 private:
  Task<Status> copy(const RecordHeader& header);
  Task<Status> copy_payload(std::uint64_t from, const Reservation& to, std::uint64_t bytes);
  Task<Status> write_trailer(Copy& copy, const IndexEntry& old);
  Task<Status> commit_group();
  static Task<void> commit_one(CorePtr core, Copy copy, std::shared_ptr<Status> result);

  CorePtr core_;
  LogPtr from_;
  std::vector<Copy> group_;
  std::uint64_t group_bytes_ = 0;
};

Task<Status> LogCompaction::run() {
  LogReader reader(from_, core_->identity, kFirstRecord);
  Status status;
  for (;;) {
    status = core_->check_open();
    if (!status) break;
    auto step = co_await reader.next();
    if (!step) {
      status = fail(std::move(step).error());
      break;
    }
    if (std::get_if<LogWalker::End>(&*step) != nullptr) break;
    const auto* shard = std::get_if<LogWalker::Shard>(&*step);
    if (shard == nullptr) continue;
    status = co_await copy(shard->header);
    if (status && (group_bytes_ >= kGroupBytes || group_.size() >= kGroupRecords))
      status = co_await commit_group();
    if (!status) break;
  }
  const Status last = co_await commit_group();
  co_return status ? last : status;
}

Task<Status> LogCompaction::copy(const RecordHeader& header) {
  HYDRA_CO_TRY(const EntryPtr old, core_->index.find(header.shard));
  if (!old || !old->at(header.generation, header.offset)) co_return Status();
  RecordHeader wanted;
  wanted.type = RecordType::kShard;
  wanted.shard = header.shard;
  wanted.layout = header.layout;
  wanted.shard_bytes = header.shard_bytes;
  HYDRA_CO_TRY(Reservation place, co_await core_->logs.reserve(wanted, Purpose::kUpkeep));
  Copy copy{std::move(place), nullptr, header.generation, header.offset};
  Status written = co_await copy_payload(header.payload(), copy.place, header.shard_bytes);
  if (written) written = co_await write_trailer(copy, *old);
  if (!written) {
    if (!core_->logs.abandon(copy.place)) {
      const RecordHeader& place_header = copy.place.header;
      core_->commits.retire(
          {place_header.generation, place_header.offset, place_header.record_bytes});
    }
    co_return written;
  }
  group_bytes_ += copy.place.header.record_bytes;
  group_.push_back(std::move(copy));
  co_return Status();
}

// The bytes are not verified: a broken block keeps its checksum, and stays detectable, in the copy.
Task<Status> LogCompaction::copy_payload(std::uint64_t from, const Reservation& to,
                                         std::uint64_t bytes) {
  Buffer buffer(std::min(bytes, kCopyBytes));
  for (std::uint64_t done = 0; done < bytes; done += buffer.size()) {
    buffer.resize(std::min(bytes - done, kCopyBytes));
    HYDRA_CO_TRY(const std::size_t got, co_await from_->file->read(buffer.span(), from + done));
    if (got != buffer.size()) co_return fail(Code::kCorrupt, "the log is shorter than its records");
    std::vector<ByteView> pieces;
    if (done == 0) pieces.push_back(ByteView(to.header_bytes));
    pieces.push_back(buffer.view());
    const std::uint64_t at = done == 0 ? to.header.offset : to.header.payload() + done;
    HYDRA_CO_CHECK_OK(co_await core_->logs.write(to.log, std::move(pieces), at));
    to.log->unwritten.erase(to.header.offset);
  }
  co_return Status();
}

Task<Status> LogCompaction::write_trailer(Copy& copy, const IndexEntry& old) {
  const RecordHeader& header = copy.place.header;
  auto entry = std::make_shared<IndexEntry>(old);
  entry->generation = header.generation;
  entry->offset = header.offset;
  entry->record_bytes = header.record_bytes;
  entry->sequence = core_->commits.begin_sequence();
  const Trailer trailer{old.order, entry->sequence, core_->commits.durable_sequence(),
                        old.block_crcs};
  const std::uint64_t bytes = trailer_bytes(header.layout.stripes());
  Buffer tail(bytes);
  tail.resize(bytes);
  encode_trailer(copy.place.header_bytes, trailer, tail.span());
  std::vector<ByteView> pieces{tail.view()};
  const Status written =
      co_await core_->logs.write(copy.place.log, std::move(pieces), header.end() - bytes);
  if (!written) {
    core_->commits.give_up(entry->sequence);
    co_return written;
  }
  copy.entry = std::move(entry);
  co_return Status();
}

Task<void> LogCompaction::commit_one(CorePtr core, Copy copy, std::shared_ptr<Status> result) {
  const std::pair<std::uint64_t, std::uint64_t> old(copy.old_generation, copy.old_offset);
  const Status done = co_await core->commits.commit(std::move(copy.place), copy.entry, old);
  if (!done) *result = done;
}

Task<Status> LogCompaction::commit_group() {
  std::vector<Copy> group = std::exchange(group_, {});
  group_bytes_ = 0;
  if (group.empty()) co_return Status();
  auto result = std::make_shared<Status>();
  TaskGroup tasks(core_->loop);
  for (Copy& copy : group) tasks.spawn(commit_one(core_, std::move(copy), result));
  co_await tasks.join();
  co_return *result;
}

}  // namespace

Task<void> compact_emptiest_log(CorePtr core) {
  const LogPtr log = emptiest_log(*core);
  if (!log || !room_for(*core, log->live_bytes)) co_return;
  LogCompaction compaction(core, log);
  const Status done = co_await compaction.run();
  // With kNoSpace another round may do; anything else would only fail again. A log that still holds
  // records that the walk did not find is damaged: the scrub will move them.
  const bool again = !done && done.error().code == Code::kNoSpace;
  if (!again && log->live_bytes > 0) log->keep = true;
}

}  // namespace hydra::agent
