#include "nodeagent/store/log_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"

namespace hydra::agent {
namespace {

constexpr std::uint64_t kLeastLogBytes = 1u << 20;  // unless log_bytes is smaller

// While one lives, no reservation of the log is taken back: its header may be on its way to the
// disk.
class HeaderWriter {
 public:
  explicit HeaderWriter(Log& log) : log_(log) { ++log_.header_writers; }
  ~HeaderWriter() { --log_.header_writers; }
  HeaderWriter(const HeaderWriter&) = delete;
  HeaderWriter& operator=(const HeaderWriter&) = delete;

 private:
  Log& log_;
};

// Leaves a note that the device failed, for the next process and the operator. Best effort.
Task<void> write_fence_marker(Loop& loop, std::string directory, std::string reason) {
  auto file = co_await loop.disk().open(directory + "/fenced", OpenMode::kCreateNew);
  if (!file) co_return;
  const ByteView piece = as_bytes(reason);
  if (auto written = co_await (*file)->write({&piece, 1}, 0); !written) co_return;
  if (auto synced = co_await (*file)->sync(); !synced) co_return;
  if (auto synced = co_await loop.disk().sync_directory(directory); !synced) co_return;
}

}  // namespace

LogState Log::state() const {
  LogState state;
  state.generation = generation;
  state.log_bytes = log_bytes;
  state.scan_from = settled;
  if (!open.empty()) state.scan_from = std::min(state.scan_from, *open.begin());
  state.tail = tail;
  state.live_bytes = live_bytes;
  state.punched_bytes = punched_bytes;
  state.sealed = sealed;
  return state;
}

LogSet::LogSet(Loop& loop, const StoreOptions& options, NodeIdentity identity)
    : loop_(loop),
      store_directory_(options.directory),
      directory_(options.directory + "/logs"),
      log_bytes_(round_up(std::max(options.log_bytes, 4 * kPageBytes), kPageBytes)),
      capacity_limit_(options.capacity_bytes),
      reserve_bytes_(options.reserve_bytes),
      identity_(identity),
      rotating_(loop, 1) {}

LogPtr LogSet::find(std::uint64_t generation) const {
  const auto found = logs_.find(generation);
  return found == logs_.end() ? nullptr : found->second;
}

std::string LogSet::path_of(std::uint64_t generation) const {
  return fmt::format("{}/{:016x}.log", directory_, generation);
}

Error LogSet::fence_error() const {
  return Error{Code::kFenced, "the device failed: " + fenced_.value_or("unknown")};
}

void LogSet::fence(std::string reason) {
  if (fenced_) return;
  fenced_ = std::move(reason);
  loop_.spawn(write_fence_marker(loop_, store_directory_, *fenced_));
}

void LogSet::adopt(LogPtr log) {
  physical_ += log->physical_bytes();
  logs_[log->generation] = std::move(log);
}

std::uint64_t LogSet::live_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [generation, log] : logs_) sum += log->live_bytes;
  return sum;
}

std::uint64_t LogSet::consumed_bytes() const {
  return physical_bytes() - (active_ ? std::min(active_->room(), active_->physical_bytes()) : 0);
}

std::uint64_t LogSet::capacity_bytes() const {
  const std::uint64_t present = physical_bytes() + disk_free_;
  return capacity_limit_ == 0 ? present : std::min(capacity_limit_, present);
}

std::uint64_t LogSet::free_bytes() const {
  const std::uint64_t taken = consumed_bytes() + reserve_bytes_;
  const std::uint64_t capacity = capacity_bytes();
  return fenced() || capacity < taken ? 0 : capacity - taken;
}

Task<void> LogSet::refresh_space() {
  if (auto space = co_await loop_.disk().space(directory_)) disk_free_ = space->free_bytes;
}

Result<std::optional<Reservation>> LogSet::try_reserve(RecordHeader header, Purpose purpose) {
  if (fenced()) return fail(fence_error());
  const std::uint64_t offset = active_ ? active_->tail : 0;
  header.record_bytes = header.type == RecordType::kShard
                            ? shard_record_bytes(header.layout, offset)
                            : kRecordHeaderBytes;
  if (purpose == Purpose::kShard && header.record_bytes > free_bytes())
    return fail(Code::kNoSpace, "the device is full up to its reserve");
  if (!active_ || active_->room() < header.record_bytes) return std::optional<Reservation>();
  header.cluster = cluster_;
  header.node = identity_;
  header.generation = active_->generation;
  header.offset = offset;
  Reservation reservation{active_, header, encode_record_header(header)};
  active_->tail += header.record_bytes;
  active_->unwritten.emplace(offset, reservation.header_bytes);
  active_->open.insert(offset);
  return std::optional<Reservation>(std::move(reservation));
}

Task<Result<Reservation>> LogSet::reserve(RecordHeader header, Purpose purpose) {
  const std::uint64_t worst = header.type == RecordType::kShard
                                  ? shard_record_bytes(header.layout, 0) + kPageBytes
                                  : kRecordHeaderBytes;
  for (;;) {
    HYDRA_CO_TRY(auto reserved, try_reserve(header, purpose));
    if (reserved) co_return std::move(*reserved);
    HYDRA_CO_TRY(auto hold, co_await rotating_.acquire(1));
    // Someone else may have rotated while this one waited.
    if (active_ && active_->room() >= worst) continue;
    HYDRA_CO_CHECK_OK(co_await rotate(worst, purpose));
  }
}

bool LogSet::abandon(const Reservation& reservation) {
  Log& log = *reservation.log;
  const std::uint64_t offset = reservation.header.offset;
  log.open.erase(offset);
  const auto noted = log.unwritten.find(offset);
  if (noted == log.unwritten.end() || log.sealed || log.header_writers > 0 ||
      log.tail != reservation.header.end())
    return false;
  log.unwritten.erase(noted);
  log.tail = offset;
  return true;
}

Result<std::uint64_t> LogSet::size_of_next(std::uint64_t record_bytes, Purpose purpose) const {
  const std::uint64_t needed =
      round_up(kFirstRecord + record_bytes + kRecordHeaderBytes, kPageBytes);
  const std::uint64_t least = std::max(needed, std::min(kLeastLogBytes, log_bytes_));
  const std::uint64_t capacity = capacity_bytes();
  const std::uint64_t physical = physical_bytes();
  const std::uint64_t left = capacity > physical ? capacity - physical : 0;
  const std::uint64_t ordinary = left > reserve_bytes_ ? left - reserve_bytes_ : 0;
  const std::uint64_t wanted = std::max(needed, log_bytes_);
  if (ordinary >= least) return std::min(wanted, ordinary / kPageBytes * kPageBytes);
  if (purpose == Purpose::kUpkeep && left >= least) return least;
  if (purpose == Purpose::kUpkeep && left >= needed) return needed;
  return fail(Code::kNoSpace, "no room for another log");
}

Task<Status> LogSet::rotate(std::uint64_t record_bytes, Purpose purpose) {
  if (fenced()) co_return fail(fence_error());
  HYDRA_CO_TRY(std::uint64_t log_bytes, size_of_next(record_bytes, purpose));
  auto made = co_await create(log_bytes);
  if (!made && made.error().code == Code::kNoSpace) {
    // Others use the file system too. By now its free space has been looked up again.
    HYDRA_CO_TRY(log_bytes, size_of_next(record_bytes, purpose));
    made = co_await create(log_bytes);
  }
  HYDRA_CO_TRY(LogPtr next, std::move(made));
  if (active_ && !active_->sealed) {
    const Status sealed = co_await seal(active_, sequence_());
    // Without room for the seal the log ends all the same, only a reader has to look for its end.
    if (!sealed && sealed.error().code != Code::kNoSpace) co_return sealed;
  }
  active_ = std::move(next);
  co_return Status();
}

Task<Result<LogPtr>> LogSet::create(std::uint64_t log_bytes) {
  auto log = std::make_shared<Log>();
  log->generation = next_generation_++;
  log->path = path_of(log->generation);
  log->log_bytes = log_bytes;
  HYDRA_CO_TRY(log->file, co_await loop_.disk().open(log->path, OpenMode::kCreateNew));
  auto prepared = co_await prepare(log);
  if (!prepared) {
    log->file.reset();
    // Should this fail, the next open finds a log without records and removes it.
    const auto removed = co_await loop_.disk().remove(log->path);
    co_await refresh_space();
    co_return fail(std::move(prepared).error());
  }
  disk_free_ -= std::min(disk_free_, log_bytes);
  adopt(log);
  co_return log;
}

Task<Status> LogSet::prepare(LogPtr log) {
  HYDRA_CO_CHECK_OK(co_await log->file->allocate(0, log->log_bytes));
  const auto header = encode_log_header({identity_, cluster_, log->generation});
  std::vector<ByteView> pieces{ByteView(header)};
  HYDRA_CO_CHECK_OK(co_await write(log, std::move(pieces), 0));
  HYDRA_CO_CHECK_OK(co_await sync(log));
  auto listed = co_await loop_.disk().sync_directory(directory_);
  if (!listed) {
    fence("directory sync failed: " + listed.error().message);
    co_return fail(fence_error());
  }
  co_return Status();
}

Task<Status> LogSet::write(LogPtr log, std::vector<ByteView> pieces, std::uint64_t offset) {
  if (fenced()) co_return fail(fence_error());
  log->dirty = true;
  auto written = co_await log->file->write(pieces, offset);
  if (!written) {
    if (written.error().code != Code::kNoSpace) {
      fence("write failed: " + written.error().message);
      co_return fail(fence_error());
    }
    co_return fail(std::move(written).error());
  }
  for (const ByteView piece : pieces) bytes_written_ += piece.size();
  co_return Status();
}

Task<Status> LogSet::write_headers(LogPtr log, std::uint64_t before) {
  const HeaderWriter mark(*log);
  while (!log->unwritten.empty() && log->unwritten.begin()->first < before) {
    const std::uint64_t offset = log->unwritten.begin()->first;
    const RecordHeaderBytes header = log->unwritten.begin()->second;
    std::vector<ByteView> pieces{ByteView(header)};
    HYDRA_CO_CHECK_OK(co_await write(log, std::move(pieces), offset));
    log->unwritten.erase(offset);
  }
  co_return Status();
}

Task<Status> LogSet::sync(LogPtr log) {
  if (fenced()) co_return fail(fence_error());
  log->dirty = false;
  ++syncs_;
  const std::uint64_t written = log->unwritten.empty() ? log->tail : log->unwritten.begin()->first;
  const Nanos begun = loop_.now();
  auto synced = co_await log->file->sync();
  const Nanos took = loop_.now() - begun;
  sync_time_ = sync_time_ == 0 ? took : sync_time_ + (took - sync_time_) / 8;
  if (!synced) {
    fence("sync failed: " + synced.error().message);
    co_return fail(fence_error());
  }
  // Another sync may have failed meanwhile, and then this one proves nothing.
  if (fenced()) co_return fail(fence_error());
  log->settled = std::max(log->settled, written);
  co_return Status();
}

Task<Status> LogSet::seal(LogPtr log, std::uint64_t sequence) {
  HYDRA_ASSERT(!log->sealed);
  log->sealed = true;
  RecordHeader header;
  header.type = RecordType::kSeal;
  header.cluster = cluster_;
  header.node = identity_;
  header.generation = log->generation;
  header.offset = log->tail;
  header.record_bytes = kRecordHeaderBytes;
  header.sequence = sequence;
  const bool fits = log->log_bytes >= log->tail + kRecordHeaderBytes;
  if (fits) log->tail += kRecordHeaderBytes;
  HYDRA_CO_CHECK_OK(co_await write_headers(log, log->tail));
  if (fits) {
    const RecordHeaderBytes bytes = encode_record_header(header);
    std::vector<ByteView> pieces{ByteView(bytes)};
    HYDRA_CO_CHECK_OK(co_await write(log, std::move(pieces), header.offset));
  }
  HYDRA_CO_CHECK_OK(co_await sync(log));
  co_await punch(log, round_up(log->tail, kPageBytes), log->log_bytes);
  co_return Status();
}

Task<void> LogSet::punch(LogPtr log, std::uint64_t first, std::uint64_t last) {
  if (fenced() || first >= last) co_return;
  if (auto punched = co_await log->file->punch_hole(first, last - first); !punched) co_return;
  const std::uint64_t bytes = std::min(last - first, log->physical_bytes());
  log->punched_bytes += bytes;
  disk_free_ += bytes;
  // Unless the log was dropped meanwhile.
  if (find(log->generation) == log) physical_ -= bytes;
}

Task<Status> LogSet::drop(LogPtr log) {
  HYDRA_ASSERT(log != active_);
  logs_.erase(log->generation);
  physical_ -= log->physical_bytes();
  HYDRA_CO_CHECK_OK(co_await loop_.disk().remove(log->path));
  disk_free_ += log->physical_bytes();
  co_return Status();
}

}  // namespace hydra::agent
