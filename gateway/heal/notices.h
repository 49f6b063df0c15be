// Notices: what the workers of a gateway tell the healer of their process. WritesInFlight says
// under which names shards are being written that the catalog does not know yet; BrokenShards what
// readers found broken. Both are bounded, cost a short lock, and may be used from any thread; they
// outlive the workers.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "gateway/catalog/rows.h"

namespace hydra::heal {

class WritesInFlight {
 public:
  // From before the first shard is sent until the catalog has decided. Move-only.
  class Hold {
   public:
    Hold() = default;
    Hold(Hold&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), name_(other.name_) {}
    Hold& operator=(Hold&& other) noexcept {
      std::swap(owner_, other.owner_);
      std::swap(name_, other.name_);
      return *this;
    }
    ~Hold() {
      if (owner_ != nullptr) owner_->end(name_);
    }

   private:
    friend class WritesInFlight;
    Hold(WritesInFlight* owner, const ExtentId& name) : owner_(owner), name_(name) {}
    WritesInFlight* owner_ = nullptr;
    ExtentId name_;
  };

  // `name`: Extent::stored_as.
  [[nodiscard]] Hold begin(const ExtentId& name);
  bool contains(const ExtentId& name) const;
  std::size_t size() const;

 private:
  void end(const ExtentId& name);

  mutable std::mutex mutex_;
  std::unordered_map<ExtentId, std::uint32_t> names_;  // how many hold each
};

enum class Breakage : std::uint8_t {
  kLost,   // its node does not have it, or its checksums do not hold
  kWrong,  // its checksums hold, but the bytes are not the extent's: only a segment's tag tells
};

class BrokenShards {
 public:
  static constexpr std::size_t kMost = 4096;  // waiting; what comes beyond is found again

  struct Report {
    catalog::ShardReport shard;
    Breakage breakage = Breakage::kLost;
  };
  void report(NodeId node, const ShardId& shard, Breakage breakage);
  // All that waits, each shard once.
  std::vector<Report> take();
  std::uint64_t reported() const { return reported_.load(std::memory_order_relaxed); }
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  std::map<std::pair<NodeId, ShardId>, Breakage> waiting_;
  std::atomic<std::uint64_t> reported_{0};
  std::atomic<std::uint64_t> dropped_{0};
};

struct Notices {
  WritesInFlight writes;
  BrokenShards broken;
};

}  // namespace hydra::heal
