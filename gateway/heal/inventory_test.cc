#include "gateway/heal/inventory.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "base/runtime/sim/seeds.h"
#include "gateway/heal/walk_fixture.h"

namespace hydra::heal {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr std::int64_t kDayMs = 24ll * 3'600'000;
const std::vector<NodeId> kFour{1, 2, 3, 4};

bool always() { return true; }

InventoryOptions small_pages() {
  InventoryOptions options;
  options.page = 3;
  return options;
}

struct Counting {
  explicit Counting(WalkWorld& owner, InventoryOptions options = small_pages(),
                    std::function<bool()> may_work = always)
      : world(owner),
        writes(owner.make<WritesInFlight>()),
        inventory(owner.make<Inventory>(owner.loop, owner.grid, *owner.catalog, writes, options,
                                        std::move(may_work))) {
    owner.loop.spawn(Inventory::run(&inventory));
  }
  bool finished(NodeId node, std::int64_t after_ms = 0) const {
    return std::ranges::any_of(inventory.status().nodes, [&](const InventoryStatus::Node& each) {
      return each.node == node && each.finished_ms && *each.finished_ms >= after_ms;
    });
  }
  // Until every node has been compared with the catalog since now.
  Task<bool> round() {
    co_await sleep_for(world.loop, 2 * kSecond);
    const std::int64_t now = world.loop.wall_ms();
    inventory.start_now();
    co_return co_await world.wait_for([&] {
      for (NodeId node = 1; node <= WalkWorld::kNodes; ++node)
        if (world.grid.usable(node) && !finished(node, now)) return false;
      return true;
    });
  }
  WalkWorld& world;
  WritesInFlight& writes;
  Inventory& inventory;
};

TEST(Inventory, AShardThatItsNodeDoesNotHoldIsMissing) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    std::vector<catalog::Extent> extents;
    for (int i = 0; i < 20; ++i) {
      HYDRA_CO_TRY(auto extent, co_await world.put("key" + std::to_string(i)));
      extents.push_back(std::move(extent));
    }
    world.grid.node(2).shards.erase(extents[0].shard(1));
    world.grid.node(2).shards.erase(extents[19].shard(1));
    world.grid.node(3).shards.erase(extents[7].shard(2));
    Counting counting(world);
    EXPECT_TRUE(co_await counting.round());
    for (std::size_t i = 0; i < extents.size(); ++i)
      EXPECT_EQ(world.missing(extents[i]), i == 0 || i == 19 ? 0b0010u : i == 7 ? 0b0100u : 0u);
    EXPECT_THAT(world.strays(), IsEmpty());
    co_return Status();
  });
}

TEST(Inventory, WhatANodeStillHoldsCountsIfItIsWhole) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    HYDRA_CO_TRY(const auto back, co_await world.put("back", kFour, 1000, 0b0110));
    HYDRA_CO_TRY(const auto damaged, co_await world.put("damaged", kFour, 1000, 0b0010));
    world.grid.node(2).shards[back.shard(1)] = "shard";
    world.grid.node(2).shards[damaged.shard(1)] = "shard";
    world.grid.corrupt.insert({2, damaged.shard(1)});
    Counting counting(world);
    EXPECT_TRUE(co_await counting.round());
    EXPECT_EQ(world.missing(back), 0b0100u);
    EXPECT_EQ(world.missing(damaged), 0b0010u);
    EXPECT_TRUE(world.grid.node(2).shards.contains(damaged.shard(1)));
    co_return Status();
  });
}

TEST(Inventory, AShardOfAnExtentThatLivesElsewhereIsAStrayOnce) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    HYDRA_CO_TRY(const auto extent, co_await world.put("key"));
    world.grid.node(5).shards[extent.shard(1)] = "shard";
    world.grid.node(2).shards[extent.shard(3)] = "another of it";
    Counting counting(world);
    EXPECT_TRUE(co_await counting.round());
    EXPECT_TRUE(co_await counting.round());
    EXPECT_THAT(world.strays(), SizeIs(2));
    EXPECT_TRUE(world.is_stray(5, extent.shard(1)));
    EXPECT_TRUE(world.is_stray(2, extent.shard(3)));
    for (const auto& stray : world.strays())
      EXPECT_GE(stray.due_ms, world.loop.wall_ms() + small_pages().stray_grace_ms);
    EXPECT_EQ(world.missing(extent), 0u);
    co_return Status();
  });
}

TEST(Inventory, AReencodedExtentIsFoundByTheNewNamesOfItsShards) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    HYDRA_CO_TRY(const auto before, co_await world.put("key"));
    auto after = before;
    after.stored_as = world.name(world.loop.wall_ms());
    after.nodes = {5, 6, 7, 8};
    world.store(after);
    HYDRA_CO_CHECK_OK(co_await world.catalog->update_extent(world.loop, before, after, {}));
    for (const auto& stray : world.strays())
      HYDRA_CO_CHECK_OK(co_await world.catalog->forget_strays(world.loop, {stray}));
    world.grid.node(7).shards.erase(after.shard(2));
    Counting counting(world);
    EXPECT_TRUE(co_await counting.round());
    EXPECT_EQ(world.missing(before), 0b0100u);
    EXPECT_THAT(world.strays(), SizeIs(4));
    EXPECT_TRUE(world.is_stray(1, before.shard(0)));  // however young
    co_return Status();
  });
}

TEST(Inventory, OrphansWaitForTheirGraceAndForWhoeverWritesThem) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    HYDRA_CO_CHECK_OK(co_await world.put("key"));
    const std::int64_t now = world.loop.wall_ms();
    const auto young = world.write(now - kDayMs + 3'600'000, kFour);
    const auto old = world.write(now - kDayMs - 1000, kFour);
    const auto busy = world.write(now - kDayMs - 1000, kFour);
    const auto ahead = world.write(now + kDayMs, kFour);  // of a clock that was wrong
    Counting counting(world);
    auto hold = counting.writes.begin(busy.stored_as);
    EXPECT_TRUE(co_await counting.round());
    EXPECT_THAT(world.strays(), SizeIs(4));
    for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(world.is_stray(kFour[i], old.shard(i)));
    hold = {};
    EXPECT_TRUE(co_await counting.round());
    EXPECT_THAT(world.strays(), SizeIs(8));
    EXPECT_TRUE(world.is_stray(1, busy.shard(0)));
    EXPECT_FALSE(world.is_stray(1, young.shard(0)));
    EXPECT_FALSE(world.is_stray(1, ahead.shard(0)));
    co_return Status();
  });
}

TEST(Inventory, TheJournalsRecordsAndDeadExtentsAreLeftAlone) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    ShardId reserved;
    reserved.extent.bytes.fill(std::byte{0xff});
    reserved.extent.bytes[6] = std::byte{1};
    world.grid.node(1).shards[reserved] = "record";
    HYDRA_CO_TRY(const auto dead, co_await world.put("key"));
    HYDRA_CO_CHECK_OK(co_await world.remove("key"));
    Counting counting(world);
    EXPECT_TRUE(co_await counting.round());
    EXPECT_THAT(world.strays(), IsEmpty());
    EXPECT_TRUE(world.grid.node(1).shards.contains(dead.shard(0)));
    co_return Status();
  });
}

TEST(Inventory, ACatalogThatKnowsTooLittleOfWhatNodesHoldIsNotBelieved) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    for (int i = 0; i < 12'000; ++i)
      world.grid.node(1).shards[{world.name(1'000'000 + i), 0}] = "shard";
    InventoryOptions options;
    options.page = 500;
    Counting counting(world, options);
    EXPECT_TRUE(co_await world.wait_for(
        [&] { return counting.inventory.status().row.last_finished_ms != 0; }));
    EXPECT_THAT(world.strays(), SizeIs(10'000));
    EXPECT_EQ(counting.inventory.status().row.last_counts.orphans, 12'000u);
    co_return Status();
  });
}

TEST(Inventory, ANodeThatStopsToAnswerLosesNothing) {
  for (const bool stalls : {false, true}) {
    in_walk_world(1, [stalls](WalkWorld& world) -> Task<Status> {
      std::vector<catalog::Extent> extents;
      for (int i = 0; i < 30; ++i) {
        HYDRA_CO_TRY(auto extent, co_await world.put("key" + std::to_string(i)));
        extents.push_back(std::move(extent));
      }
      world.grid.on_list = [&world, stalls](NodeId node) {
        if (node != 2 || world.grid.lists[2] != 5) return;
        (stalls ? world.grid.node(2).stalls : world.grid.node(2).up) = stalls;
      };
      world.grid.node(3).shards.erase(extents[29].shard(2));
      Counting counting(world);
      EXPECT_TRUE(co_await world.wait_for([&] { return counting.finished(3); }));
      EXPECT_FALSE(counting.finished(2));
      for (std::size_t i = 0; i < extents.size(); ++i)
        EXPECT_EQ(world.missing(extents[i]), i == 29 ? 0b0100u : 0u);
      // When it is back it is compared from the start, a while later.
      world.grid.on_list = {};
      world.grid.node(2).up = true;
      world.grid.node(2).stalls = false;
      world.grid.node(2).shards.erase(extents[0].shard(1));
      EXPECT_TRUE(co_await world.wait_for([&] { return counting.finished(2); }));
      EXPECT_EQ(world.missing(extents[0]), 0b0010u);
      co_return Status();
    });
  }
}

// It lists, and then cannot be asked for the shard that it did not list.
TEST(Inventory, SilenceIsNoAbsence) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    HYDRA_CO_TRY(const auto extent, co_await world.put("key"));
    world.grid.node(2).shards.erase(extent.shard(1));
    std::size_t asked = 0;
    world.grid.on_info = [&](NodeId node) {
      ++asked;
      world.grid.node(node).up = false;
    };
    Counting counting(world);
    EXPECT_TRUE(co_await world.wait_for([&] { return asked > 0; }));
    co_await sleep_for(world.loop, 60 * kSecond);
    EXPECT_EQ(world.missing(extent), 0u);
    EXPECT_FALSE(counting.finished(2));
    world.grid.on_info = {};
    world.grid.node(2).up = true;
    EXPECT_TRUE(co_await world.wait_for([&] { return counting.finished(2); }));
    EXPECT_EQ(world.missing(extent), 0b0010u);
    co_return Status();
  });
}

TEST(Inventory, ANodeIsVisitedWhenItsLinkIsNewOrItReportsErrorsAndOnceInAPeriod) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    HYDRA_CO_CHECK_OK(co_await world.put("key"));
    InventoryOptions options = small_pages();
    options.period = 4 * 3600 * kSecond;
    Counting counting(world, options);
    EXPECT_TRUE(co_await world.wait_for([&] { return counting.finished(4); }));
    const auto visited = [&](Nanos within) {
      const std::size_t before = world.grid.lists[4];
      return world.wait_for([&world, before] { return world.grid.lists[4] > before; }, within);
    };
    EXPECT_FALSE(co_await visited(3600 * kSecond));
    world.grid.linked_at[4] = 77;
    EXPECT_TRUE(co_await visited(5 * kSecond));
    world.grid.errors[4] = 1;
    EXPECT_FALSE(co_await visited(500 * kSecond));  // it was just there
    EXPECT_TRUE(co_await visited(200 * kSecond));
    EXPECT_FALSE(co_await visited(2 * 3600 * kSecond));
    EXPECT_TRUE(co_await visited(2 * 3600 * kSecond));
    co_return Status();
  });
}

TEST(Inventory, ItGoesOnWhereAnotherWasAndANodeThatCameInBetweenSeesTheWholeRound) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    std::vector<catalog::Extent> extents;
    for (int i = 0; i < 200; ++i) {
      HYDRA_CO_TRY(auto extent, co_await world.put("key" + std::to_string(i)));
      extents.push_back(std::move(extent));
    }
    InventoryOptions options = small_pages();
    options.shards_per_second = 4;  // some 200 s a round
    bool& mine = world.make<bool>(true);
    Counting first(world, options, [&mine] { return mine; });
    Counting second(world, options, [&mine] { return !mine; });
    world.grid.node(2).up = false;
    co_await sleep_for(world.loop, 100 * kSecond);
    const auto middle = first.inventory.status().row.cursor;
    EXPECT_TRUE(middle && *middle > extents[30].id && *middle < extents[170].id);
    world.grid.node(2).up = true;
    world.grid.node(2).shards.erase(extents[3].shard(1));
    world.grid.node(2).shards.erase(extents[197].shard(1));
    co_await sleep_for(world.loop, 10 * kSecond);
    mine = false;
    EXPECT_TRUE(
        co_await world.wait_for([&] { return world.missing(extents[197]) != 0; }, 200 * kSecond));
    EXPECT_GT(*world.catalog->walk(kInventoryWalk)->value().cursor, *middle);
    EXPECT_EQ(world.missing(extents[3]), 0u) << "it began at the beginning";
    EXPECT_TRUE(co_await world.wait_for([&] { return second.finished(2); }));
    EXPECT_EQ(world.missing(extents[3]), 0b0010u);
    co_return Status();
  });
}

// Extents in every state, on nodes that hold more and less than they should: what a round says is
// what a look at all of it at once says.
RC_GTEST_PROP(Inventory, ARoundFindsAllThatDiffersAndNothingElse, ()) {
  const auto extents_count = *rc::gen::inRange(0, 25);
  const auto page = *rc::gen::inRange<std::size_t>(1, 9);
  std::vector<int> fates;
  for (int i = 0; i < extents_count * 4; ++i) fates.push_back(*rc::gen::inRange(0, 8));
  const auto orphans = *rc::gen::inRange(0, 20);
  std::map<ExtentId, std::uint32_t> expected;
  std::set<std::pair<NodeId, ShardId>> expected_strays;
  in_walk_world(1, [&](WalkWorld& world) -> Task<Status> {
    std::vector<catalog::Extent> extents;
    for (int i = 0; i < extents_count; ++i) {
      std::uint32_t missing = 0;
      for (std::size_t s = 0; s < 4; ++s)
        if (fates[static_cast<std::size_t>(i) * 4 + s] < 2 && std::popcount(missing) < 2)
          missing |= 1u << s;
      HYDRA_CO_TRY(auto extent,
                   co_await world.put("key" + std::to_string(i), kFour, 1000, missing));
      std::uint32_t after = missing;
      for (std::size_t s = 0; s < 4; ++s) {
        const NodeId node = extent.nodes[s];
        const int fate = fates[static_cast<std::size_t>(i) * 4 + s];
        if (extent.lacks(s) && fate == 0) {  // it is there after all
          world.grid.node(node).shards[extent.shard(s)] = "shard";
          after &= ~(1u << s);
        } else if (!extent.lacks(s) && fate == 2) {
          world.grid.node(node).shards.erase(extent.shard(s));
          after |= 1u << s;
        } else if (fate == 3) {  // a copy elsewhere
          world.grid.node(5).shards[extent.shard(s)] = "shard";
          expected_strays.insert({5, extent.shard(s)});
        }
      }
      expected[extent.id] = after;
      extents.push_back(std::move(extent));
    }
    for (int i = 0; i < orphans; ++i) {
      const bool old = i % 2 == 0;
      const auto born = world.loop.wall_ms() - (old ? 2 * kDayMs : 1000);
      const ShardId shard{world.name(born), static_cast<std::uint8_t>(i % 3)};
      const NodeId node = 1 + static_cast<NodeId>(i) % WalkWorld::kNodes;
      world.grid.node(node).shards[shard] = "shard";
      if (old) expected_strays.insert({node, shard});
    }
    InventoryOptions options;
    options.page = page;
    Counting counting(world, options);
    EXPECT_TRUE(co_await counting.round());
    std::map<ExtentId, std::uint32_t> found;
    for (const auto& extent : extents) found[extent.id] = world.missing(extent);
    EXPECT_EQ(found, expected);
    std::set<std::pair<NodeId, ShardId>> strays;
    for (const auto& stray : world.strays()) strays.insert({stray.node, stray.shard});
    EXPECT_EQ(strays, expected_strays);
    co_return Status();
  });
  RC_ASSERT(!testing::Test::HasFailure());
}

// A write that took longer than the grace time commits while the inventory looks at its shards.
void race(std::uint64_t seed, bool hold_to_the_end, std::size_t& taken) {
  in_walk_world(seed, [&](WalkWorld& world) -> Task<Status> {
    Counting counting(world);
    std::vector<std::pair<catalog::Extent, WritesInFlight::Hold>> writes;
    for (int i = 0; i < 10; ++i) {
      auto extent = world.write(world.loop.wall_ms() - 2 * kDayMs, kFour);
      auto hold = counting.writes.begin(extent.stored_as);
      writes.emplace_back(std::move(extent), std::move(hold));
    }
    co_await sleep_for(world.loop, kSecond);
    counting.inventory.start_now();
    sim::Prng prng(seed);
    int key = 0;
    for (auto& [extent, hold] : writes) {
      co_await sleep_for(world.loop, static_cast<Nanos>(prng.below(3 * kMillisecond)));
      if (!hold_to_the_end) hold = {};
      co_await sleep_for(world.loop, static_cast<Nanos>(prng.below(kMillisecond)));
      HYDRA_CO_CHECK_OK(co_await world.commit("key" + std::to_string(key), extent));
      ++key;
      hold = {};
    }
    EXPECT_TRUE(co_await counting.round());
    for (const auto& [extent, hold] : writes)
      for (std::size_t i = 0; i < 4; ++i) taken += world.is_stray(kFour[i], extent.shard(i));
    co_return Status();
  });
}

TEST(Inventory, AWriteThatMayStillCommitIsNeverAnOrphan) {
  std::size_t taken = 0;
  for (const std::uint64_t seed : sim::seeds(60)) {
    SCOPED_TRACE("SIM_SEED=" + std::to_string(seed));
    race(seed, true, taken);
    ASSERT_EQ(taken, 0u);
  }
}

Task<void> commit_after(WalkWorld* world, int turns, catalog::Extent extent,
                        WritesInFlight::Hold hold) {
  for (int i = 0; i < turns; ++i) co_await yield(world->loop);
  const Status committed = co_await world->commit("key", std::move(extent));
  EXPECT_TRUE(committed);
  hold = {};
}

// While it writes down a stray, a write ends whose shards it found in the same page.
TEST(Inventory, AWriteThatEndsBetweenItsTwoLooksIsNoOrphan) {
  for (int turns = 0; turns < 12; ++turns) {
    SCOPED_TRACE(testing::Message() << turns << " turns");
    in_walk_world(1, [turns](WalkWorld& world) -> Task<Status> {
      const std::int64_t old_ms = world.loop.wall_ms() - 2 * kDayMs;
      auto elsewhere = world.write(old_ms, {5, 6, 7, 8});
      HYDRA_CO_CHECK_OK(co_await world.commit("elsewhere", elsewhere));
      world.grid.node(1).shards[elsewhere.shard(0)] = "shard";
      InventoryOptions options;
      Counting counting(world, options);
      auto extent = world.write(old_ms, kFour);
      auto hold = std::make_shared<WritesInFlight::Hold>(counting.writes.begin(extent.stored_as));
      world.grid.on_list = [&, hold](NodeId node) {
        if (node != 1 || world.grid.lists[1] != 1) return;
        world.loop.spawn(commit_after(&world, turns, extent, std::move(*hold)));
      };
      EXPECT_TRUE(co_await world.wait_for([&] { return counting.finished(1); }));
      EXPECT_TRUE(world.is_stray(1, elsewhere.shard(0)));
      for (std::size_t i = 0; i < 4; ++i) EXPECT_FALSE(world.is_stray(kFour[i], extent.shard(i)));
      world.grid.on_list = {};
      co_return Status();
    });
  }
}

TEST(Inventory, TheRaceIsOneThatTheRegistryOfWritesDecides) {
  std::size_t taken = 0;
  for (std::uint64_t seed = 1; seed <= 60 && taken == 0; ++seed) race(seed, false, taken);
  EXPECT_GT(taken, 0u) << "no seed meets a write between its hold and its commit";
}

}  // namespace
}  // namespace hydra::heal
