// What workers tell the healer, and what becomes of what readers found.
#include "gateway/heal/notices.h"

#include <gmock/gmock.h>

#include "gateway/heal/read_repair.h"
#include "gateway/heal/walk_fixture.h"

namespace hydra::heal {
namespace {

using testing::SizeIs;

ShardId shard(std::uint8_t extent, std::uint8_t index) {
  ShardId id;
  id.extent.bytes[0] = std::byte{extent};
  id.index = index;
  return id;
}

TEST(WritesInFlight, AWriteIsInFlightUntilItsLastHoldIsGone) {
  WritesInFlight writes;
  const ExtentId name = shard(1, 0).extent;
  auto first = writes.begin(name);
  {
    auto second = writes.begin(name);
    auto moved = std::move(second);
    EXPECT_TRUE(writes.contains(name));
  }
  EXPECT_TRUE(writes.contains(name));
  EXPECT_FALSE(writes.contains(shard(2, 0).extent));
  first = {};
  EXPECT_FALSE(writes.contains(name));
  EXPECT_EQ(writes.size(), 0u);
}

TEST(BrokenShards, AShardWaitsOnceAndTheWorstOfItIsKept) {
  BrokenShards broken;
  broken.report(1, shard(1, 2), Breakage::kLost);
  broken.report(1, shard(1, 2), Breakage::kWrong);
  broken.report(1, shard(1, 2), Breakage::kLost);
  broken.report(2, shard(1, 2), Breakage::kLost);
  const auto taken = broken.take();
  ASSERT_THAT(taken, SizeIs(2));
  EXPECT_EQ(taken[0].breakage, Breakage::kWrong);
  EXPECT_EQ(taken[1].shard.node, 2u);
  EXPECT_THAT(broken.take(), SizeIs(0));
  EXPECT_EQ(broken.reported(), 4u);
}

TEST(BrokenShards, ThereIsRoomForSoManyAndNoMore) {
  BrokenShards broken;
  for (NodeId node = 1; node <= BrokenShards::kMost + 7; ++node)
    broken.report(node, shard(1, 0), Breakage::kLost);
  EXPECT_EQ(broken.dropped(), 7u);
  EXPECT_THAT(broken.take(), SizeIs(BrokenShards::kMost));
  broken.report(1, shard(1, 0), Breakage::kLost);
  EXPECT_EQ(broken.dropped(), 7u);
}

TEST(ReadRepair, WhatReadersFindIsMissingSoonAfter) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    BrokenShards& broken = world.make<BrokenShards>();
    ReadRepair& repair = world.make<ReadRepair>(world.loop, world.grid, *world.catalog, broken);
    HYDRA_CO_TRY(const auto extent, co_await world.put("key"));
    world.loop.spawn(ReadRepair::run(&repair));
    broken.report(extent.nodes[1], extent.shard(1), Breakage::kLost);
    broken.report(extent.nodes[3], extent.shard(1), Breakage::kLost);  // it lives elsewhere
    const bool found = co_await world.wait_for([&] { return world.missing(extent) != 0; });
    EXPECT_TRUE(found);
    EXPECT_EQ(world.missing(extent), 0b0010u);
    EXPECT_EQ(repair.found(), 1u);
    EXPECT_TRUE(world.grid.node(extent.nodes[1]).shards.contains(extent.shard(1)));
    EXPECT_EQ(world.catalog->totals()->repairs, 1u);
    co_return Status();
  });
}

TEST(ReadRepair, AWrongShardIsFreedIfTheExtentCanDoWithoutIt) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    BrokenShards& broken = world.make<BrokenShards>();
    ReadRepair& repair = world.make<ReadRepair>(world.loop, world.grid, *world.catalog, broken);
    HYDRA_CO_TRY(const auto safe, co_await world.put("safe"));
    HYDRA_CO_TRY(const auto thin, co_await world.put("thin", {1, 2, 3, 4}, 1000, 0b1100));
    for (const auto* extent : {&safe, &thin}) broken.report(1, extent->shard(0), Breakage::kWrong);
    HYDRA_CO_CHECK_OK(co_await repair.work());
    EXPECT_EQ(world.missing(safe), 0b0001u);
    EXPECT_FALSE(world.grid.node(1).shards.contains(safe.shard(0)));
    EXPECT_EQ(world.missing(thin), 0b1100u);
    EXPECT_TRUE(world.grid.node(1).shards.contains(thin.shard(0)));
    // It was rebuilt since, and the report is an old one.
    broken.report(1, safe.shard(0), Breakage::kWrong);
    world.grid.node(1).shards[safe.shard(0)] = "new";
    HYDRA_CO_CHECK_OK(co_await repair.work());
    EXPECT_TRUE(world.grid.node(1).shards.contains(safe.shard(0)));
    co_return Status();
  });
}

}  // namespace
}  // namespace hydra::heal
