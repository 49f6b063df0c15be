#include "nodeagent/cache_store.h"

#include <utility>

namespace hydra::agent {

namespace {
constexpr std::size_t kPage = 1024;
}

void CacheStore::Uses::add(ShardId id, std::uint64_t bytes) {
  remove(id);
  where[id] = order.insert(order.end(), {id, bytes});
}

void CacheStore::Uses::touch(ShardId id) {
  if (const auto found = where.find(id); found != where.end())
    order.splice(order.end(), order, found->second);
}

void CacheStore::Uses::remove(ShardId id) {
  const auto found = where.find(id);
  if (found == where.end()) return;
  order.erase(found->second);
  where.erase(found);
}

// Passes a shard through, and counts it as used once it is there.
class CacheStore::Pending : public PendingShard {
 public:
  Pending(std::unique_ptr<PendingShard> shard, std::shared_ptr<Uses> uses, ShardId id,
          std::uint64_t bytes)
      : shard_(std::move(shard)), uses_(std::move(uses)), id_(id), bytes_(bytes) {}
  Task<Status> append(ByteView block, std::uint32_t crc32c) override {
    return shard_->append(block, crc32c);
  }
  Task<Status> commit() override {
    HYDRA_CO_CHECK_OK(co_await shard_->commit());
    uses_->add(id_, bytes_);
    co_return Status();
  }

 private:
  std::unique_ptr<PendingShard> shard_;
  std::shared_ptr<Uses> uses_;
  ShardId id_;
  std::uint64_t bytes_;
};

Result<std::unique_ptr<ShardStore>> CacheStore::over(std::unique_ptr<ShardStore> store) {
  auto uses = std::make_shared<Uses>();
  std::optional<ShardId> after;
  for (;;) {
    HYDRA_TRY(const auto page, store->list(after, kPage));
    for (const ShardInfo& shard : page) uses->add(shard.id, shard.shard_bytes);
    if (page.size() < kPage) break;
    after = page.back().id;
  }
  return std::unique_ptr<ShardStore>(new CacheStore(std::move(store), std::move(uses)));
}

std::uint64_t CacheStore::evicted() const { return uses_->evicted; }

std::optional<std::uint64_t> CacheStore::entries_of(const ShardStore& store) {
  const auto* cache = dynamic_cast<const CacheStore*>(&store);
  return cache == nullptr ? std::nullopt : std::optional(cache->uses_->where.size());
}

Task<Result<std::unique_ptr<PendingShard>>> CacheStore::begin(ShardId id, erasure::Layout layout) {
  HYDRA_CO_CHECK_OK(co_await make_room(layout.shard_bytes()));
  HYDRA_CO_TRY(auto shard, co_await store_->begin(id, layout));
  co_return std::unique_ptr<PendingShard>(
      std::make_unique<Pending>(std::move(shard), uses_, id, layout.shard_bytes()));
}

Task<Result<ShardPieces>> CacheStore::read(ShardId id, std::uint64_t offset, std::uint64_t length) {
  uses_->touch(id);
  return store_->read(id, offset, length);
}

std::optional<ShardRun> CacheStore::run_of(ShardId id, std::uint64_t offset, std::uint64_t length) {
  uses_->touch(id);
  return store_->run_of(id, offset, length);
}

Task<Status> CacheStore::free(ShardId id) {
  uses_->remove(id);
  return store_->free(id);
}

Task<Status> CacheStore::make_room(std::uint64_t bytes) {
  const StoreSpace space = store_->space();
  const auto spare =
      static_cast<std::uint64_t>(static_cast<double>(space.capacity_bytes) * kSpareShare) + bytes;
  if (space.free_bytes >= spare) co_return Status();
  // The store gives room back a little later, so some is made ahead.
  std::uint64_t freed = 0;
  while (freed < 2 * spare && !uses_->order.empty()) {
    const Uses::Item oldest = uses_->order.front();
    uses_->remove(oldest.id);
    ++uses_->evicted;
    freed += oldest.bytes;
    HYDRA_CO_CHECK_OK(co_await store_->free(oldest.id));
  }
  co_return Status();
}

}  // namespace hydra::agent
