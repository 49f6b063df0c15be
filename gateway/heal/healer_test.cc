// The healer at work on a whole small grid.
#include "gateway/heal/healer.h"

#include <gmock/gmock.h>

#include "gateway/heal/heal_world_fixture.h"

namespace hydra::heal {
namespace {

using testing::IsEmpty;

void put_some(HealWorld& world, int count, std::size_t bytes = 300'000) {
  for (int i = 0; i < count; ++i)
    world.put("key-" + std::to_string(i), bytes + static_cast<std::size_t>(i) * 97);
}

bool idle(HealWorld& world) {
  const HealStatus status = world.status();
  return status.totals.repairs + status.totals.moves == 0 && status.running.empty() &&
         !status.surveying;
}

TEST(Healer, WhatADeadNodeHeldIsRebuiltElsewhere) {
  HealWorld world(8);
  put_some(world, 12);
  world.put("large", 3u << 20);
  world.put("small", 1000);
  world.pass(30 * kSecond);
  world.node(3).up = false;
  world.pass(60 * kSecond);  // the delay is not over
  EXPECT_EQ(world.status().written_bytes, 0u);
  ASSERT_TRUE(world.settles([&] { return world.flaw({3}).empty(); })) << world.flaw({3});
  EXPECT_GT(world.status().healed_extents, 0u);
  world.node(1).up = world.node(2).up = false;
  world.expect_readable();
}

TEST(Healer, ANodeThatIsBackEarlyMovesNothing) {
  HealWorld world(8);
  put_some(world, 12);
  world.pass(30 * kSecond);
  const auto before = world.extents();
  world.node(3).up = false;
  world.pass(50 * kSecond);
  EXPECT_TRUE(world.status().census);
  EXPECT_GT(world.status().census->waiting.extents, 0u);  // it is seen, but not acted upon
  world.node(3).up = true;
  world.pass(600 * kSecond);
  EXPECT_EQ(world.status().written_bytes, 0u);
  EXPECT_EQ(world.status().healed_extents, 0u);
  EXPECT_TRUE(idle(world));
  EXPECT_EQ(world.status().census->smallest_spare, 2);
  const auto after = world.extents();
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_EQ(after[i].nodes, before[i].nodes);
}

TEST(Healer, ANodeThatIsBackLateCountsWithWhatItStillHolds) {
  HealWorld world(8);
  put_some(world, 12);
  world.pass(30 * kSecond);
  world.node(3).up = false;
  ASSERT_TRUE(world.settles([&] { return world.flaw({3}).empty() && idle(world); }));
  const std::uint64_t written = world.status().written_bytes;
  const std::uint64_t healed = world.status().healed_extents;
  world.node(3).up = true;
  world.pass(60 * kSecond);
  ASSERT_TRUE(world.settles([&] { return idle(world); }));
  EXPECT_EQ(world.status().healed_extents, 2 * healed);  // all are back on it
  EXPECT_EQ(world.status().written_bytes, written);      // without a copy
  EXPECT_EQ(world.flaw(), "");
  ASSERT_TRUE(world.settles([&] { return world.status().totals.strays == 0; }));
  EXPECT_EQ(world.shards(), world.expected_shards());
  EXPECT_EQ(world.flaw(), "");
  world.expect_readable();
}

TEST(Healer, TwoDeadNodesAreNotWaitedFor) {
  HealWorld world(8);
  put_some(world, 12);
  world.pass(30 * kSecond);
  world.node(3).up = world.node(4).up = false;
  const auto urgent = [&] {
    for (const auto& extent : world.extents())
      if (std::ranges::count_if(extent.nodes, [](NodeId n) { return n == 3 || n == 4; }) == 2)
        return true;
    return false;
  };
  ASSERT_TRUE(urgent());
  // Ten seconds to call them down, and the time to rebuild.
  ASSERT_TRUE(world.settles([&] { return !urgent(); }, 40 * kSecond));
}

TEST(Healer, MissingShardsAreWrittenAtOnce) {
  HealWorld world(6);
  world.node(2).fail_after = world.node(2).blocks + 1;
  world.put("key", 3u << 20);
  ASSERT_NE(world.flaw(), "");
  world.node(2).fail_after = SIZE_MAX;
  ASSERT_TRUE(world.settles([&] { return world.flaw().empty(); }, 30 * kSecond)) << world.flaw();
  world.expect_readable();
}

TEST(Healer, NarrowExtentsGrowWhenTheNodesAreBack) {
  HealWorld world(6);
  world.node(5).up = world.node(6).up = false;
  put_some(world, 5);
  for (const auto& extent : world.extents()) {
    EXPECT_EQ(extent.profile, (erasure::Profile{2, 2}));
    EXPECT_EQ(extent.wanted, (erasure::Profile{4, 2}));
  }
  world.pass(120 * kSecond);
  EXPECT_EQ(world.status().written_bytes, 0u);
  world.node(5).up = world.node(6).up = true;
  ASSERT_TRUE(world.settles([&] { return world.flaw().empty(); })) << world.flaw();
  for (const auto& extent : world.extents()) {
    EXPECT_EQ(extent.profile, (erasure::Profile{4, 2}));
    EXPECT_NE(extent.stored_as, extent.id);
  }
  EXPECT_GT(world.shards(), world.expected_shards());  // readers may still use the old ones
  ASSERT_TRUE(world.settles([&] { return world.status().totals.strays == 0; }));
  EXPECT_EQ(world.shards(), world.expected_shards());
  world.expect_readable();
  for (int i = 0; i < 5; ++i) world.erase("key-" + std::to_string(i));
  ASSERT_TRUE(world.settles([&] { return world.status().totals.dead_extents == 0; }));
  EXPECT_EQ(world.shards(), 0u);
}

TEST(Healer, ADrainEmptiesANode) {
  HealWorld world(8);
  put_some(world, 12);
  world.pass(30 * kSecond);
  world.change_node(3, {.draining = true});
  ASSERT_TRUE(world.settles([&] {
    const HealStatus status = world.status();
    return idle(world) && status.census && !status.census->nodes.contains(3) &&
           world.flaw({3}).empty();
  })) << world.flaw({3});
  put_some(world, 12);  // nothing new goes there
  ASSERT_TRUE(world.settles([&] { return world.status().totals.strays == 0; }));
  EXPECT_THAT(world.node(3).shards, IsEmpty());
  world.expect_readable();
}

TEST(Healer, ANewNodeGetsItsShareAndNothingElseMoves) {
  HealWorld world(9);
  put_some(world, 150, 20'000);
  world.pass(30 * kSecond);
  const std::size_t shards = world.expected_shards();
  const NodeId fresh = world.add_node();
  ASSERT_TRUE(world.settles(
      [&] { return idle(world) && world.node(fresh).shards.size() > 0 && world.flaw().empty(); }));
  const double moved =
      static_cast<double>(world.node(fresh).shards.size()) / static_cast<double>(shards);
  RecordProperty("moved_share", std::to_string(moved));
  RecordProperty("ring_moved_share", std::to_string(world.moved_share()));
  std::printf("a tenth node: %.4f of the shards moved; the ring moved %.4f; ideal %.4f\n", moved,
              world.moved_share(), 0.1);
  EXPECT_GT(moved, 0.06);
  EXPECT_LT(moved, 0.14);
  EXPECT_EQ(world.status().totals.strays, world.node(fresh).shards.size());
  world.expect_readable();
}

TEST(Healer, RebalanceWaitsForAWordWhereItIsManual) {
  HealOptions options = HealWorld::quick();
  options.rebalance = false;
  HealWorld world(9, options);
  put_some(world, 30, 20'000);
  const NodeId fresh = world.add_node();
  world.pass(120 * kSecond);
  EXPECT_THAT(world.node(fresh).shards, IsEmpty());
  world.healer().rebalance();
  ASSERT_TRUE(world.settles([&] { return world.node(fresh).shards.size() > 0 && idle(world); }));
}

TEST(Healer, ReprofileRewritesWhatIsWantedOtherwise) {
  HealOptions options = HealWorld::quick();
  options.profile = {2, 2};
  HealWorld world(8, options);
  put_some(world, 5);  // as 4+2
  world.put("small", 1000);
  world.pass(120 * kSecond);
  EXPECT_EQ(world.extents().front().profile, (erasure::Profile{4, 2}));
  world.healer().reprofile();
  world.pass(5 * kSecond);
  ASSERT_TRUE(world.settles([&] { return idle(world); }));
  for (const auto& extent : world.extents())
    EXPECT_EQ(extent.profile,
              extent.length > 16 * 1024 ? (erasure::Profile{2, 2}) : (erasure::Profile{1, 2}));
  EXPECT_EQ(world.flaw(), "");
  world.expect_readable();
}

TEST(Healer, ReprofileLeavesSnapshotsOfTheCatalogAlone) {
  HealOptions options = HealWorld::quick();
  options.profile = {2, 2};
  HealWorld world(8, options);
  world.put_snapshot(500'000);
  const catalog::Extent snapshot = world.extents().front();
  put_some(world, 3);
  world.pass(120 * kSecond);
  world.healer().reprofile();
  world.pass(5 * kSecond);
  ASSERT_TRUE(world.settles([&] { return idle(world); }));
  for (const auto& extent : world.extents()) {
    const bool kept = extent.id == snapshot.id;
    EXPECT_EQ(extent.profile, kept ? (erasure::Profile{4, 2}) : (erasure::Profile{2, 2}));
    if (kept) EXPECT_EQ(extent.stored_as, snapshot.stored_as);
  }
}

TEST(Healer, AFencedNodeIsEmptied) {
  HealWorld world(8);
  put_some(world, 8);
  world.pass(30 * kSecond);
  world.node(2).fenced = true;
  world.node(2).refuses = true;
  ASSERT_TRUE(world.settles([&] { return world.flaw({2}).empty(); })) << world.flaw({2});
}

TEST(Healer, DamageThatIsFoundOnTheWayIsMended) {
  HealWorld world(8);
  world.put("key", 2u << 20);
  world.pass(30 * kSecond);
  const catalog::Extent extent = world.extents().front();
  world.node(extent.nodes[0]).damaged.insert(extent.shard(0));
  world.node(extent.nodes[5]).up = false;
  ASSERT_TRUE(world.settles([&] { return world.flaw({extent.nodes[5]}).empty() && idle(world); }));
  for (const auto& [id, node] : world.grid().all()) EXPECT_THAT(node.damaged, IsEmpty());
  world.expect_readable();
}

TEST(Healer, ATargetThatIsFullIsPassedOver) {
  HealWorld world(9);
  put_some(world, 8);
  world.pass(30 * kSecond);
  world.node(7).refuses = world.node(8).refuses = true;
  world.node(3).up = false;
  ASSERT_TRUE(world.settles([&] { return world.flaw({3}).empty(); })) << world.flaw({3});
}

TEST(Healer, WithoutANodeToSpareItWaits) {
  HealWorld world(6);
  put_some(world, 4);
  world.pass(30 * kSecond);
  world.node(3).up = false;
  world.pass(300 * kSecond);
  EXPECT_GT(world.status().blocked, 0u);
  EXPECT_NE(world.status().blocked_why, "");
  EXPECT_EQ(world.status().totals.repairs, 4u);
  world.expect_readable();
  world.add_node();
  ASSERT_TRUE(world.settles([&] { return world.flaw({3}).empty(); })) << world.flaw({3});
}

TEST(Healer, NothingIsFreedThatOnlyCannotBeSeen) {
  HealWorld world(8);
  put_some(world, 6);
  world.pass(30 * kSecond);
  for (NodeId id = 1; id <= 8; ++id) world.node(id).up = false;
  world.pass(3600 * kSecond);
  for (NodeId id = 1; id <= 8; ++id) world.node(id).up = true;
  world.pass(1200 * kSecond);
  EXPECT_EQ(world.flaw(), "");
  EXPECT_EQ(world.status().written_bytes, 0u);
  world.expect_readable();
}

// At every step of its work: what was there stays readable, and all is whole in the end.
TEST(Healer, ItCanBeKilledAtAnyMoment) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    HealWorld world(9, HealWorld::quick(), seed);
    world.node(9).up = world.node(8).up = world.node(7).up = world.node(6).up = false;
    put_some(world, 3, 400'000);  // narrow
    world.node(9).up = world.node(8).up = world.node(7).up = world.node(6).up = true;
    put_some(world, 4, 1'500'000);
    world.put("small", 5000);
    world.node(1 + random() % 4).up = false;
    if (random() % 2 == 0) world.change_node(6, {.draining = true});
    for (int crash = 0; crash < 10; ++crash) {
      // Mostly in the middle of things: work comes in bursts after the lease and the delay.
      const Nanos quiet = static_cast<Nanos>(random() % 3 == 0 ? random() % 90 : random() % 35);
      world.pass(quiet * kSecond);
      world.settles([&] { return !world.status().running.empty(); }, 20 * kSecond);
      world.pass(static_cast<Nanos>(random() % 40'000) * kMicrosecond);
      world.crash();
      world.restart();
      world.expect_readable();
      if (testing::Test::HasFailure()) return;
    }
    const auto down = [&] {
      std::set<NodeId> ids;
      for (const auto& [id, node] : world.grid().all())
        if (!node.up) ids.insert(id);
      return ids;
    }();
    ASSERT_TRUE(world.settles([&] { return world.flaw(down).empty() && idle(world); }))
        << world.flaw(down);
    world.expect_readable();
    for (NodeId id : down) world.node(id).up = true;
    ASSERT_TRUE(world.settles([&] { return world.status().totals.strays == 0 && idle(world); }));
    EXPECT_EQ(world.flaw(), "");
    world.expect_readable();
  }
}

TEST(Healer, OneAtATimeHoldsTheLease) {
  HealWorld world(8);
  EXPECT_FALSE(world.status().active);
  world.pass(5 * kSecond);
  EXPECT_TRUE(world.status().active);
  const std::string first = world.status().lease_holder;
  world.crash();
  world.restart();
  world.pass(5 * kSecond);
  EXPECT_FALSE(world.status().active);  // the dead one's lease goes on
  EXPECT_EQ(world.status().lease_holder, first);
  EXPECT_TRUE(world.settles([&] { return world.status().active; }, 40 * kSecond));
  world.run([&](Loop& loop) { return world.healer().stop(loop.after(10 * kSecond)); });
  EXPECT_EQ(*world.catalog().lease("healer"), std::nullopt);
}

}  // namespace
}  // namespace hydra::heal
