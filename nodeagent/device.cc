#include "nodeagent/device.h"

#include "nodeagent/cache_store.h"

namespace hydra::agent {

namespace {
constexpr std::size_t kCountPage = 256;
}

NodeLoad Device::load() const {
  const StoreSpace space = store->space();
  NodeLoad load;
  load.capacity_bytes = space.capacity_bytes;
  load.used_bytes = space.used_bytes;
  load.free_bytes = space.free_bytes;
  load.shards = CacheStore::entries_of(*store).value_or(shards_);
  load.syncs = store->syncs();
  load.bytes_written = store->bytes_written();
  load.errors = errors_;
  load.sync_us = static_cast<std::uint64_t>(store->sync_time() / kMicrosecond);
  load.fenced = store->fenced();
  return load;
}

void Device::count_error(const Error& error) {
  switch (error.code) {
    case Code::kIo:
    case Code::kCorrupt:
    case Code::kFenced:
    case Code::kInternal:
      ++errors_;
      break;
    default:
      break;
  }
}

Task<void> Device::count_shards(std::shared_ptr<Device> self) {
  while (!self->stopping) {
    const auto page = self->store->list(self->counted_to_, kCountPage);
    if (!page) {
      self->count_error(page.error());
      co_return;
    }
    self->shards_ += page->size();
    if (!page->empty()) self->counted_to_ = page->back().id;
    if (page->size() < kCountPage) break;
    co_await yield(self->loop);
  }
  self->all_counted_ = true;
}

}  // namespace hydra::agent
