// Checkpoints of the index, and what they make possible: unlinking dead logs, punching out dead
// records.
#include <algorithm>
#include <set>

#include "nodeagent/store/compaction.h"
#include "nodeagent/store/store_core.h"

namespace hydra::agent {
namespace {

// Runs the blocking write on the loop's pool. The state is shared: the loop may be torn down first.
Task<Status> write_offloaded(CorePtr core, ShardIndex::Checkpoint checkpoint) {
  struct Work {
    explicit Work(Loop& loop) : done(loop) {}
    ShardIndex::Checkpoint checkpoint;
    Status status;
    Event done;
  };
  auto work = std::make_shared<Work>(core->loop);
  work->checkpoint = std::move(checkpoint);
  core->loop.offload([work] { work->status = ShardIndex::write_checkpoint(work->checkpoint); },
                     [work] { work->done.set(); });
  co_await work->done.wait();
  co_return work->status;
}

// Tombstones and the headers of abandoned records wait for no commit: here they become durable.
Task<Status> flush_logs(CorePtr core) {
  std::vector<LogPtr> dirty;
  for (const auto& [generation, log] : core->logs.all())
    if (log->dirty || !log->unwritten.empty()) dirty.push_back(log);
  for (const LogPtr& log : dirty) {
    HYDRA_CO_CHECK_OK(co_await core->logs.write_headers(log, log->tail));
    if (log->dirty) HYDRA_CO_CHECK_OK(co_await core->logs.sync(log));
  }
  co_return Status();
}

bool droppable(const StoreCore& core, const Log& log) {
  return log.sealed && !log.keep && log.live_bytes == 0 && log.open.empty() &&
         &log != core.logs.active().get();
}

Task<Status> drop_logs(CorePtr core, std::vector<LogPtr> dropped) {
  if (dropped.empty()) co_return Status();
  for (const LogPtr& log : dropped) HYDRA_CO_CHECK_OK(co_await core->logs.drop(log));
  co_return co_await core->loop.disk().sync_directory(core->logs.directory());
}

// Takes out those that are still being sent; the next checkpoint looks at them again.
std::vector<DeadRecord> take_sending(const StoreCore& core, std::vector<DeadRecord>& dead) {
  const auto sending = std::partition(dead.begin(), dead.end(), [&](const DeadRecord& record) {
    const LogPtr log = core.logs.find(record.generation);
    return !log || !log->sending.contains(record.offset);
  });
  std::vector<DeadRecord> out(sending, dead.end());
  dead.erase(sending, dead.end());
  return out;
}

// The trailers go first, durably: a record of which only the payload is gone would be a broken
// shard to a rebuild.
Task<Status> punch_dead(CorePtr core, std::vector<DeadRecord> dead) {
  core->commits.put_back_dead(take_sending(*core, dead));
  std::set<LogPtr> touched;
  std::uint64_t first, last;
  for (const DeadRecord& record : dead) {
    const LogPtr log = core->logs.find(record.generation);
    if (!log || !punchable_range(record.offset, record.record_bytes, &first, &last)) continue;
    co_await core->logs.punch(log, last - kPageBytes, last);
    touched.insert(log);
  }
  for (const LogPtr& log : touched) HYDRA_CO_CHECK_OK(co_await core->logs.sync(log));
  for (const DeadRecord& record : dead) {
    const LogPtr log = core->logs.find(record.generation);
    if (!log || !punchable_range(record.offset, record.record_bytes, &first, &last)) continue;
    co_await core->logs.punch(log, first, last - kPageBytes);
  }
  co_return Status();
}

bool checkpoint_due(const StoreCore& core) {
  return core.index.changes() >= core.options.checkpoint_changes ||
         core.logs.bytes_written() - core.checkpoint_at >= core.options.checkpoint_bytes;
}

}  // namespace

Task<Status> checkpoint(CorePtr core, bool clean) {
  HYDRA_CO_TRY(const auto hold, co_await core->checkpointing.acquire(1));
  if (core->logs.fenced()) co_return fail(core->logs.fence_error());
  HYDRA_CO_CHECK_OK(co_await flush_logs(core));

  // From here to begin_checkpoint nothing may suspend: rows, log states and the sequence belong
  // together.
  std::vector<LogPtr> dropped;
  std::vector<DeadRecord> dead = core->commits.take_dead();
  ShardIndex::Checkpoint work = core->index.begin_checkpoint();
  for (const auto& [generation, log] : core->logs.all()) {
    if (droppable(*core, *log)) {
      dropped.push_back(log);
      work.dropped_logs.push_back(generation);
    } else {
      work.logs.push_back(log->state());
    }
  }
  work.meta = IndexMeta{core->identity, core->commits.durable_sequence(),
                        core->commits.last_sequence(), core->logs.next_generation(), clean};
  core->checkpoint_at = core->logs.bytes_written();

  const Status written = co_await write_offloaded(core, std::move(work));
  core->index.end_checkpoint(written.has_value());
  if (!written) {
    core->commits.put_back_dead(std::move(dead));
    if (written.error().code == Code::kIo || written.error().code == Code::kFenced)
      core->logs.fence("the index failed: " + written.error().message);
    co_return written;
  }
  HYDRA_CO_CHECK_OK(co_await drop_logs(core, std::move(dropped)));
  HYDRA_CO_CHECK_OK(co_await punch_dead(core, std::move(dead)));
  co_await core->logs.refresh_space();
  co_return Status();
}

Task<Status> wait_for_checkpoint(CorePtr core) {
  if (checkpoint_due(*core)) core->wake_upkeep.set();
  while (core->index.changes() >= 4 * core->options.checkpoint_changes)
    HYDRA_CO_CHECK_OK(co_await checkpoint(core, false));
  co_return Status();
}

Task<void> run_upkeep(CorePtr core) {
  while (!core->closed && !core->logs.fenced()) {
    co_await core->wake_upkeep.wait(core->loop.after(core->options.checkpoint_interval));
    core->wake_upkeep.reset();
    if (core->closed) break;
    if (core->index.changes() == 0 && core->logs.bytes_written() == core->checkpoint_at) {
      // A store that refuses everything because others filled the device must see that they left.
      co_await core->logs.refresh_space();
      continue;
    }
    // A failure keeps the changes in memory for the next round, or has fenced the store.
    const Status done = co_await checkpoint(core, false);
    if (done) co_await compact_emptiest_log(core);
  }
  core->upkeep_ended.set();
}

}  // namespace hydra::agent
