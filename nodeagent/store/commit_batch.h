// CommitBatch: turns finished records into durable, visible shards. While one sync runs the next
// commits gather, and share the next one. Owned by the store, used on its loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/runtime/sync.h"
#include "nodeagent/store/log_set.h"
#include "nodeagent/store/shard_index.h"

namespace hydra::agent {

// A record that is dead and could be punched out.
struct DeadRecord {
  std::uint64_t generation;
  std::uint64_t offset;
  std::uint64_t record_bytes;
};

class CommitBatch {
 public:
  CommitBatch(Loop& loop, LogSet& logs, ShardIndex& index)
      : loop_(loop), logs_(logs), index_(index) {}

  // The number of a commit that is about to write its trailer. It stays open until commit() or
  // give_up().
  std::uint64_t begin_sequence();
  void give_up(std::uint64_t sequence) { open_.erase(sequence); }
  // A number for a tombstone, which nobody waits for.
  std::uint64_t next_sequence() { return ++last_; }
  std::uint64_t last_sequence() const { return last_; }
  void set_last_sequence(std::uint64_t sequence) { last_ = sequence; }
  // Every commit with a number up to this one is durable and in the index, or will never be.
  std::uint64_t durable_sequence() const { return open_.empty() ? last_ : *open_.begin() - 1; }

  // The record's bytes, trailer included, have been written. Returns when they are durable and the
  // shard is in the index. With `replaces` (a copy made by compaction) only if the shard still lies
  // there. kFenced, kNoSpace.
  Task<Status> commit(Reservation reservation, EntryPtr entry,
                      std::optional<std::pair<std::uint64_t, std::uint64_t>> replaces);

  // Makes `entry` (which may be a tombstone) the shard's newest, unless there is a newer one; what
  // lost is dead.
  void apply(const ShardId& id, EntryPtr entry);
  // Notes that nothing refers to the record any more.
  void retire(const DeadRecord& record);
  // How many records have been replaced or forgotten since open.
  std::uint64_t removals() const { return removals_; }
  std::vector<DeadRecord> take_dead() { return std::exchange(dead_, {}); }
  void put_back_dead(std::vector<DeadRecord> dead);

 private:
  struct Member {
    Reservation reservation;
    EntryPtr entry;
    std::optional<std::pair<std::uint64_t, std::uint64_t>> replaces;
    Status status;
    Event done;
    Member(Loop& loop, Reservation place, EntryPtr what)
        : reservation(std::move(place)), entry(std::move(what)), done(loop) {}
  };
  using MemberPtr = std::shared_ptr<Member>;

  Task<void> run();
  Task<Status> make_durable(const std::vector<MemberPtr>& members);
  void settle(Member& member, const Status& durable);

  Loop& loop_;
  LogSet& logs_;
  ShardIndex& index_;
  std::uint64_t last_ = 0;
  std::set<std::uint64_t> open_;
  std::vector<MemberPtr> waiting_;
  bool running_ = false;
  std::vector<DeadRecord> dead_;
  std::uint64_t removals_ = 0;
};

}  // namespace hydra::agent
