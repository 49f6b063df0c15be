// PlacementBoard: what must be known to place an extent, the newest ring and roster, shared by all
// workers of the process.
#pragma once

#include <memory>
#include <mutex>

#include "placement/cluster_map.h"
#include "placement/ring.h"

namespace hydra::placement {

struct PlacementView {
  ClusterMap map;
  Ring ring;
};

// The newest view, or nullptr before the first node joined. Thread-safe.
class PlacementBoard {
 public:
  std::shared_ptr<const PlacementView> current() const {
    std::lock_guard lock(mutex_);
    return view_;
  }
  void publish(std::shared_ptr<const PlacementView> view) {
    std::lock_guard lock(mutex_);
    view_ = std::move(view);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const PlacementView> view_;
};

}  // namespace hydra::placement
