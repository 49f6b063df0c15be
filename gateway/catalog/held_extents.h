// HeldExtents: the shards that long reads of this process still need. A read goes by the plan that
// it took at its beginning; what has died or moved since is kept for a grace time, and for as long
// as it is held here. Known by the names that shards have on the nodes (Extent::stored_as). Any
// thread.
#pragma once

#include <mutex>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gateway/catalog/rows.h"

namespace hydra::catalog {

class HeldExtents {
 public:
  // Holds until destroyed. Move-only; must not outlive what it came from.
  class Hold {
   public:
    Hold() = default;
    Hold(Hold&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), names_(std::move(other.names_)) {}
    Hold& operator=(Hold&& other) noexcept {
      std::swap(owner_, other.owner_);
      std::swap(names_, other.names_);
      return *this;
    }
    ~Hold() {
      if (owner_ != nullptr) owner_->release(names_);
    }

   private:
    friend class HeldExtents;
    Hold(HeldExtents* owner, std::vector<ExtentId> names)
        : owner_(owner), names_(std::move(names)) {}
    HeldExtents* owner_ = nullptr;
    std::vector<ExtentId> names_;
  };

  Hold hold(std::span<const Extent> extents) {
    std::vector<ExtentId> names;
    std::lock_guard lock(mutex_);
    for (const Extent& extent : extents) {
      names.push_back(extent.stored_as);
      ++readers_[extent.stored_as];
    }
    return Hold(this, std::move(names));
  }
  bool contains(const ExtentId& stored_as) const {
    std::lock_guard lock(mutex_);
    return readers_.contains(stored_as);
  }

 private:
  void release(const std::vector<ExtentId>& names) {
    std::lock_guard lock(mutex_);
    for (const ExtentId& name : names) {
      const auto found = readers_.find(name);
      if (--found->second == 0) readers_.erase(found);
    }
  }

  mutable std::mutex mutex_;
  std::unordered_map<ExtentId, std::size_t> readers_;
};

}  // namespace hydra::catalog
