// ShardFan: writes shards of one extent to their new nodes side by side, a stripe at a time, and
// has each verified by its node when it is durable.
//
// A node that fails is left out from then on; the others go on. Belongs to one loop; one call at a
// time.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/runtime/sync.h"
#include "erasure/layout.h"
#include "gateway/heal/pacer.h"
#include "nodeagent/client/grid.h"

namespace hydra::heal {

class ShardFan {
 public:
  struct Target {
    NodeId node = 0;
    ShardId shard;
  };
  ShardFan(Loop& loop, agent::Grid& grid, Pacer& pacer, const erasure::Layout& layout,
           std::vector<Target> targets, Nanos timeout);

  // The stripe's blocks, in the order of the targets; called for each stripe in order.
  Task<void> send(const std::vector<ByteView>& blocks, bool last);
  // After the last stripe: asks each node whether what it has is whole.
  Task<void> verify();

  bool good(std::size_t target) const { return legs_[target].good; }
  bool any_good() const;
  const std::optional<Error>& last_error() const { return last_error_; }

 private:
  struct Leg {
    Target target;
    std::unique_ptr<agent::ShardWriter> writer;
    bool good = true;
  };
  static Task<void> send_block(ShardFan* self, Leg* leg, ByteView block, bool last);
  static Task<void> verify_shard(ShardFan* self, Leg* leg);

  Loop& loop_;
  agent::Grid& grid_;
  Pacer& pacer_;
  Nanos timeout_;
  std::vector<Leg> legs_;
  std::optional<Error> last_error_;
};

}  // namespace hydra::heal
