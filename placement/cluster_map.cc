#include "placement/cluster_map.h"

#include <algorithm>
#include <cmath>

namespace hydra::placement {
namespace {

auto lower_bound(auto& nodes, NodeId id) {
  return std::lower_bound(nodes.begin(), nodes.end(), id,
                          [](const Node& node, NodeId wanted) { return node.id < wanted; });
}

}  // namespace

Status ClusterMap::put(Node node) {
  if (node.id == kNoNode) return fail(Code::kInvalidArgument, "a node needs an id");
  if (node.name.empty() || node.name.size() > kMaxNodeText || node.zone.size() > kMaxNodeText)
    return fail(Code::kInvalidArgument, "node name or zone: want 1 to 255 bytes");
  if (!std::isfinite(node.weight) || node.weight < 0 || node.weight > kMaxWeight)
    return fail(Code::kInvalidArgument, "node weight: want a number from 0 to 1000");
  const auto at = lower_bound(nodes_, node.id);
  if (at != nodes_.end() && at->id == node.id) {
    *at = std::move(node);
    return {};
  }
  if (nodes_.size() >= kMaxNodes) return fail(Code::kTooLarge, "too many nodes");
  nodes_.insert(at, std::move(node));
  return {};
}

bool ClusterMap::remove(NodeId id) {
  const auto at = lower_bound(nodes_, id);
  if (at == nodes_.end() || at->id != id) return false;
  nodes_.erase(at);
  return true;
}

const Node* ClusterMap::find(NodeId id) const {
  const auto at = lower_bound(nodes_, id);
  return at != nodes_.end() && at->id == id ? &*at : nullptr;
}

}  // namespace hydra::placement
