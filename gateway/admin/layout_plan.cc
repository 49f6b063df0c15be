#include "gateway/admin/layout_plan.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "erasure/layout.h"
#include "placement/choose.h"

namespace hydra::admin {

Result<placement::ClusterMap> changed(placement::ClusterMap map,
                                      std::span<const LayoutChange> changes) {
  for (const auto& change : changes) {
    const placement::Node* known = map.find(change.node);
    if (known == nullptr)
      return fail(Code::kNotFound, fmt::format("node {} is not placed", change.node));
    if (change.remove) {
      map.remove(change.node);
      continue;
    }
    placement::Node node = *known;
    if (change.weight) node.weight = *change.weight;
    if (change.zone) node.zone = *change.zone;
    if (change.draining) node.draining = *change.draining;
    HYDRA_CHECK_OK(map.put(std::move(node)));
  }
  return map;
}

// Where a shard goes that the ring says nothing of; kNoNode: there is no other node.
NodeId LayoutPlan::anywhere_else(const catalog::Extent& extent, std::size_t index) const {
  const auto found = placement::choose_substitute(ring_.roster(), extent.profile, extent.id.view(),
                                                  extent.nodes, index, [](NodeId) { return true; });
  return found ? *found : placement::kNoNode;
}

void LayoutPlan::move(NodeId from, NodeId to, std::uint64_t bytes) {
  ++moved_shards_;
  moved_bytes_ += bytes;
  nodes_[from].then_bytes -= bytes;
  nodes_[from].out_bytes += bytes;
  nodes_[to].then_bytes += bytes;
  nodes_[to].in_bytes += bytes;
}

void LayoutPlan::add(const catalog::Extent& extent) {
  ++extents_;
  const auto layout = erasure::Layout::of(extent.profile, extent.length);
  HYDRA_ASSERT(layout.has_value());
  const std::uint64_t bytes = layout->shard_bytes();
  const auto row = ring_.nodes(extent.profile, placement::arc_of(extent.id.view()));
  const bool placed = row.size() == extent.nodes.size();
  bool moved = false;
  for (std::size_t i = 0; i < extent.nodes.size(); ++i) {
    const NodeId from = extent.nodes[i];
    NodeId to = placed ? row[i] : from;
    const placement::Node* holder = ring_.roster().find(from);
    if (!placed && (holder == nullptr || holder->share() <= 0)) to = anywhere_else(extent, i);
    if (extent.lacks(i)) {
      rebuilt_bytes_ += bytes;
      if (to != placement::kNoNode) nodes_[to].then_bytes += bytes;
      continue;
    }
    nodes_[from].now_bytes += bytes;
    nodes_[from].then_bytes += bytes;
    if (to == from || to == placement::kNoNode) continue;
    move(from, to, bytes);
    moved = true;
  }
  if (!moved) return;
  ++moved_extents_;
  touched_bytes_ += extent.length;
}

}  // namespace hydra::admin
