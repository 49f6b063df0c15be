// ClusterMap: the roster of storage nodes as placement sees it. A value; copy it freely, mutate it
// on one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace hydra::placement {

// A node's number in the grid: given once, never reused.
using hydra::NodeId;
constexpr NodeId kNoNode = 0;

constexpr std::size_t kMaxNodes = 4096;
constexpr std::size_t kMaxNodeText = 255;  // bytes of a name or a zone
constexpr double kMaxWeight = 1000;

struct Node {
  NodeId id = kNoNode;
  std::string name;
  std::string zone;  // the failure domain; nodes with equal text share it
  std::uint64_t capacity_bytes = 0;
  double weight = 1.0;    // an operator's factor on the capacity
  bool draining = false;  // to be emptied: takes no new shards

  // The share of load it should carry, in relation to other nodes.
  double share() const { return draining ? 0.0 : static_cast<double>(capacity_bytes) * weight; }
  bool operator==(const Node&) const = default;
};

class ClusterMap {
 public:
  // Adds the node, or replaces the one with its id. kInvalidArgument for id kNoNode, an empty or
  // too long name, a too long zone, a weight outside 0..kMaxWeight; kTooLarge above kMaxNodes.
  Status put(Node node);
  bool remove(NodeId id);

  // nullptr when there is none; valid until the next put or remove.
  const Node* find(NodeId id) const;
  // In the order of their ids.
  std::span<const Node> nodes() const { return nodes_; }
  std::size_t size() const { return nodes_.size(); }

  bool operator==(const ClusterMap&) const = default;

 private:
  std::vector<Node> nodes_;
};

}  // namespace hydra::placement
