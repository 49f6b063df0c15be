// The public face of the store: its directory, identity and lock, and the calls of store.h.
#include <fmt/format.h>

#include "nodeagent/store/node_files.h"
#include "nodeagent/store/store_core.h"

namespace hydra::agent {
namespace {

class LogShardStore : public ShardStore {
 public:
  explicit LogShardStore(CorePtr core) : core_(std::move(core)) {}
  ~LogShardStore() override;

  NodeIdentity identity() const override { return core_->identity; }
  std::optional<ClusterId> cluster() const override { return core_->cluster; }
  Task<Status> set_cluster(ClusterId cluster) override;

  Task<Result<std::unique_ptr<PendingShard>>> begin(ShardId id, erasure::Layout layout) override {
    return begin_shard(core_, id, layout);
  }
  Task<Result<ShardPieces>> read(ShardId id, std::uint64_t offset, std::uint64_t length) override {
    return read_shard(core_, id, offset, length);
  }
  std::optional<ShardRun> run_of(ShardId id, std::uint64_t offset, std::uint64_t length) override {
    return run_of_shard(*core_, id, offset, length);
  }
  Result<ShardInfo> info(ShardId id) override;
  Task<Status> free(ShardId id) override { return free_shard(core_, id); }
  Result<std::vector<ShardInfo>> list(std::optional<ShardId> after, std::size_t limit) override;
  Task<Status> verify(ShardId id) override { return verify_shard(core_, id); }

  StoreSpace space() const override {
    return {core_->logs.capacity_bytes(), core_->logs.live_bytes(), core_->logs.free_bytes()};
  }
  bool fenced() const override { return core_->logs.fenced(); }
  std::vector<LogDamage> damage() const override { return core_->damage; }
  std::uint64_t syncs() const override { return core_->logs.syncs(); }
  Nanos sync_time() const override { return core_->logs.sync_time(); }
  std::uint64_t bytes_written() const override { return core_->logs.bytes_written(); }
  Task<Status> close() override;

 private:
  CorePtr core_;
};

LogShardStore::~LogShardStore() {
  core_->closed = true;
  core_->wake_upkeep.set();
}

Task<Status> LogShardStore::set_cluster(ClusterId cluster) {
  const CorePtr core = core_;
  const Operation operation(core);
  HYDRA_CO_CHECK_OK(core->check_open());
  if (core->cluster == cluster) co_return Status();
  if (core->cluster) co_return fail(Code::kConflict, "the device belongs to another grid");
  HYDRA_CO_CHECK_OK(co_await save_cluster(core->loop.disk(), core->options.directory, cluster));
  core->cluster = cluster;
  core->logs.set_cluster(cluster);
  co_return Status();
}

Result<ShardInfo> LogShardStore::info(ShardId id) {
  if (core_->closed) return fail(Code::kClosed, "the store is closed");
  HYDRA_TRY(const EntryPtr entry, core_->index.find(id));
  if (!entry) return fail(Code::kNotFound, "no such shard");
  return ShardInfo{id, entry->layout, entry->layout.shard_bytes()};
}

Result<std::vector<ShardInfo>> LogShardStore::list(std::optional<ShardId> after,
                                                   std::size_t limit) {
  if (core_->closed) return fail(Code::kClosed, "the store is closed");
  std::vector<ShardInfo> shards;
  if (limit == 0) return shards;
  HYDRA_CHECK_OK(core_->index.scan(after, [&](const ShardId& id, const IndexEntry& entry) {
    shards.push_back({id, entry.layout, entry.layout.shard_bytes()});
    return shards.size() < limit;
  }));
  return shards;
}

Task<Status> LogShardStore::close() {
  const CorePtr core = core_;
  if (core->closed) co_return Status();
  core->closed = true;
  core->wake_upkeep.set();
  co_await core->upkeep_ended.wait();
  // The mark of a clean end says that nothing follows, so nothing may be on its way.
  co_await core->quiet.wait();
  Status done;
  if (!core->logs.fenced()) done = co_await checkpoint(core, true);
  core->index.close();
  core->lock.reset();
  co_return done;
}

// The index is a cache of the logs: when it cannot even be opened it is thrown away.
Task<Result<std::shared_ptr<kv::Store>>> open_index(Disk& disk, std::string path) {
  HYDRA_CO_CHECK_OK(co_await disk.make_directories(path));
  auto opened = disk.open_kv(path, kv::Options{});
  if (!opened && opened.error().code == Code::kCorrupt) {
    HYDRA_CO_TRY(const auto names, co_await disk.list(path));
    for (const std::string& name : names)
      HYDRA_CO_CHECK_OK(co_await disk.remove(path + "/" + name));
    opened = disk.open_kv(path, kv::Options{});
  }
  if (!opened) co_return fail(std::move(opened).error());
  co_return std::shared_ptr<kv::Store>(std::move(*opened));
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

}  // namespace

Task<Result<std::unique_ptr<ShardStore>>> ShardStore::open(Loop& loop, StoreOptions options) {
  Disk& disk = loop.disk();
  const std::string directory = options.directory;
  if (!directory.starts_with('/'))
    co_return fail(Code::kInvalidArgument, "the store's directory must be an absolute path");
  HYDRA_CO_CHECK_OK(co_await disk.make_directories(directory + "/logs"));
  auto lock = co_await disk.open(directory + "/lock", OpenMode::kLocked);
  if (!lock && lock.error().code == Code::kConflict)
    co_return fail(Code::kConflict, directory + " is in use by another agent");
  if (!lock) co_return fail(std::move(lock).error());
  HYDRA_CO_TRY(const NodeIdentity identity, co_await load_identity(loop, directory));
  HYDRA_CO_TRY(const auto cluster, co_await load_cluster(disk, directory));
  HYDRA_CO_TRY(auto index, co_await open_index(disk, directory + "/index"));
  HYDRA_CO_CHECK_OK(co_await disk.sync_directory(directory));
  HYDRA_CO_CHECK_OK(co_await disk.sync_directory(parent_of(directory)));

  auto core = std::make_shared<StoreCore>(loop, std::move(options), identity, std::move(index));
  core->lock = std::move(*lock);
  if (cluster) {
    core->cluster = cluster;
    core->logs.set_cluster(*cluster);
  }
  if (const auto marker = co_await disk.open(directory + "/fenced", OpenMode::kRead))
    core->logs.fence("it failed before; remove the file 'fenced' once it is replaced or checked");
  HYDRA_CO_CHECK_OK(co_await replay_logs(core));
  core->upkeep_ended.reset();
  loop.spawn(run_upkeep(core));
  co_return std::unique_ptr<ShardStore>(std::make_unique<LogShardStore>(std::move(core)));
}

}  // namespace hydra::agent
