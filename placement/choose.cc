#include "placement/choose.h"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "placement/hash.h"

namespace hydra::placement {
namespace {

constexpr std::uint64_t kSubstituteSalt = 0x73756273;  // "subs": other draws than the ring's

bool contains(std::span<const NodeId> nodes, NodeId id) {
  return std::find(nodes.begin(), nodes.end(), id) != nodes.end();
}

std::size_t zone_load(const ClusterMap& map, std::span<const NodeId> nodes, std::string_view zone) {
  return static_cast<std::size_t>(std::count_if(nodes.begin(), nodes.end(), [&](NodeId id) {
    const Node* node = map.find(id);
    return node != nullptr && node->zone == zone;
  }));
}

// The best of `candidates` that is not in `nodes`; kNoNode when there is none. Zones below m shards
// come first, then those with the fewest above, then rendezvous order.
NodeId substitute(const ClusterMap& map, erasure::Profile profile, std::uint32_t arc,
                  std::span<const NodeId> candidates, std::span<const NodeId> nodes,
                  const std::function<double(NodeId)>& favour) {
  NodeId best = kNoNode;
  std::pair<std::size_t, double> best_rank;
  for (const NodeId id : candidates) {
    if (contains(nodes, id)) continue;
    const Node& node = *map.find(id);
    const std::size_t held = zone_load(map, nodes, node.zone);
    const std::pair rank(
        held < profile.m ? 0 : held - profile.m + 1,
        rendezvous_score(kSubstituteSalt, arc, id, node.share() * (favour ? favour(id) : 1)));
    if (best != kNoNode && rank >= best_rank) continue;
    best = id;
    best_rank = rank;
  }
  return best;
}

std::vector<NodeId> usable_nodes(const ClusterMap& map, const std::function<bool(NodeId)>& usable) {
  std::vector<NodeId> found;
  for (const Node& node : map.nodes())
    if (node.share() > 0 && usable(node.id)) found.push_back(node.id);
  return found;
}

}  // namespace

Result<Placement> choose_nodes(const Ring& ring, const ClusterMap& map, erasure::Profile wanted,
                               ByteView extent_id, const std::function<bool(NodeId)>& usable,
                               const std::function<double(NodeId)>& favour) {
  const std::vector<NodeId> candidates = usable_nodes(map, usable);
  Placement placement;
  HYDRA_TRY(placement.profile, erasure::profile_for(wanted, candidates.size()));
  const std::uint32_t arc = arc_of(extent_id);
  const auto shards = static_cast<std::size_t>(placement.profile.shards());

  std::vector<NodeId>& nodes = placement.nodes;
  const bool reduced = placement.profile != wanted;
  for (const NodeId id : ring.nodes(wanted, arc)) {
    const bool take = std::binary_search(candidates.begin(), candidates.end(), id);
    if (take || !reduced) nodes.push_back(take ? id : kNoNode);
  }
  nodes.resize(shards, kNoNode);
  for (NodeId& node : nodes)
    if (node == kNoNode) node = substitute(map, placement.profile, arc, candidates, nodes, favour);
  return placement;
}

Result<NodeId> choose_substitute(const ClusterMap& map, erasure::Profile profile,
                                 ByteView extent_id, std::span<const NodeId> nodes,
                                 std::size_t index, const std::function<bool(NodeId)>& usable) {
  std::vector<NodeId> candidates = usable_nodes(map, usable);
  std::erase_if(candidates, [&](NodeId id) { return contains(nodes, id); });
  std::vector<NodeId> others(nodes.begin(), nodes.end());
  if (index < others.size()) others.erase(others.begin() + static_cast<std::ptrdiff_t>(index));
  const NodeId found = substitute(map, profile, arc_of(extent_id), candidates, others, {});
  if (found == kNoNode) return fail(Code::kUnavailable, "no other node can take a shard");
  return found;
}

}  // namespace hydra::placement
