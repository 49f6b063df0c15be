// What a node holds, as the catalog knows it: how many extents have shards there, and which of them
// could not do without. A walk over all live extents, a page in each turn of the loop.
#pragma once

#include <cstdint>
#include <unordered_set>

#include "gateway/catalog/catalog.h"

namespace hydra::object {

struct Holdings {
  std::uint64_t extents = 0;    // with a shard on the node that is not missing
  std::uint64_t bytes = 0;      // of those shards, about: their extents' lengths over k
  std::uint64_t dependent = 0;  // of them, with fewer than k shards on `others`
};

// `others`: nodes whose shards count besides; never the node itself.
Task<Result<Holdings>> holdings_of(Loop& loop, catalog::Catalog& catalog, NodeId node,
                                   std::unordered_set<NodeId> others);

}  // namespace hydra::object
