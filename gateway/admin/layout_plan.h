// LayoutPlan: what a change of the roster would move, before anything moves. Compares where the
// extents lie with where the ring that the change would make wants them. Pure; belongs to one loop.
//
// A shard moves when its node is not in its arc's row of the new ring, as the healer has it
// (gateway/heal/needs.h): to the node of the row at its position, or to another that holds none.
// Extents in a profile that the ring has no table for lie where they could, and move only off nodes
// that are to be emptied or removed. Shards that are missing are rebuilt where they belong, moved
// or not, and are counted by themselves.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gateway/catalog/rows.h"
#include "placement/ring.h"

namespace hydra::admin {

// What an operator thinks of doing to a node.
struct LayoutChange {
  NodeId node = 0;
  std::optional<double> weight;
  std::optional<std::string> zone;
  std::optional<bool> draining;
  bool remove = false;
};

// The roster after the changes. kNotFound: a node that is not placed; what ClusterMap::put gives.
Result<placement::ClusterMap> changed(placement::ClusterMap map,
                                      std::span<const LayoutChange> changes);

struct NodeLoadPlan {
  std::uint64_t now_bytes = 0;   // of shards, padding included
  std::uint64_t then_bytes = 0;  // when all has moved
  std::uint64_t in_bytes = 0;
  std::uint64_t out_bytes = 0;  // moved away; of a removed node: rebuilt elsewhere
};

class LayoutPlan {
 public:
  // The ring as it would be; outlives the plan.
  explicit LayoutPlan(const placement::Ring& ring) : ring_(ring) {}

  void add(const catalog::Extent& extent);

  std::uint64_t extents() const { return extents_; }
  std::uint64_t moved_extents() const { return moved_extents_; }
  std::uint64_t moved_shards() const { return moved_shards_; }
  std::uint64_t moved_bytes() const { return moved_bytes_; }
  std::uint64_t rebuilt_bytes() const { return rebuilt_bytes_; }  // of shards missing now
  // Of extents that have a shard to be moved: what a healer's rate in bytes of extents counts.
  std::uint64_t touched_bytes() const { return touched_bytes_; }
  // By node; those that hold nothing and get nothing are not there.
  const std::map<NodeId, NodeLoadPlan>& nodes() const { return nodes_; }

 private:
  void move(NodeId from, NodeId to, std::uint64_t bytes);
  std::vector<NodeId> targets(const catalog::Extent& extent) const;

  const placement::Ring& ring_;
  std::uint64_t extents_ = 0;
  std::uint64_t moved_extents_ = 0;
  std::uint64_t moved_shards_ = 0;
  std::uint64_t moved_bytes_ = 0;
  std::uint64_t rebuilt_bytes_ = 0;
  std::uint64_t touched_bytes_ = 0;
  std::map<NodeId, NodeLoadPlan> nodes_;
};

}  // namespace hydra::admin
