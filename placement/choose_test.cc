#include "placement/choose.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace hydra::placement {
namespace {

using erasure::Profile;
constexpr Profile kWanted{4, 2};

ClusterMap grid(std::uint32_t count, std::uint32_t zones) {
  ClusterMap map;
  for (std::uint32_t i = 0; i < count; ++i)
    EXPECT_TRUE(map.put({NodeId{i + 1}, "n" + std::to_string(i + 1), std::to_string(i % zones),
                         1'000'000, 1.0, false})
                    .has_value());
  return map;
}

Ring ring_of(const ClusterMap& map) { return build_ring(map, {&kWanted, 1}, nullptr, 1); }

std::function<bool(NodeId)> all_but(std::set<NodeId> lost) {
  return [lost = std::move(lost)](NodeId id) { return !lost.contains(id); };
}

bool distinct(const std::vector<NodeId>& nodes) {
  return std::set(nodes.begin(), nodes.end()).size() == nodes.size() &&
         std::find(nodes.begin(), nodes.end(), kNoNode) == nodes.end();
}

TEST(ChooseNodes, AHealthyGridGetsTheArcsRow) {
  const ClusterMap map = grid(9, 3);
  const Ring ring = ring_of(map);
  for (int i = 0; i < 100; ++i) {
    const std::string id = "extent-" + std::to_string(i);
    const auto placed = choose_nodes(ring, map, kWanted, as_bytes(id), all_but({})).value();
    EXPECT_EQ(placed.profile, kWanted);
    EXPECT_TRUE(std::ranges::equal(placed.nodes, ring.nodes(kWanted, arc_of(as_bytes(id)))));
  }
}

TEST(ChooseNodes, OnlyLostNodesAreReplaced) {
  EXPECT_TRUE(rc::check([] {
    static const ClusterMap map = grid(12, 12);
    static const Ring ring = ring_of(map);
    const auto extent = *rc::gen::container<std::string>(16, rc::gen::arbitrary<char>());
    std::set<NodeId> lost;
    for (const auto id : *rc::gen::container<std::vector<std::uint32_t>>(
             *rc::gen::inRange(0, 7), rc::gen::inRange<std::uint32_t>(1, 13)))
      lost.insert(NodeId{id});
    const auto placed = choose_nodes(ring, map, kWanted, as_bytes(extent), all_but(lost)).value();
    RC_ASSERT(placed.profile == kWanted);
    RC_ASSERT(placed.nodes.size() == 6u);
    RC_ASSERT(distinct(placed.nodes));
    const auto row = ring.nodes(kWanted, arc_of(as_bytes(extent)));
    for (std::size_t i = 0; i < row.size(); ++i) {
      RC_ASSERT(!lost.contains(placed.nodes[i]));
      if (!lost.contains(row[i])) RC_ASSERT(placed.nodes[i] == row[i]);
    }
  }));
}

TEST(ChooseNodes, SubstitutesKeepZonesWithinMWhereTheyCan) {
  const ClusterMap map = grid(9, 3);
  const Ring ring = ring_of(map);
  for (int i = 0; i < 300; ++i) {
    const std::string id = "extent-" + std::to_string(i);
    const auto placed =
        choose_nodes(ring, map, kWanted, as_bytes(id), all_but({NodeId{2}})).value();
    std::map<std::string, int> held;
    for (const NodeId node : placed.nodes) EXPECT_LE(++held[map.find(node)->zone], 2);
  }
}

TEST(ChooseNodes, SubstitutesAreSpreadOverTheOthers) {
  const ClusterMap map = grid(12, 12);
  const Ring ring = ring_of(map);
  std::map<NodeId, int> stands_in;
  for (int i = 0; i < 4000; ++i) {
    const std::string id = "extent-" + std::to_string(i);
    const auto placed =
        choose_nodes(ring, map, kWanted, as_bytes(id), all_but({NodeId{7}})).value();
    const auto row = ring.nodes(kWanted, arc_of(as_bytes(id)));
    for (std::size_t s = 0; s < row.size(); ++s)
      if (row[s] != placed.nodes[s]) ++stands_in[placed.nodes[s]];
  }
  EXPECT_EQ(stands_in.size(), 11u);
  for (const auto& [node, count] : stands_in) EXPECT_NEAR(count, 2000.0 / 11, 90) << node;
}

TEST(ChooseNodes, FewerNodesShrinkTheProfileOnAllOfThem) {
  const ClusterMap map = grid(6, 3);
  const Ring ring = ring_of(map);
  const auto four =
      choose_nodes(ring, map, kWanted, as_bytes("x"), all_but({NodeId{1}, NodeId{5}}));
  ASSERT_TRUE(four.has_value());
  EXPECT_EQ(four->profile, (Profile{2, 2}));
  EXPECT_EQ(std::set(four->nodes.begin(), four->nodes.end()),
            (std::set{NodeId{2}, NodeId{3}, NodeId{4}, NodeId{6}}));
  const auto three =
      choose_nodes(ring, map, kWanted, as_bytes("x"), all_but({NodeId{1}, NodeId{5}, NodeId{6}}));
  ASSERT_TRUE(three.has_value());
  EXPECT_EQ(three->profile, (Profile{1, 2}));
  const auto two = choose_nodes(ring, map, kWanted, as_bytes("x"),
                                all_but({NodeId{1}, NodeId{2}, NodeId{3}, NodeId{4}}));
  ASSERT_FALSE(two.has_value());
  EXPECT_EQ(two.error().code, Code::kUnavailable);
}

TEST(ChooseNodes, NodesNewerThanTheRingSubstituteAndDrainingOnesDoNot) {
  ClusterMap map = grid(6, 6);
  const Ring ring = ring_of(map);
  ASSERT_TRUE(map.put({NodeId{7}, "n7", "7", 1'000'000, 1.0, false}).has_value());
  ASSERT_TRUE(map.put({NodeId{8}, "n8", "8", 1'000'000, 1.0, true}).has_value());
  const auto placed = choose_nodes(ring, map, kWanted, as_bytes("x"), all_but({NodeId{3}})).value();
  EXPECT_EQ(placed.profile, kWanted);
  EXPECT_TRUE(std::ranges::count(placed.nodes, NodeId{7}) == 1);
  EXPECT_TRUE(std::ranges::count(placed.nodes, NodeId{8}) == 0);
}

TEST(ChooseNodes, ARingWithoutTheProfileStillPlaces) {
  const ClusterMap map = grid(6, 3);
  const auto placed = choose_nodes(ring_of(map), map, {1, 2}, as_bytes("x"), all_but({})).value();
  EXPECT_EQ(placed.profile, (Profile{1, 2}));
  EXPECT_EQ(placed.nodes.size(), 3u);
  EXPECT_TRUE(distinct(placed.nodes));
}

TEST(ChooseNodes, FavourWeighsOnTheDrawOfSubstitutes) {
  const ClusterMap map = grid(10, 10);
  const Ring ring = ring_of(map);
  // How often node 10 is drawn, in proportion to another node.
  const auto drawn = [&](const std::function<double(NodeId)>& favour) {
    double tenth = 0, others = 0;
    for (int i = 0; i < 20'000; ++i) {
      const std::string id = "extent-" + std::to_string(i);
      const auto row = ring.nodes(kWanted, arc_of(as_bytes(id)));
      const auto placed =
          choose_nodes(ring, map, kWanted, as_bytes(id), all_but({row[0]}), favour).value();
      (placed.nodes[0] == NodeId{10} ? tenth : others) += 1;
    }
    return tenth * 9 / others;
  };
  EXPECT_NEAR(drawn({}), 1, 0.2);
  EXPECT_NEAR(drawn([](NodeId id) { return id == 10 ? 0.25 : 1.0; }), 0.3, 0.1);
  EXPECT_EQ(drawn([](NodeId id) { return id == 10 ? 0.0 : 1.0; }), 0);
}

TEST(ChooseSubstitute, GivesAnotherNodeUntilNoneIsLeft) {
  const ClusterMap map = grid(8, 4);
  const Ring ring = ring_of(map);
  auto nodes = choose_nodes(ring, map, kWanted, as_bytes("x"), all_but({})).value().nodes;
  const auto lost = all_but({nodes[2]});
  const NodeId first = choose_substitute(map, kWanted, as_bytes("x"), nodes, 2, lost).value();
  EXPECT_EQ(std::ranges::count(nodes, first), 0);
  nodes[2] = first;
  EXPECT_TRUE(distinct(nodes));
  const ClusterMap small = grid(6, 3);
  const auto all = choose_nodes(ring_of(small), small, kWanted, as_bytes("x"), all_but({})).value();
  EXPECT_EQ(
      choose_substitute(small, kWanted, as_bytes("x"), all.nodes, 0, all_but({})).error().code,
      Code::kUnavailable);
}

// Devices as people have them: 30 of unequal size in 7 unequal zones, some with an operator's
// weight.
ClusterMap unequal_grid() {
  constexpr int kZones[] = {1, 2, 3, 4, 5, 7, 8};  // nodes in each
  constexpr std::uint64_t kTerabytes[] = {4, 1, 2, 3, 2, 1, 4, 2, 3, 1, 2, 6, 2, 1, 8,
                                          2, 3, 1, 2, 4, 2, 1, 3, 2, 1, 4, 2, 3, 1, 2};
  ClusterMap map;
  std::uint32_t id = 0;
  for (std::size_t zone = 0; zone < std::size(kZones); ++zone) {
    for (int i = 0; i < kZones[zone]; ++i, ++id) {
      Node node{NodeId{id + 1}, "n" + std::to_string(id), "zone-" + std::to_string(zone),
                kTerabytes[id] * 1'000'000'000'000};
      if (id % 9 == 4) node.weight = 0.5;
      EXPECT_TRUE(map.put(node));
    }
  }
  EXPECT_EQ(id, 30u);
  return map;
}

struct Fill {
  double worst = 0;  // of all nodes: how far the bytes are from the node's share of them, in parts
  double moved = 0;  // of the shards
};

// Places extents of 1 to 64 MiB with the ring; `before` says where they lay.
Fill fill_of(const ClusterMap& map, const Ring& ring, const Ring* before) {
  constexpr int kExtents = 60'000;
  std::map<NodeId, double> bytes;
  double all_bytes = 0, all_shares = 0, moved = 0;
  const auto usable = all_but({});
  for (int i = 0; i < kExtents; ++i) {
    const std::string id = "extent " + std::to_string(i);
    const double length = 1 + i % 64;
    const auto placed = choose_nodes(ring, map, kWanted, as_bytes(id), usable).value();
    const auto old = before == nullptr ? std::span<const NodeId>()
                                       : before->nodes(kWanted, arc_of(as_bytes(id)));
    for (std::size_t s = 0; s < placed.nodes.size(); ++s) {
      bytes[placed.nodes[s]] += length;
      all_bytes += length;
      moved += !old.empty() && old[s] != placed.nodes[s] ? 1 : 0;
    }
  }
  for (const Node& node : map.nodes()) all_shares += node.share();
  Fill fill{.moved = moved / (kExtents * kWanted.shards())};
  for (const Node& node : map.nodes()) {
    const double target = all_bytes * node.share() / all_shares;
    if (target == 0)
      EXPECT_EQ(bytes[node.id], 0) << node.name;
    else
      fill.worst = std::max(fill.worst, std::abs(bytes[node.id] / target - 1));
  }
  return fill;
}

TEST(Fill, UnequalNodesInUnequalZonesAreFilledAsTheirShares) {
  const ClusterMap map = unequal_grid();
  const Ring ring = ring_of(map);
  EXPECT_LT(fill_of(map, ring, nullptr).worst, 0.05);
}

// The same after the grid has grown, a node was emptied and another lost half of its weight; and no
// more was moved than these have to give or to take.
TEST(Fill, StaysSoWhenTheGridChanges) {
  ClusterMap map = unequal_grid();
  const Ring first = ring_of(map);
  double all = 0;
  for (const Node& node : map.nodes()) all += node.share();
  Node drained = *map.find(7), lighter = *map.find(15);
  const double given = drained.share() + lighter.share() / 2;
  drained.draining = true;
  lighter.weight = 0.5;
  ASSERT_TRUE(map.put(drained));
  ASSERT_TRUE(map.put(lighter));
  ASSERT_TRUE(map.put({NodeId{31}, "new", "zone-1", 6'000'000'000'000}));
  const Ring second = build_ring(map, {&kWanted, 1}, &first, 2);
  const Fill fill = fill_of(map, second, &first);
  EXPECT_LT(fill.worst, 0.05);
  EXPECT_LT(fill.moved, 1.5 * (given + 6e12) / all);
}

}  // namespace
}  // namespace hydra::placement
