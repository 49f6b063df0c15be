#include "nodeagent/store/commit_batch.h"

#include <algorithm>
#include <map>

namespace hydra::agent {
namespace {

constexpr std::size_t kMaxDeadRecords = 65536;  // more than that are left to compaction

}  // namespace

std::uint64_t CommitBatch::begin_sequence() {
  open_.insert(++last_);
  return last_;
}

Task<Status> CommitBatch::commit(Reservation reservation, EntryPtr entry,
                                 std::optional<std::pair<std::uint64_t, std::uint64_t>> replaces) {
  auto member = std::make_shared<Member>(loop_, std::move(reservation), std::move(entry));
  member->replaces = replaces;
  waiting_.push_back(member);
  if (!running_) {
    running_ = true;
    // Runs only while a member waits, and every waiting caller keeps the store alive.
    loop_.spawn(run());
  }
  co_await member->done.wait();
  co_return member->status;
}

Task<void> CommitBatch::run() {
  while (!waiting_.empty()) {
    const std::vector<MemberPtr> members = std::exchange(waiting_, {});
    const Status durable = co_await make_durable(members);
    for (const MemberPtr& member : members) settle(*member, durable);
  }
  running_ = false;
}

Task<Status> CommitBatch::make_durable(const std::vector<MemberPtr>& members) {
  std::map<std::uint64_t, std::pair<LogPtr, std::uint64_t>> ends;  // generation -> log, last byte
  for (const MemberPtr& member : members) {
    auto& [log, end] = ends[member->reservation.header.generation];
    log = member->reservation.log;
    end = std::max(end, member->reservation.header.end());
  }
  for (const auto& [generation, range] : ends) {
    HYDRA_CO_CHECK_OK(co_await logs_.write_headers(range.first, range.second));
    HYDRA_CO_CHECK_OK(co_await logs_.sync(range.first));
  }
  co_return Status();
}

void CommitBatch::settle(Member& member, const Status& durable) {
  const RecordHeader& header = member.reservation.header;
  const DeadRecord record{header.generation, header.offset, header.record_bytes};
  if (!durable) {
    member.status = durable;
  } else if (!member.replaces) {
    apply(header.shard, member.entry);
  } else {
    const auto current = index_.find(header.shard);
    if (current && *current && (*current)->at(member.replaces->first, member.replaces->second))
      apply(header.shard, member.entry);
    else
      retire(record);
  }
  open_.erase(member.entry->sequence);
  member.reservation.log->open.erase(header.offset);
  member.done.set();
}

void CommitBatch::apply(const ShardId& id, EntryPtr entry) {
  // An index row that cannot be read is as good as none: the new one takes its place.
  EntryPtr current;
  if (auto found = index_.find_any(id)) current = std::move(*found);
  if (current && !entry->tombstone() && current->at(entry->generation, entry->offset)) return;
  if (current && current->newer_than(*entry)) {
    if (!entry->tombstone()) retire({entry->generation, entry->offset, entry->record_bytes});
    return;
  }
  if (!entry->tombstone())
    if (const LogPtr log = logs_.find(entry->generation)) log->live_bytes += entry->record_bytes;
  if (current && !current->tombstone()) {
    ++removals_;
    if (const LogPtr log = logs_.find(current->generation))
      log->live_bytes -= std::min(log->live_bytes, current->record_bytes);
    retire({current->generation, current->offset, current->record_bytes});
  }
  index_.put(id, std::move(entry));
}

void CommitBatch::retire(const DeadRecord& record) {
  std::uint64_t first, last;
  if (dead_.size() < kMaxDeadRecords &&
      punchable_range(record.offset, record.record_bytes, &first, &last))
    dead_.push_back(record);
}

void CommitBatch::put_back_dead(std::vector<DeadRecord> dead) {
  dead_.insert(dead_.end(), dead.begin(), dead.end());
}

}  // namespace hydra::agent
