// MemoryShardStore: a ShardStore for tests of what lies above it. The shards lie in a MemoryDevice,
// which outlives the store as a disk outlives a process, and which says how the device behaves.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "base/runtime/sync.h"
#include "nodeagent/store/store.h"

namespace hydra::agent {

struct MemoryDevice {
  struct Stored {
    erasure::Layout layout;
    std::string bytes;
  };
  NodeIdentity identity;
  std::optional<ClusterId> cluster;
  std::map<ShardId, Stored> shards;

  // How it behaves.
  bool stuck = false;           // appends and commits do not end
  bool reads_stuck = false;     // nor do reads
  Nanos append_time = 0;        // of each block
  std::optional<Code> refuses;  // what begin() fails with
  bool damages_reads = false;   // flips a bit of what it gives

  // What happened.
  std::size_t begun = 0;
  std::size_t committed = 0;
  std::size_t abandoned = 0;
  std::size_t pending() const { return begun - committed - abandoned; }
};

class MemoryShardStore : public ShardStore {
 public:
  MemoryShardStore(Loop& loop, std::shared_ptr<MemoryDevice> device)
      : loop_(loop), device_(std::move(device)) {}

  NodeIdentity identity() const override { return device_->identity; }
  std::optional<ClusterId> cluster() const override { return device_->cluster; }
  Task<Status> set_cluster(ClusterId cluster) override {
    if (device_->cluster && *device_->cluster != cluster)
      co_return fail(Code::kConflict, "another grid's device");
    device_->cluster = cluster;
    co_return Status();
  }

  Task<Result<std::unique_ptr<PendingShard>>> begin(ShardId id, erasure::Layout layout) override {
    if (device_->refuses) co_return fail(*device_->refuses, "the device was told to refuse");
    ++device_->begun;
    std::unique_ptr<PendingShard> pending = std::make_unique<Pending>(loop_, device_, id, layout);
    co_return std::move(pending);
  }
  Task<Result<ShardPieces>> read(ShardId id, std::uint64_t offset, std::uint64_t length) override {
    const auto device = device_;
    while (device->reads_stuck) co_await sleep_for(loop_, kMillisecond);
    const auto found = device->shards.find(id);
    if (found == device->shards.end()) co_return fail(Code::kNotFound, "no such shard");
    const std::string& all = found->second.bytes;
    const std::size_t begin = std::min<std::size_t>(offset, all.size());
    const std::size_t size = std::min<std::size_t>(length, all.size() - begin);
    ShardPieces pieces{Buffer::copy_of(as_bytes(all).subspan(begin, size)), {}};
    for (std::size_t at = 0; at < size; at += kPieceBytes) {
      const auto run = std::min(kPieceBytes, size - at);
      pieces.pieces.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(run),
                               crc32c(pieces.bytes.view().subspan(at, run))});
    }
    if (device->damages_reads && size > 0) pieces.bytes.data()[size / 2] ^= std::byte{1};
    co_return pieces;
  }
  Result<ShardInfo> info(ShardId id) override {
    const auto found = device_->shards.find(id);
    if (found == device_->shards.end()) return fail(Code::kNotFound, "no such shard");
    return ShardInfo{id, found->second.layout, found->second.bytes.size()};
  }
  Task<Status> free(ShardId id) override {
    device_->shards.erase(id);
    co_return Status();
  }
  Result<std::vector<ShardInfo>> list(std::optional<ShardId> after, std::size_t limit) override {
    std::vector<ShardInfo> found;
    auto at = after ? device_->shards.upper_bound(*after) : device_->shards.begin();
    for (; at != device_->shards.end() && found.size() < limit; ++at)
      found.push_back({at->first, at->second.layout, at->second.bytes.size()});
    return found;
  }
  Task<Status> verify(ShardId id) override {
    if (!device_->shards.contains(id)) co_return fail(Code::kNotFound, "no such shard");
    co_return Status();
  }

  StoreSpace space() const override { return {1u << 30, 0, 1u << 30}; }
  bool fenced() const override { return false; }
  std::uint64_t syncs() const override { return device_->committed; }
  std::uint64_t bytes_written() const override { return 0; }
  Task<Status> close() override { co_return Status(); }

 private:
  static constexpr std::size_t kPieceBytes = 64u << 10;

  class Pending : public PendingShard {
   public:
    Pending(Loop& loop, std::shared_ptr<MemoryDevice> device, ShardId id, erasure::Layout layout)
        : loop_(loop), device_(std::move(device)), id_(id), stored_{layout, {}} {}
    ~Pending() override {
      if (!committed_) ++device_->abandoned;
    }
    Task<Status> append(ByteView block, std::uint32_t crc) override {
      if (device_->append_time > 0) co_await sleep_for(loop_, device_->append_time);
      while (device_->stuck) co_await sleep_for(loop_, kMillisecond);
      if (crc32c(block) != crc) co_return fail(Code::kCorrupt, "the block arrived damaged");
      hydra::append(stored_.bytes, block);
      co_return Status();
    }
    Task<Status> commit() override {
      while (device_->stuck) co_await sleep_for(loop_, kMillisecond);
      device_->shards[id_] = std::move(stored_);
      committed_ = true;
      ++device_->committed;
      co_return Status();
    }

   private:
    Loop& loop_;
    std::shared_ptr<MemoryDevice> device_;
    ShardId id_;
    MemoryDevice::Stored stored_;
    bool committed_ = false;
  };

  Loop& loop_;
  std::shared_ptr<MemoryDevice> device_;
};

}  // namespace hydra::agent
