// ShardSource: reads an extent for the healer, stripe by stripe, from whichever of its shards can
// be had. Blocks that no node gives are decoded from k others.
//
// A shard that fails is not asked again by this object. Belongs to one loop; one read at a time.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/runtime/sync.h"
#include "erasure/layout.h"
#include "gateway/catalog/rows.h"
#include "gateway/heal/pacer.h"
#include "nodeagent/client/grid.h"

namespace hydra::heal {

class ShardSource {
 public:
  // `extent` must outlive it. Shards that are missing or on a node that is away are not asked for.
  ShardSource(Loop& loop, agent::Grid& grid, Pacer& pacer, const catalog::Extent& extent,
              Nanos timeout);

  // The stripe's blocks of the shards in `wanted` (bit i: shard i). kUnavailable when fewer than k
  // shards can be read.
  using Blocks = std::map<std::uint8_t, Buffer>;
  Task<Result<Blocks>> read(std::uint32_t stripe, std::uint32_t wanted);

  // Shards that their nodes do not have, or have damaged: to be reported missing.
  const std::vector<catalog::ShardReport>& broken() const { return broken_; }

 private:
  // Which shards to ask: those wanted if all can be had and are few, else any k. 0: too few.
  std::uint32_t choose(std::uint32_t wanted) const;
  static Task<void> read_block(ShardSource* self, std::uint8_t index, std::uint32_t stripe,
                               Blocks* into);
  Task<Status> fetch(std::uint32_t stripe, std::uint32_t wanted, Blocks& blocks);
  Status decode(std::uint32_t stripe, std::uint32_t wanted, Blocks& blocks) const;

  Loop& loop_;
  agent::Grid& grid_;
  Pacer& pacer_;
  const catalog::Extent& extent_;
  erasure::Layout layout_;
  Nanos timeout_;
  std::uint32_t good_ = 0;
  std::vector<catalog::ShardReport> broken_;
  std::optional<Error> last_error_;
};

}  // namespace hydra::heal
