// Objects of which only a slice is left: their space comes back, and nothing of the slice is lost.
#include <gmock/gmock.h>

#include "gateway/heal/heal_world_fixture.h"

namespace hydra::heal {
namespace {

constexpr std::uint64_t kPlain = catalog::kSegmentBytes;
constexpr std::uint64_t kSealed = catalog::kSealedSegmentBytes;
constexpr std::uint64_t kExtent = 1u << 20;

object::StoreOptions small_extents() {
  object::StoreOptions options;
  options.extent_bytes = kExtent;
  return options;
}

// So slow that something can happen meanwhile.
HealOptions slow() {
  HealOptions options = HealWorld::quick();
  options.pace = {.floor = 4u << 20, .ceiling = 4u << 20};
  return options;
}

class SmallWorld : public HealWorld {
 public:
  explicit SmallWorld(std::size_t nodes, std::uint64_t seed = 1, HealOptions options = quick())
      : HealWorld(nodes, std::move(options), seed, small_extents()) {}

  bool idle() {
    const HealStatus now = status();
    return now.active && now.totals.repairs + now.totals.moves + now.totals.trims == 0 &&
           now.running.empty() && !now.surveying;
  }
  bool works(Nanos limit) {
    const Nanos end = simulation().now() + limit;
    while (status().running.empty() && simulation().now() < end) pass(5 * kMillisecond);
    return !status().running.empty();
  }
  // All is done, and what was left behind has been freed.
  bool swept() {
    const auto totals = status().totals;
    return idle() && totals.dead_extents + totals.strays == 0;
  }
  // What nodes hold is what the extents should take up there.
  void expect_no_more_than_needed() {
    std::uint64_t bytes = 0;
    for (const auto& extent : extents())
      bytes +=
          erasure::Layout::of(extent.profile, extent.length)->shard_bytes() * extent.nodes.size();
    EXPECT_EQ(stored_bytes(), bytes);
    EXPECT_EQ(flaw(), "");
  }
};

TEST(Compaction, OfADeletedObjectOnlyTheSegmentsOfItsSliceStay) {
  SmallWorld world(8);
  world.put("whole", 6u << 20);
  // Ten segments and two bytes, across the border of the first extent and the second.
  world.copy("slice", "whole", kExtent - 5 * kPlain, 10 * kPlain + 2);
  world.pass(60 * kSecond);
  const std::uint64_t before = world.stored_bytes();
  EXPECT_GT(before, 9u << 20);
  world.erase("whole");
  ASSERT_TRUE(world.settles([&] { return world.swept(); }));
  world.expect_no_more_than_needed();
  EXPECT_LE(world.stored_bytes(), 12 * kSealed * 3 / 2 + 12 * 64);
  EXPECT_EQ(world.status().totals.half_dead, 0u);
  world.expect_readable();
  world.erase("slice");
  ASSERT_TRUE(world.settles([&] { return world.swept(); }));
  EXPECT_EQ(world.stored_bytes(), 0u);
}

TEST(Compaction, WhatIsMoreThanHalfAliveIsLeftAlone) {
  SmallWorld world(6);
  world.put("whole", 15 * kPlain);
  world.copy("slice", "whole", 0, 8 * kPlain);
  world.pass(60 * kSecond);
  const auto before = world.extents();
  world.erase("whole");
  ASSERT_TRUE(world.settles([&] { return world.status().totals.trims == 0 && world.idle(); }));
  world.pass(120 * kSecond);
  EXPECT_EQ(world.status().written_bytes, 0u);
  EXPECT_EQ(world.extents().front().id, before.front().id);
  EXPECT_EQ(world.extents().front().live_bytes, 8 * kSealed);
  world.expect_readable();
}

TEST(Compaction, SmallRemaindersAreReplicated) {
  SmallWorld world(6);
  world.put("whole", 3 * kPlain + 1000);
  world.copy("end", "whole", 3 * kPlain + 10, 100);
  world.erase("whole");
  ASSERT_TRUE(world.settles([&] { return world.swept(); }));
  ASSERT_EQ(world.extents().size(), 1u);
  EXPECT_EQ(world.extents().front().profile, (erasure::Profile{1, 2}));
  EXPECT_EQ(world.extents().front().length, 1016u);
  world.expect_readable();
}

TEST(Compaction, ReadersGoOnWithThePlanThatTheyHad) {
  SmallWorld world(8);
  world.put("whole", 3u << 20);
  world.copy("slice", "whole", 700'000, 800'000);
  world.pass(60 * kSecond);
  const auto whole = world.plan_of("whole");
  const auto slice = world.plan_of("slice");
  const std::string text = world.text("whole");
  auto hold = world.catalog().held().hold(whole.extents);
  world.erase("whole");
  ASSERT_TRUE(world.settles([&] { return world.idle(); }, 60 * kSecond));
  EXPECT_EQ(*world.read(whole), text);
  EXPECT_EQ(*world.read(slice), text.substr(700'000, 800'000));
  // The grace is long over, but somebody still reads.
  world.pass(900 * kSecond);
  EXPECT_EQ(*world.read(whole), text);
  hold = {};
  ASSERT_TRUE(world.settles([&] { return world.swept(); }));
  world.expect_no_more_than_needed();
  world.expect_readable();
}

TEST(Compaction, CopiesOfTheCopyMayBeMadeMeanwhile) {
  SmallWorld world(8, 1, slow());
  world.put("whole", 2u << 20);
  world.copy("slice", "whole", 300'000, 200'000);
  world.copy("other", "whole", 1'900'000, 70'000);
  world.pass(60 * kSecond);
  world.erase("whole");
  ASSERT_TRUE(world.works(60 * kSecond));
  world.copy("copy", "slice", 100'000, 50'000);
  world.erase("slice");
  world.erase("other");
  ASSERT_TRUE(world.settles([&] { return world.swept(); }));
  world.expect_no_more_than_needed();
  EXPECT_LE(world.stored_bytes(), 2 * kSealed * 3 / 2 + 6 * 64);
  world.expect_readable();
}

TEST(Compaction, ItPutsRightWhatElseTheExtentNeeds) {
  SmallWorld world(8);
  world.put("whole", 1'000'000);
  world.copy("slice", "whole", 0, 3 * kPlain);
  world.pass(60 * kSecond);
  const catalog::Extent before = world.extents().front();
  const NodeId lost = before.nodes[0];
  world.node(lost).up = false;
  world.node(before.nodes[1]).damaged.insert(before.shard(1));
  world.erase("whole");
  ASSERT_TRUE(world.settles([&] { return world.flaw({lost}).empty() && world.idle(); }))
      << world.flaw({lost});
  ASSERT_EQ(world.extents().size(), 1u);
  EXPECT_NE(world.extents().front().id, before.id);
  EXPECT_EQ(world.extents().front().length, 3 * kSealed);
  EXPECT_LE(world.status().written_bytes, 2 * 3 * kSealed);
  world.expect_readable();
}

TEST(Compaction, ItWaitsForNodesThatAreAway) {
  SmallWorld world(6);
  world.put("whole", 1'000'000);
  world.copy("slice", "whole", 0, 3 * kPlain);
  world.pass(60 * kSecond);
  world.node(3).up = false;
  world.pass(20 * kSecond);
  world.erase("whole");
  world.pass(30 * kSecond);
  EXPECT_EQ(world.status().totals.half_dead, 1u);
  EXPECT_EQ(world.status().totals.half_dead_bytes, 1'000'256 - 3 * kSealed);
  EXPECT_GT(world.status().blocked, 0u);
  world.expect_readable();
  world.node(3).up = true;
  ASSERT_TRUE(world.settles([&] { return world.swept(); }));
  world.expect_no_more_than_needed();
  world.expect_readable();
}

TEST(Compaction, OnFewNodesExtentsStayAsNarrowAsTheyWere) {
  SmallWorld world(4);
  world.put("whole", 1'000'000);
  world.copy("slice", "whole", 0, 3 * kPlain);
  world.erase("whole");
  const auto compacted = [&] {
    const auto totals = world.status().totals;
    return totals.trims + totals.half_dead + totals.dead_extents == 0;
  };
  ASSERT_TRUE(world.settles(compacted));
  ASSERT_EQ(world.extents().size(), 1u);
  EXPECT_EQ(world.extents().front().profile, (erasure::Profile{2, 2}));
  EXPECT_EQ(world.extents().front().wanted, (erasure::Profile{4, 2}));
  world.expect_readable();
}

TEST(Compaction, BodiesAreTrimmedInBatches) {
  HealOptions options = HealWorld::quick();
  options.sweep.trim_batch = 2;
  SmallWorld world(6, 1, options);
  for (int i = 0; i < 5; ++i) {
    world.put("whole-" + std::to_string(i), 200'000);
    world.copy("slice-" + std::to_string(i), "whole-" + std::to_string(i), 0, 10);
    world.erase("whole-" + std::to_string(i));
  }
  ASSERT_TRUE(world.settles([&] { return world.swept(); }));
  EXPECT_EQ(world.stored_bytes(), 5 * 6 * (kSealed / 4 + 60) / 64 * 64);
  world.expect_readable();
}

// What is on a node is known to the catalog, or somebody says that he is writing it.
TEST(Compaction, TheInventoryIsToldOfShardsThatNobodyNamesYet) {
  SmallWorld world(6, 1, slow());
  world.node(5).up = world.node(6).up = false;
  world.put("narrow", 800'000);  // to be re-encoded
  world.node(5).up = world.node(6).up = true;
  world.put("whole", 1'000'000);
  world.copy("slice", "whole", 0, 7 * kPlain);
  world.erase("whole");
  std::set<ExtentId> in_flight;
  const auto all_is_known = [&] {
    std::set<ExtentId> names;
    for (const auto& [id, node] : world.grid().all())
      for (const auto& [shard, bytes] : node.shards) names.insert(shard.extent);
    const auto strays = world.catalog().strays(INT64_MAX, 100);
    for (const auto& stray : *strays) names.erase(stray.shard.extent);
    for (const ExtentId& name : names) {
      const bool written = world.writes().contains(name);
      const auto owner = world.catalog().owners({&name, 1});
      if (written) in_flight.insert(name);
      if (!written && !owner->front()) return false;
    }
    return true;
  };
  const Nanos end = world.simulation().now() + 120 * kSecond;
  while (world.simulation().now() < end && !(in_flight.size() >= 2 && world.idle())) {
    ASSERT_TRUE(all_is_known());
    world.pass(world.status().running.empty() ? 100 * kMillisecond : kMillisecond);
  }
  EXPECT_EQ(in_flight.size(), 2u);
  EXPECT_EQ(world.writes().size(), 0u);
  EXPECT_EQ(world.flaw(), "");
}

// At every step: all is as before or as after, and comes to its end in a later life.
TEST(Compaction, ItCanBeKilledAtAnyMoment) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    SmallWorld world(8, seed, slow());
    for (int i = 0; i < 4; ++i) {
      const std::string name = std::to_string(i);
      world.put("whole-" + name, 2u << 20);
      const std::uint64_t offset = random() % (1u << 20);
      world.copy("slice-" + name, "whole-" + name, offset, 1 + random() % 300'000);
      if (random() % 2 == 0)
        world.copy("other-" + name, "whole-" + name, random() % 1'900'000, 100'000);
      world.erase("whole-" + name);
    }
    int interrupted = 0;
    for (int crash = 0; crash < 8; ++crash) {
      interrupted += world.works(45 * kSecond);
      world.pass(static_cast<Nanos>(random() % 400'000) * kMicrosecond);
      world.crash();
      world.restart();
      world.expect_readable();
      if (testing::Test::HasFailure()) return;
    }
    EXPECT_GE(interrupted, 2);
    ASSERT_TRUE(world.settles([&] { return world.swept(); }));
    EXPECT_EQ(world.flaw(), "");
    EXPECT_EQ(world.status().totals.half_dead, 0u);
    // What crashes left behind is known to nobody, and the inventory's to free.
    for (const auto& [id, node] : world.grid().all())
      for (const auto& [shard, bytes] : node.shards) {
        const auto owner = world.catalog().owners({&shard.extent, 1});
        EXPECT_TRUE(!owner->front() || owner->front()->live_bytes > 0);
      }
    world.expect_readable();
  }
}

}  // namespace
}  // namespace hydra::heal
