#include "gateway/admin/layout_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "erasure/layout.h"

namespace hydra::admin {
namespace {

constexpr erasure::Profile k42 = {4, 2};
constexpr std::uint32_t kBytes = 1u << 20;

placement::ClusterMap roster(NodeId count) {
  placement::ClusterMap map;
  for (NodeId id = 1; id <= count; ++id)
    EXPECT_TRUE(map.put(
        {id, "n" + std::to_string(id), "z" + std::to_string(id % 3), 1u << 30, 1.0, false}));
  return map;
}

placement::Ring ring_of(const placement::ClusterMap& map,
                        const placement::Ring* previous = nullptr) {
  return placement::build_ring(map, {&k42, 1}, previous, previous == nullptr ? 1 : 2);
}

catalog::Extent extent_on(const placement::Ring& ring, int number) {
  catalog::Extent extent;
  extent.id.bytes[0] = static_cast<std::byte>(number);
  extent.id.bytes[1] = static_cast<std::byte>(number >> 8);
  extent.stored_as = extent.id;
  extent.profile = extent.wanted = k42;
  extent.length = extent.live_bytes = kBytes;
  const auto row = ring.nodes(k42, placement::arc_of(extent.id.view()));
  extent.nodes.assign(row.begin(), row.end());
  return extent;
}

const std::uint64_t kShard = erasure::Layout::of(k42, kBytes)->shard_bytes();

LayoutPlan plan_of(const placement::Ring& from, const placement::Ring& to, int extents) {
  LayoutPlan plan(to);
  for (int i = 0; i < extents; ++i) plan.add(extent_on(from, i));
  return plan;
}

TEST(LayoutPlan, NothingMovesWhenNothingChanges) {
  const auto ring = ring_of(roster(8));
  const auto plan = plan_of(ring, ring, 500);
  EXPECT_EQ(plan.extents(), 500u);
  EXPECT_EQ(plan.moved_bytes(), 0u);
  EXPECT_EQ(plan.moved_extents(), 0u);
  for (const auto& [id, node] : plan.nodes()) EXPECT_EQ(node.now_bytes, node.then_bytes);
}

TEST(LayoutPlan, DrainedNodeLosesAllAndNobodyElseMuch) {
  const auto before = ring_of(roster(8));
  const LayoutChange drain{.node = 3, .draining = true};
  const auto after = ring_of(*changed(roster(8), {&drain, 1}), &before);
  const auto plan = plan_of(before, after, 2000);
  const auto& drained = plan.nodes().at(3);
  EXPECT_GT(drained.now_bytes, 0u);
  EXPECT_EQ(drained.then_bytes, 0u);
  EXPECT_EQ(drained.out_bytes, drained.now_bytes);
  EXPECT_EQ(drained.in_bytes, 0u);
  // The ring is sticky: little beside the drained node's shards moves.
  EXPECT_GE(plan.moved_bytes(), drained.now_bytes);
  EXPECT_LE(plan.moved_bytes(), drained.now_bytes * 3 / 2);
  EXPECT_EQ(plan.moved_bytes(), plan.moved_shards() * kShard);
}

TEST(LayoutPlan, BytesAreNeitherMadeNorLost) {
  const auto before = ring_of(roster(8));
  const LayoutChange changes[] = {{.node = 1, .weight = 0.25}, {.node = 5, .remove = true}};
  const auto after = ring_of(*changed(roster(8), changes), &before);
  const auto plan = plan_of(before, after, 1000);
  std::uint64_t now = 0, then = 0, in = 0, out = 0;
  for (const auto& [id, node] : plan.nodes()) {
    now += node.now_bytes;
    then += node.then_bytes;
    in += node.in_bytes;
    out += node.out_bytes;
    EXPECT_EQ(node.then_bytes, node.now_bytes + node.in_bytes - node.out_bytes);
  }
  EXPECT_EQ(now, 1000 * 6 * kShard);
  EXPECT_EQ(then, now);
  EXPECT_EQ(in, out);
  EXPECT_EQ(in, plan.moved_bytes());
  EXPECT_EQ(plan.nodes().at(5).then_bytes, 0u);
  EXPECT_LT(plan.nodes().at(1).then_bytes, plan.nodes().at(1).now_bytes / 2);
}

TEST(LayoutPlan, MissingShardsAreRebuiltNotMoved) {
  const auto before = ring_of(roster(8));
  LayoutPlan plan(before);
  auto extent = extent_on(before, 1);
  extent.missing = 0b10;
  plan.add(extent);
  EXPECT_EQ(plan.moved_bytes(), 0u);
  EXPECT_EQ(plan.rebuilt_bytes(), kShard);
  EXPECT_EQ(plan.nodes().at(extent.nodes[1]).now_bytes, 0u);
  EXPECT_EQ(plan.nodes().at(extent.nodes[1]).then_bytes, kShard);
}

TEST(LayoutPlan, ShardOnAnotherNodeOfItsRowStays) {
  const auto ring = ring_of(roster(8));
  auto extent = extent_on(ring, 1);
  std::swap(extent.nodes[0], extent.nodes[5]);
  LayoutPlan plan(ring);
  plan.add(extent);
  EXPECT_EQ(plan.moved_shards(), 0u);
  // One that is outside of the row goes to the node of the row that holds none.
  const NodeId free = extent.nodes[2];
  for (NodeId id = 1; id <= 8; ++id)
    if (!std::ranges::count(extent.nodes, id)) extent.nodes[2] = id;
  plan.add(extent);
  EXPECT_EQ(plan.moved_shards(), 1u);
  EXPECT_EQ(plan.nodes().at(free).in_bytes, kShard);
}

TEST(LayoutPlan, NarrowExtentOnlyLeavesNodesThatGo) {
  const auto before = ring_of(roster(8));
  auto extent = extent_on(before, 1);
  extent.profile = {2, 2};  // the ring has no table for it
  extent.nodes = {1, 2, 3, 4};
  const LayoutChange drain{.node = 3, .draining = true};
  const auto after = ring_of(*changed(roster(8), {&drain, 1}), &before);
  LayoutPlan plan(after);
  plan.add(extent);
  EXPECT_EQ(plan.moved_shards(), 1u);
  EXPECT_EQ(plan.nodes().at(3).then_bytes, 0u);
}

TEST(LayoutPlan, UnknownNodesAndWrongWeightsAreRefused) {
  const LayoutChange unknown{.node = 9, .draining = true};
  EXPECT_EQ(changed(roster(8), {&unknown, 1}).error().code, Code::kNotFound);
  const LayoutChange heavy{.node = 1, .weight = -1};
  EXPECT_EQ(changed(roster(8), {&heavy, 1}).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace hydra::admin
