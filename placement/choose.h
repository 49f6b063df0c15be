// Where the shards of a new extent go: its arc's row, with substitutes for nodes that cannot take
// shards now, and a smaller profile when too few can. Pure; any thread.
#pragma once

#include <functional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "erasure/profile.h"
#include "placement/cluster_map.h"
#include "placement/ring.h"

namespace hydra::placement {

struct Placement {
  erasure::Profile profile;
  std::vector<NodeId> nodes;  // profile.shards() distinct ones; shard i goes to nodes[i]
};

// `usable` says whether a node can take a shard now (linked, not suspect, not full); nodes without
// share() and nodes that are not in the map are never asked for. With at least k+m usable nodes the
// profile is `wanted`, the arc's usable nodes keep their positions, and the other positions get
// substitutes in rendezvous order of the extent's arc, from zones that then hold at most m shards
// if there are any. With fewer nodes the profile is that of erasure::profile_for, on all of them.
// kUnavailable when there are less than m+1. A ring without a table for `wanted` works too: then
// all nodes are substitutes. `favour` (1 when it is empty) is a factor on the share of a node in
// the substitutes' draw.
Result<Placement> choose_nodes(const Ring& ring, const ClusterMap& map, erasure::Profile wanted,
                               ByteView extent_id, const std::function<bool(NodeId)>& usable,
                               const std::function<double(NodeId)>& favour = {});

// One node for shard `index` in place of the one that is there: outside `nodes`, by the same order
// as above. kUnavailable when no other usable node is left.
Result<NodeId> choose_substitute(const ClusterMap& map, erasure::Profile profile,
                                 ByteView extent_id, std::span<const NodeId> nodes,
                                 std::size_t index, const std::function<bool(NodeId)>& usable);

}  // namespace hydra::placement
