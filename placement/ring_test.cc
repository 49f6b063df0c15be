#include "placement/ring.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <set>

#include "placement/quota.h"

namespace hydra::placement {
namespace {

using erasure::Profile;

Node node_of(std::uint32_t id, std::string zone, std::uint64_t capacity = 1'000'000'000'000) {
  return {NodeId{id}, "agent-" + std::to_string(id), std::move(zone), capacity, 1.0, false};
}

// `count` equal nodes in `zones` zones, in turn.
ClusterMap equal_nodes(std::uint32_t count, std::uint32_t zones) {
  ClusterMap map;
  for (std::uint32_t i = 0; i < count; ++i)
    EXPECT_TRUE(map.put(node_of(i + 1, "zone-" + std::to_string(i % zones))).has_value());
  return map;
}

Ring build(const ClusterMap& map, Profile profile, const Ring* previous = nullptr) {
  return build_ring(map, {&profile, 1}, previous, previous == nullptr ? 1 : previous->epoch() + 1);
}

std::map<NodeId, std::uint32_t> loads_of(const RingTable& table) {
  std::map<NodeId, std::uint32_t> loads;
  for (const NodeId id : table.slots) ++loads[id];
  return loads;
}

// The most shards that one zone holds of one row.
std::uint32_t worst_zone(const RingTable& table, const ClusterMap& map) {
  std::map<std::string, std::size_t> numbers;
  std::map<NodeId, std::size_t> zone_of;
  for (const Node& node : map.nodes())
    zone_of[node.id] = numbers.try_emplace(node.zone, numbers.size()).first->second;
  std::uint32_t worst = 0;
  for (std::uint32_t arc = 0; arc < kArcs; ++arc) {
    std::vector<std::uint32_t> held(numbers.size());
    for (const NodeId id : table.row(arc)) worst = std::max(worst, ++held[zone_of[id]]);
  }
  return worst;
}

bool rows_are_distinct(const RingTable& table) {
  for (std::uint32_t arc = 0; arc < kArcs; ++arc) {
    const auto row = table.row(arc);
    for (std::size_t i = 1; i < row.size(); ++i)
      if (std::find(row.begin(), row.begin() + i, row[i]) != row.begin() + i) return false;
  }
  return true;
}

TEST(ArcOf, IsTheTopTwelveBitsOfXxh3) {
  // XXH3-64 of no bytes is 0x2d06800538d394c2.
  EXPECT_EQ(arc_of({}), 0x2d0u);
  std::map<std::uint32_t, int> hits;
  for (std::uint64_t i = 0; i < 100'000; ++i)
    ++hits[arc_of(std::as_bytes(std::span<const std::uint64_t>(&i, 1)))];
  EXPECT_EQ(hits.size(), kArcs);
  EXPECT_LT(hits.rbegin()->first, kArcs);
}

TEST(Ring, EveryArcHoldsDistinctNodesWithinTheZoneLimit) {
  for (const std::uint32_t nodes : {6u, 7u, 9u, 12u, 13u, 30u}) {
    const ClusterMap map = equal_nodes(nodes, 3);
    const Ring ring = build(map, {4, 2});
    const RingTable& table = ring.tables()[0];
    EXPECT_EQ(table.width, 6);
    EXPECT_TRUE(rows_are_distinct(table));
    EXPECT_EQ(worst_zone(table, map), 2u) << nodes;
  }
}

TEST(Ring, EqualNodesCarryEqualLoads) {
  for (std::uint32_t nodes = 6; nodes <= 30; ++nodes) {
    const ClusterMap map = equal_nodes(nodes, nodes);
    for (const auto& [id, load] : loads_of(build(map, {4, 2}).tables()[0]))
      EXPECT_NEAR(load, 4096.0 * 6 / nodes, 1.01) << nodes;
  }
}

TEST(Ring, LoadsFollowCapacityTimesWeight) {
  EXPECT_TRUE(rc::check([] {
    ClusterMap map;
    const auto count = *rc::gen::inRange<std::uint32_t>(12, 31);
    double sum = 0;
    for (std::uint32_t i = 1; i <= count; ++i) {
      Node node = node_of(i, "z" + std::to_string(i), *rc::gen::inRange<std::uint64_t>(1000, 2000));
      node.weight = *rc::gen::element(1.0, 0.8, 0.9);
      sum += node.share();
      RC_ASSERT(map.put(node).has_value());
    }
    const Ring ring = build(map, {4, 2});
    for (const auto& [id, load] : loads_of(ring.tables()[0])) {
      const double ideal = 4096.0 * 6 * map.find(id)->share() / sum;
      RC_ASSERT(load >= ideal * 0.95 && load <= ideal * 1.05);
    }
  }));
}

TEST(Ring, DataAndParitySlotsAreBothSpread) {
  const ClusterMap map = equal_nodes(12, 3);
  Ring ring = build(map, {4, 2});
  ClusterMap grown = map;
  ASSERT_TRUE(grown.put(node_of(13, "zone-0")).has_value());
  ring = build(grown, {4, 2}, &ring);
  std::map<NodeId, std::uint32_t> parity;
  for (std::uint32_t arc = 0; arc < kArcs; ++arc)
    for (const NodeId id : ring.nodes({4, 2}, arc).subspan(4)) ++parity[id];
  for (const auto& [id, load] : loads_of(ring.tables()[0]))
    EXPECT_NEAR(parity[id], load / 3.0, load / 3.0 * 0.2) << id;
}

TEST(Ring, TheLossOfANodeIsSharedByAllOthers) {
  const Ring ring = build(equal_nodes(12, 12), {4, 2});
  std::map<NodeId, std::uint32_t> shared;
  for (std::uint32_t arc = 0; arc < kArcs; ++arc) {
    const auto row = ring.nodes({4, 2}, arc);
    if (std::find(row.begin(), row.end(), NodeId{5}) == row.end()) continue;
    for (const NodeId id : row) ++shared[id];
  }
  const double ideal = 2048.0 * 5 / 11;
  for (const auto& [id, count] : shared)
    if (id != NodeId{5}) EXPECT_NEAR(count, ideal, ideal * 0.25) << id;
  EXPECT_EQ(shared.size(), 12u);
}

TEST(Ring, OneMoreNodeMovesLittleMoreThanItsShare) {
  for (const std::uint32_t zones : {1u, 3u, 12u}) {
    ClusterMap map = equal_nodes(12, zones);
    const Ring before = build(map, {4, 2});
    ASSERT_TRUE(map.put(node_of(13, zones == 12 ? "zone-12" : "zone-0")).has_value());
    const Ring after = build(map, {4, 2}, &before);
    const double moved = moved_share(before.tables()[0], after.tables()[0]);
    EXPECT_LE(moved, 1.15 / 13) << zones;
    const std::uint32_t quota = zones == 3 ? 4096 * 2 / 5 : 4096 * 6 / 13;
    EXPECT_NEAR(loads_of(after.tables()[0])[NodeId{13}], quota, quota * 0.05);
  }
}

TEST(Ring, ADepartedNodeMovesItsOwnSlotsOnly) {
  ClusterMap map = equal_nodes(13, 13);
  const Ring before = build(map, {4, 2});
  Node gone = *map.find(NodeId{4});
  gone.draining = true;
  ASSERT_TRUE(map.put(gone).has_value());
  const Ring after = build(map, {4, 2}, &before);
  EXPECT_EQ(loads_of(after.tables()[0]).count(NodeId{4}), 0u);
  EXPECT_LE(moved_share(before.tables()[0], after.tables()[0]), 1.15 / 13);
  EXPECT_TRUE(rows_are_distinct(after.tables()[0]));
}

TEST(Ring, NothingMovesWhenNothingChanges) {
  const ClusterMap map = equal_nodes(9, 3);
  const Ring first = build(map, {4, 2});
  const Ring second = build(map, {4, 2}, &first);
  EXPECT_EQ(second.epoch(), 2u);
  EXPECT_EQ(second.tables()[0], first.tables()[0]);
}

TEST(Ring, SameInputsGiveTheSameTable) {
  const ClusterMap map = equal_nodes(11, 4);
  EXPECT_EQ(build(map, {4, 2}), build(map, {4, 2}));
}

TEST(Ring, FewNodesGiveNarrowRows) {
  for (std::uint32_t nodes = 0; nodes < 6; ++nodes) {
    const Ring ring = build(equal_nodes(nodes, 3), {4, 2});
    EXPECT_EQ(ring.tables()[0].width, nodes);
    EXPECT_EQ(ring.nodes({4, 2}, 77).size(), nodes);
    EXPECT_TRUE(rows_are_distinct(ring.tables()[0]));
  }
}

TEST(Ring, RowsWidenAgainWhenNodesReturn) {
  const Ring narrow = build(equal_nodes(5, 3), {4, 2});
  const Ring wide = build(equal_nodes(8, 3), {4, 2}, &narrow);
  EXPECT_EQ(wide.tables()[0].width, 6);
  EXPECT_TRUE(rows_are_distinct(wide.tables()[0]));
}

TEST(Ring, AnUnknownProfileHasNoRows) {
  const Ring ring = build(equal_nodes(6, 3), {4, 2});
  EXPECT_EQ(ring.find({2, 1}), nullptr);
  EXPECT_TRUE(ring.nodes({2, 1}, 0).empty());
}

TEST(Ring, EachProfileHasItsOwnTable) {
  const std::vector<Profile> profiles = {{4, 2}, {1, 2}, {4, 2}};
  const Ring ring = build_ring(equal_nodes(9, 3), profiles, nullptr, 1);
  ASSERT_EQ(ring.tables().size(), 2u);
  EXPECT_EQ(ring.nodes({1, 2}, 9).size(), 3u);
  EXPECT_EQ(ring.nodes({4, 2}, 9).size(), 6u);
}

TEST(Ring, TinyAndHugeNodesTogetherStillFillEveryRow) {
  ClusterMap map;
  for (std::uint32_t i = 1; i <= 8; ++i)
    ASSERT_TRUE(
        map.put(node_of(i, "z" + std::to_string(i % 4), i < 5 ? 1 : UINT64_MAX)).has_value());
  const Ring ring = build(map, {4, 2});
  EXPECT_TRUE(rows_are_distinct(ring.tables()[0]));
  EXPECT_EQ(worst_zone(ring.tables()[0], map), 2u);
  const auto loads = loads_of(ring.tables()[0]);
  for (std::uint32_t i = 5; i <= 8; ++i) EXPECT_EQ(loads.at(NodeId{i}), kArcs);
}

// Whatever the grid looks like and however it changes, every table meets its own quotas exactly.
TEST(Ring, AnyHistoryOfMapsMeetsTheQuotas) {
  EXPECT_TRUE(rc::check([] {
    const int m = *rc::gen::inRange(1, 4);
    const int k = *rc::gen::inRange(1, 7);
    const Profile profile{static_cast<std::uint8_t>(k), static_cast<std::uint8_t>(m)};
    ClusterMap map;
    std::unique_ptr<Ring> ring;
    for (int epoch = 0; epoch < 4; ++epoch) {
      const int changes = *rc::gen::inRange(1, 8);
      for (int i = 0; i < changes; ++i) {
        const auto id = *rc::gen::inRange<std::uint32_t>(1, 20);
        Node node = node_of(id, "z" + std::to_string(*rc::gen::inRange(0, 5)),
                            *rc::gen::inRange<std::uint64_t>(1, 5));
        node.draining = *rc::gen::inRange(0, 5) == 0;
        if (*rc::gen::inRange(0, 6) == 0)
          map.remove(NodeId{id});
        else
          RC_ASSERT(map.put(node).has_value());
      }
      ring = std::make_unique<Ring>(build(map, profile, ring.get()));
      const RingTable& table = ring->tables()[0];
      RC_ASSERT(rows_are_distinct(table));

      std::vector<QuotaNode> nodes;
      std::vector<NodeId> ids;
      std::map<std::string, std::uint32_t> zones;
      for (const Node& node : map.nodes()) {
        if (node.draining) continue;
        const auto next = static_cast<std::uint32_t>(zones.size());
        nodes.push_back({node.share(), zones.try_emplace(node.zone, next).first->second});
        ids.push_back(node.id);
      }
      RC_ASSERT(table.width == std::min<std::size_t>(ids.size(), static_cast<std::size_t>(k + m)));
      const auto limit = zone_limit(nodes, table.width, profile.m);
      RC_ASSERT(worst_zone(table, map) <= limit);
      const auto quotas = slot_quotas(nodes, kArcs, table.width, limit);
      auto loads = loads_of(table);
      for (std::size_t i = 0; i < ids.size(); ++i) RC_ASSERT(loads[ids[i]] == quotas[i]);
    }
  }));
}

TEST(ZoneLimit, IsMWhereTheZonesAllowIt) {
  const auto limit_of = [](std::vector<std::uint32_t> zones, std::uint32_t width, std::uint32_t m) {
    std::vector<QuotaNode> nodes;
    for (const std::uint32_t zone : zones) nodes.push_back({1.0, zone});
    return zone_limit(nodes, width, m);
  };
  EXPECT_EQ(limit_of({0, 1, 2, 0, 1, 2}, 6, 2), 2u);
  EXPECT_EQ(limit_of({0, 0, 0, 0, 0, 0}, 6, 2), 6u);
  EXPECT_EQ(limit_of({0, 1, 2, 2, 2, 2}, 6, 2), 4u);
  EXPECT_EQ(limit_of({0, 1, 0, 1, 0, 1}, 6, 2), 3u);
}

TEST(ClusterMap, BadNodesAreRefused) {
  ClusterMap map;
  Node node = node_of(1, "a");
  EXPECT_TRUE(map.put(node).has_value());
  const auto refused = [&](auto change) {
    Node bad = node;
    change(bad);
    const Status status = map.put(bad);
    return !status && status.error().code == Code::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](Node& n) { n.id = kNoNode; }));
  EXPECT_TRUE(refused([](Node& n) { n.name.clear(); }));
  EXPECT_TRUE(refused([](Node& n) { n.name.assign(256, 'x'); }));
  EXPECT_TRUE(refused([](Node& n) { n.zone.assign(256, 'x'); }));
  EXPECT_TRUE(refused([](Node& n) { n.weight = -1; }));
  EXPECT_TRUE(refused([](Node& n) { n.weight = 1e9; }));
  EXPECT_TRUE(refused([](Node& n) { n.weight = std::numeric_limits<double>::quiet_NaN(); }));
  EXPECT_EQ(map.size(), 1u);
}

TEST(ClusterMap, KeepsNodesInTheOrderOfTheirIds) {
  ClusterMap map;
  for (const std::uint32_t id : {5u, 2u, 9u, 2u})
    ASSERT_TRUE(map.put(node_of(id, "z")).has_value());
  ASSERT_EQ(map.size(), 3u);
  EXPECT_EQ(map.nodes()[0].id, NodeId{2});
  EXPECT_EQ(map.nodes()[2].id, NodeId{9});
  EXPECT_EQ(map.find(NodeId{5})->name, "agent-5");
  EXPECT_EQ(map.find(NodeId{6}), nullptr);
  EXPECT_TRUE(map.remove(NodeId{5}));
  EXPECT_FALSE(map.remove(NodeId{5}));
}

}  // namespace
}  // namespace hydra::placement
