// StoreCore: the parts of one open store, shared by the ShardStore that the agent holds, the shards
// being written and the upkeep task. Used on the store's loop. Each part of its work has a file:
// pending_shard.cc writes, shard_read.cc reads, replay.cc opens, upkeep.cc checkpoints and gives
// space back, shard_store.cc is the public face.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/runtime/sync.h"
#include "nodeagent/store/commit_batch.h"
#include "nodeagent/store/log_set.h"
#include "nodeagent/store/shard_index.h"
#include "nodeagent/store/store.h"

namespace hydra::agent {

struct StoreCore {
  StoreCore(Loop& owner, StoreOptions wanted, NodeIdentity node, std::shared_ptr<kv::Store> kv)
      : loop(owner),
        options(std::move(wanted)),
        identity(node),
        logs(owner, options, node),
        index(std::move(kv)),
        commits(owner, logs, index),
        checkpointing(owner, 1),
        wake_upkeep(owner),
        upkeep_ended(owner),
        quiet(owner) {
    logs.set_sequence_source([this] { return commits.last_sequence(); });
    upkeep_ended.set();
    quiet.set();
  }
  StoreCore(const StoreCore&) = delete;
  StoreCore& operator=(const StoreCore&) = delete;

  Loop& loop;
  const StoreOptions options;
  const NodeIdentity identity;
  std::optional<ClusterId> cluster;
  std::unique_ptr<File> lock;

  LogSet logs;
  ShardIndex index;
  CommitBatch commits;
  std::vector<LogDamage> damage;

  Semaphore checkpointing;
  Event wake_upkeep;
  Event upkeep_ended;
  bool closed = false;              // no more calls; upkeep ends
  std::size_t operations = 0;       // calls under way, which close() waits for
  Event quiet;                      // there are none
  std::uint64_t checkpoint_at = 0;  // bytes_written() at the last checkpoint

  Status check_open() const {
    if (closed) return fail(Code::kClosed, "the store is closed");
    if (logs.fenced()) return fail(logs.fence_error());
    return {};
  }
};
using CorePtr = std::shared_ptr<StoreCore>;

// Held by every call for as long as it uses the store's parts.
class Operation {
 public:
  explicit Operation(CorePtr core) : core_(std::move(core)) {
    ++core_->operations;
    core_->quiet.reset();
  }
  ~Operation() {
    if (--core_->operations == 0) core_->quiet.set();
  }
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

 private:
  CorePtr core_;
};

// pending_shard.cc
Task<Result<std::unique_ptr<PendingShard>>> begin_shard(CorePtr core, ShardId id,
                                                        erasure::Layout layout);
Task<Status> free_shard(CorePtr core, ShardId id);

// shard_read.cc
Task<Result<ShardPieces>> read_shard(CorePtr core, ShardId id, std::uint64_t offset,
                                     std::uint64_t length);
std::optional<ShardRun> run_of_shard(const StoreCore& core, ShardId id, std::uint64_t offset,
                                     std::uint64_t length);
Task<Status> verify_shard(CorePtr core, ShardId id);

// replay.cc: finds the logs, brings the index up to date with them and chooses the active log.
Task<Status> replay_logs(CorePtr core);

// upkeep.cc
// Writes what changed to the index, then gives back what that made free. `clean`: nothing will
// follow.
Task<Status> checkpoint(CorePtr core, bool clean);
// Waits while more changes are in memory than there may be.
Task<Status> wait_for_checkpoint(CorePtr core);
Task<void> run_upkeep(CorePtr core);

}  // namespace hydra::agent
