// CacheStore: a ShardStore that forgets: what a node of the role `cache` keeps on its device.
//
// It wraps the real store and owns it. When new shards need room, those that were not read for the
// longest time are freed. What it holds is a copy of what storage nodes hold, so losing any or all
// of it loses nothing. The order of use lives in memory; after a start it is that of the ids.
// Belongs to the agent's loop.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <vector>

#include "base/runtime/loop.h"
#include "nodeagent/store/store.h"

namespace hydra::agent {

class CacheStore : public ShardStore {
 public:
  // Room is made when less than this share of the capacity is free, and then twice as much.
  static constexpr double kSpareShare = 0.05;

  // Knows the shards that `store` holds already. What list() gives.
  static Result<std::unique_ptr<ShardStore>> over(std::unique_ptr<ShardStore> store);

  // How many shards were freed to make room since over().
  std::uint64_t evicted() const;
  // How many `store` holds, if it is one that forgets: nobody else can keep count of them then.
  static std::optional<std::uint64_t> entries_of(const ShardStore& store);

  NodeIdentity identity() const override { return store_->identity(); }
  std::optional<ClusterId> cluster() const override { return store_->cluster(); }
  Task<Status> set_cluster(ClusterId cluster) override { return store_->set_cluster(cluster); }
  // kNoSpace also while the room that was made is still on its way back; a cache does without then.
  Task<Result<std::unique_ptr<PendingShard>>> begin(ShardId id, erasure::Layout layout) override;
  Task<Result<ShardPieces>> read(ShardId id, std::uint64_t offset, std::uint64_t length) override;
  std::optional<ShardRun> run_of(ShardId id, std::uint64_t offset, std::uint64_t length) override;
  Result<ShardInfo> info(ShardId id) override { return store_->info(id); }
  Task<Status> free(ShardId id) override;
  Result<std::vector<ShardInfo>> list(std::optional<ShardId> after, std::size_t limit) override {
    return store_->list(after, limit);
  }
  Task<Status> verify(ShardId id) override { return store_->verify(id); }
  StoreSpace space() const override { return store_->space(); }
  bool fenced() const override { return store_->fenced(); }
  std::vector<LogDamage> damage() const override { return store_->damage(); }
  std::uint64_t syncs() const override { return store_->syncs(); }
  Nanos sync_time() const override { return store_->sync_time(); }
  std::uint64_t bytes_written() const override { return store_->bytes_written(); }
  Task<Status> close() override { return store_->close(); }

 private:
  // The shards by their last use, the oldest first. Shared with shards that are being written.
  struct Uses {
    struct Item {
      ShardId id;
      std::uint64_t bytes;
    };
    std::list<Item> order;
    std::map<ShardId, std::list<Item>::iterator> where;
    std::uint64_t evicted = 0;

    void add(ShardId id, std::uint64_t bytes);
    void touch(ShardId id);
    void remove(ShardId id);
  };
  class Pending;

  CacheStore(std::unique_ptr<ShardStore> store, std::shared_ptr<Uses> uses)
      : store_(std::move(store)), uses_(std::move(uses)) {}
  Task<Status> make_room(std::uint64_t bytes);

  std::unique_ptr<ShardStore> store_;
  std::shared_ptr<Uses> uses_;
};

}  // namespace hydra::agent
