#include "gateway/admin/layout_plan.h"

#include <fmt/format.h>

#include <algorithm>

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

// Where each shard belongs; where it is, when there is no better place.
std::vector<NodeId> LayoutPlan::targets(const catalog::Extent& extent) const {
  std::vector<NodeId> found = extent.nodes;
  const auto row = ring_.nodes(extent.profile, placement::arc_of(extent.id.view()));
  const bool placed = row.size() == extent.nodes.size();
  std::vector<NodeId> open;  // of the row, and hold none of its shards
  for (const NodeId node : row)
    if (placed && !std::ranges::count(extent.nodes, node)) open.push_back(node);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const placement::Node* holder = ring_.roster().find(found[i]);
    if (placed && std::ranges::count(row, found[i]) != 0) continue;
    if (placed && !open.empty()) {
      auto target = std::ranges::find(open, row[i]);
      if (target == open.end()) target = open.begin();
      found[i] = *target;
      open.erase(target);
    } else if (holder == nullptr || holder->share() <= 0) {
      const auto other = placement::choose_substitute(
          ring_.roster(), extent.profile, extent.id.view(), found, i, [](NodeId) { return true; });
      if (other) found[i] = *other;
    }
  }
  return found;
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
  const std::vector<NodeId> wanted = targets(extent);
  bool moved = false;
  for (std::size_t i = 0; i < extent.nodes.size(); ++i) {
    const NodeId from = extent.nodes[i];
    const NodeId to = wanted[i];
    if (extent.lacks(i)) {
      rebuilt_bytes_ += bytes;
      nodes_[to].then_bytes += bytes;
      continue;
    }
    nodes_[from].now_bytes += bytes;
    nodes_[from].then_bytes += bytes;
    if (to == from) continue;
    move(from, to, bytes);
    moved = true;
  }
  if (!moved) return;
  ++moved_extents_;
  touched_bytes_ += extent.length;
}

}  // namespace hydra::admin
