#include "gateway/heal/needs.h"

#include <gmock/gmock.h>

#include <bit>

namespace hydra::heal {
namespace {

using catalog::kNoRank;
using catalog::kRankCompact;
using catalog::kRankDrain;
using catalog::kRankRebalance;
using catalog::kRankReencode;
using catalog::kRankReprofile;
using testing::ElementsAre;
using testing::IsEmpty;

// Nodes 1 to `count`, all here, each in a zone of its own, on a ring for 4+2 and 1+2.
Facts grid(std::size_t count) {
  placement::ClusterMap map;
  Facts facts;
  for (NodeId id = 1; id <= count; ++id) {
    EXPECT_TRUE(map.put({id, "n" + std::to_string(id), "z" + std::to_string(id), 1u << 30}));
    facts.nodes[id] = {.presence = Presence::kHere, .takes = true};
  }
  const erasure::Profile profiles[] = {{4, 2}, {1, 2}};
  facts.placement = std::make_shared<placement::PlacementView>(
      placement::PlacementView{map, placement::build_ring(map, profiles, nullptr, 1)});
  facts.small_bytes = 100;
  return facts;
}

catalog::Extent extent_on(std::vector<NodeId> nodes, erasure::Profile profile = {4, 2}) {
  catalog::Extent extent;
  extent.id.bytes[0] = std::byte{7};
  extent.stored_as = extent.id;
  extent.profile = extent.wanted = profile;
  extent.length = extent.live_bytes = 1u << 20;
  extent.nodes = std::move(nodes);
  return extent;
}

void set(Facts& facts, NodeId node, Presence presence) {
  facts.nodes[node] = {.presence = presence, .takes = presence == Presence::kHere};
}

TEST(Needs, AWholeExtentNeedsNothing) {
  const Needs found = needs(extent_on({1, 2, 3, 4, 5, 6}), grid(6), {});
  EXPECT_EQ(found.rank, kNoRank);
  EXPECT_EQ(found.spare, 2);
  EXPECT_EQ(found.lost | found.rebuild | found.move, 0u);
}

TEST(Needs, AHalfDeadExtentIsCompactedWhateverElseItNeeds) {
  catalog::Extent extent = extent_on({1, 2, 3, 4, 5, 6});
  extent.live_bytes = extent.length / 2 + 1;
  EXPECT_FALSE(needs(extent, grid(6), {}).compact);
  extent.live_bytes = extent.length / 2;
  Needs found = needs(extent, grid(6), {});
  EXPECT_TRUE(found.compact);
  EXPECT_EQ(found.rank, kRankCompact);
  // It is not moved first and written anew afterwards; how urgent it is, other reasons say.
  found = needs(extent, grid(8), {.rebalance = true});
  EXPECT_EQ(found.rank, kRankCompact);
  EXPECT_EQ(found.move, 0u);
  Facts drained = grid(8);
  drained.nodes[3].draining = true;
  drained.nodes[3].takes = false;
  found = needs(extent, drained, {});
  EXPECT_EQ(found.rank, kRankDrain);
  EXPECT_TRUE(found.compact);
  extent.missing = 0b11;
  found = needs(extent, grid(6), {});
  EXPECT_EQ(found.rank, 0);
  EXPECT_TRUE(found.compact);
}

TEST(Needs, MissingShardsAreRebuiltAtOnce) {
  catalog::Extent extent = extent_on({1, 2, 3, 4, 5, 6});
  extent.missing = 0b1;
  const Needs found = needs(extent, grid(6), {});
  EXPECT_EQ(found.rank, 1);
  EXPECT_EQ(found.rebuild, 0b1u);
}

TEST(Needs, AFirstLossWaitsUntilItIsOverdue) {
  Facts facts = grid(7);
  const catalog::Extent extent = extent_on({1, 2, 3, 4, 5, 6});
  set(facts, 2, Presence::kAway);
  EXPECT_EQ(needs(extent, facts, {}).lost, 0u);
  set(facts, 2, Presence::kDown);
  const Needs waiting = needs(extent, facts, {});
  EXPECT_EQ(waiting.rank, kNoRank);
  EXPECT_EQ(waiting.spare, 1);
  EXPECT_EQ(waiting.lost, 0b10u);
  EXPECT_EQ(waiting.rebuild, 0u);
  set(facts, 2, Presence::kOverdue);
  const Needs overdue = needs(extent, facts, {});
  EXPECT_EQ(overdue.rank, 1);
  EXPECT_EQ(overdue.rebuild, 0b10u);
}

TEST(Needs, WhatFewLossesCouldEndIsRebuiltAtOnce) {
  Facts facts = grid(8);
  const catalog::Extent extent = extent_on({1, 2, 3, 4, 5, 6});
  set(facts, 1, Presence::kDown);
  set(facts, 6, Presence::kDown);
  const Needs found = needs(extent, facts, {});
  EXPECT_EQ(found.rank, 0);
  EXPECT_EQ(found.rebuild, 0b100001u);

  // 2+1 has no loss that could wait; 4+4 has one.
  Facts small = grid(4);
  set(small, 1, Presence::kDown);
  EXPECT_EQ(needs(extent_on({1, 2, 3}, {2, 1}), small, {}).rank, 0);
  Facts large = grid(9);
  set(large, 1, Presence::kDown);
  EXPECT_EQ(needs(extent_on({1, 2, 3, 4, 5, 6, 7, 8}, {4, 4}), large, {}).rank, kNoRank);
  set(large, 2, Presence::kDown);
  EXPECT_EQ(needs(extent_on({1, 2, 3, 4, 5, 6, 7, 8}, {4, 4}), large, {}).rank, 2);
}

// Every combination of what can be said of each shard of 2+2.
TEST(Needs, NoCombinationOfLossesIsMisjudged) {
  enum Fate { kGood, kAway, kDown, kOverdue, kRemoved, kMissing, kFenced, kDraining, kUnknown };
  const Facts calm = grid(8);
  for (int code = 0; code < 9 * 9 * 9 * 9; ++code) {
    Facts facts = calm;
    catalog::Extent extent = extent_on({1, 2, 3, 4}, {2, 2});
    std::uint32_t gone = 0, down = 0, fenced = 0, draining = 0;
    for (int i = 0, rest = code; i < 4; ++i, rest /= 9) {
      const auto node = static_cast<NodeId>(i + 1);
      const std::uint32_t bit = 1u << i;
      switch (rest % 9) {
        case kAway:
          set(facts, node, Presence::kAway);
          break;
        case kDown:
          set(facts, node, Presence::kDown);
          down |= bit;
          break;
        case kOverdue:
          set(facts, node, Presence::kOverdue);
          gone |= bit;
          break;
        case kRemoved:
          set(facts, node, Presence::kRemoved);
          gone |= bit;
          break;
        case kMissing:
          extent.missing |= bit;
          gone |= bit;
          break;
        case kFenced:
          facts.nodes[node].fenced = true;
          facts.nodes[node].takes = false;
          fenced |= bit;
          break;
        case kDraining:
          facts.nodes[node].draining = true;
          facts.nodes[node].takes = false;
          draining |= bit;
          break;
        case kUnknown:
          facts.nodes.erase(node);
          break;
        default:
          break;
      }
    }
    const Needs found = needs(extent, facts, {.rebalance = true});
    const std::uint32_t lost = gone | down | fenced;
    const int spare = 2 - std::popcount(lost);
    const bool hurry = spare <= 0;
    ASSERT_EQ(found.lost, lost) << code;
    ASSERT_EQ(found.spare, spare) << code;
    ASSERT_EQ(found.rebuild, gone | (hurry ? down : 0u)) << code;
    ASSERT_EQ(found.move & ~draining, fenced) << code;
    ASSERT_EQ(found.move & draining, draining) << code;
    ASSERT_EQ(found.rebuild & found.move, 0u) << code;
    if (found.rebuild != 0 || fenced != 0)
      ASSERT_EQ(found.rank, std::max(spare, 0)) << code;
    else
      ASSERT_EQ(found.rank, draining != 0 ? kRankDrain : kNoRank) << code;
    ASSERT_FALSE(found.reencode) << code;
  }
}

TEST(Needs, NarrowExtentsAreWrittenAnewWhenThereAreNodesEnough) {
  catalog::Extent extent = extent_on({1, 2, 3, 4}, {2, 2});
  extent.wanted = {4, 2};
  EXPECT_EQ(needs(extent, grid(6), {}).rank, kRankReencode);
  EXPECT_EQ(needs(extent, grid(6), {}).reencode, (erasure::Profile{4, 2}));
  EXPECT_EQ(needs(extent, grid(5), {}).rank, kNoRank);
  Facts facts = grid(6);
  facts.nodes[5].takes = false;  // full
  EXPECT_EQ(needs(extent, facts, {}).rank, kNoRank);
  // Lost shards make it more urgent, and writing it anew brings them back as well.
  facts = grid(7);
  set(facts, 1, Presence::kOverdue);
  EXPECT_EQ(needs(extent, facts, {}).rank, 1);
  EXPECT_EQ(needs(extent, facts, {}).reencode, (erasure::Profile{4, 2}));
}

TEST(Needs, AnotherConfiguredProfileCountsOnlyWhenAskedFor) {
  catalog::Extent extent = extent_on({1, 2, 3, 4}, {2, 2});
  EXPECT_EQ(needs(extent, grid(6), {}).rank, kNoRank);
  const Needs found = needs(extent, grid(6), {.reprofile = true});
  EXPECT_EQ(found.rank, kRankReprofile);
  EXPECT_EQ(found.reencode, (erasure::Profile{4, 2}));
  extent.length = 100;
  EXPECT_EQ(needs(extent, grid(6), {.reprofile = true}).reencode, (erasure::Profile{1, 2}));
  extent = extent_on({1, 2, 3}, {1, 2});
  extent.length = 100;
  EXPECT_EQ(needs(extent, grid(6), {.reprofile = true}).rank, kNoRank);
}

TEST(Needs, RebalanceMovesOnlyWhatIsNotInItsRow) {
  const Facts calm = grid(9);
  Facts facts = calm;
  catalog::Extent extent = extent_on({});
  const auto row = facts.placement->ring.nodes({4, 2}, placement::arc_of(extent.id.view()));
  extent.nodes.assign(row.begin(), row.end());
  EXPECT_EQ(needs(extent, facts, {.rebalance = true}).rank, kNoRank);
  std::swap(extent.nodes[0], extent.nodes[3]);  // a place within the row does not matter
  EXPECT_EQ(needs(extent, facts, {.rebalance = true}).rank, kNoRank);

  NodeId outsider = 1;
  while (std::ranges::find(row, outsider) != row.end()) ++outsider;
  extent.nodes.assign(row.begin(), row.end());
  extent.nodes[2] = outsider;
  const Needs found = needs(extent, facts, {.rebalance = true});
  EXPECT_EQ(found.rank, kRankRebalance);
  EXPECT_EQ(found.move, 0b100u);
  EXPECT_EQ(found.targets[2], row[2]);
  EXPECT_EQ(needs(extent, facts, {}).rank, kNoRank);

  facts.nodes[row[2]].takes = false;  // it cannot go there
  EXPECT_EQ(needs(extent, facts, {.rebalance = true}).rank, kNoRank);
  facts = calm;
  set(facts, row[0], Presence::kDown);  // nothing is moved while something is lost
  EXPECT_EQ(needs(extent, facts, {.rebalance = true}).rank, kNoRank);
}

}  // namespace
}  // namespace hydra::heal
