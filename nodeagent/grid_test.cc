// Grid, links and agent end to end, in simulation.
#include <gtest/gtest.h>

#include "nodeagent/grid_fixture.h"

namespace hydra::agent {
namespace {

Deadline soon(const Loop& loop) { return loop.after(20 * kSecond); }

TEST(Grid, AShardOfManyBlocksIsWrittenReadAndFreed) {
  SimGrid world;
  MemoryDevice& device = world.join_one();
  const auto layout = layout_of({4, 2}, 3'000'000);
  const ShardId shard{extent_of(9), 5};
  ASSERT_EQ(layout.stripes(), 3u);
  world.run([&](Loop& loop) -> Task<void> {
    Grid& grid = world.grid();
    EXPECT_TRUE(co_await SimGrid::write_shard(grid, 1, shard, layout, 42, soon(loop)));
    const std::string bytes = pattern(layout.shard_bytes(), 42);
    EXPECT_EQ(device.shards.at(shard).bytes, bytes);

    auto whole = co_await grid.read(1, shard, 0, layout.shard_bytes(), soon(loop));
    EXPECT_TRUE(whole && as_text(whole->view()) == bytes);
    auto middle = co_await grid.read(1, shard, 100'001, 77'777, soon(loop));
    EXPECT_TRUE(middle && as_text(middle->view()) == bytes.substr(100'001, 77'777));

    const auto info = co_await grid.info(1, shard, soon(loop));
    EXPECT_TRUE(info && info->shard_bytes == layout.shard_bytes());
    EXPECT_TRUE(co_await grid.verify(1, shard, soon(loop)));
    EXPECT_TRUE(co_await grid.free(1, {shard}, soon(loop)));
    const auto gone = co_await grid.read(1, shard, 0, 1, soon(loop));
    EXPECT_TRUE(!gone && gone.error().code == Code::kNotFound);
    const auto unknown = co_await grid.verify(1, shard, soon(loop));
    EXPECT_TRUE(!unknown && unknown.error().code == Code::kNotFound);
  });
}

TEST(Grid, LongRangesAndRangesPastTheEndAreCutToTheShard) {
  SimGrid world;
  world.join_one();
  const auto layout = layout_of({1, 1}, 5'500'000);
  const ShardId shard{extent_of(1), 0};
  world.run([&](Loop& loop) -> Task<void> {
    Grid& grid = world.grid();
    EXPECT_TRUE(co_await SimGrid::write_shard(grid, 1, shard, layout, 3, soon(loop)));
    const std::string bytes = pattern(layout.shard_bytes(), 3);
    auto whole = co_await grid.read(1, shard, 0, layout.shard_bytes() + 3'000'000, soon(loop));
    EXPECT_TRUE(whole && as_text(whole->view()) == bytes);
    auto tail = co_await grid.read(1, shard, bytes.size() - 10, 4096, soon(loop));
    EXPECT_TRUE(tail && as_text(tail->view()) == bytes.substr(bytes.size() - 10));
    auto nothing = co_await grid.read(1, shard, bytes.size() + 10, 4096, soon(loop));
    EXPECT_TRUE(nothing && nothing->empty());
  });
}

TEST(Grid, ListsPageThroughAllShardsInOrder) {
  SimGrid world;
  MemoryDevice& device = world.join_one();
  for (std::uint64_t i = 0; i < 5000; ++i)
    device.shards[{extent_of(i * 7919), 1}] = {layout_of({2, 1}, 100), std::string(64, 'x')};
  world.run([&](Loop& loop) -> Task<void> {
    const auto all = co_await world.grid().list(1, std::nullopt, 10'000, soon(loop));
    EXPECT_TRUE(all && all->size() == 5000);
    const auto half = co_await world.grid().list(1, (*all)[2499].id, 10'000, soon(loop));
    EXPECT_TRUE(half && half->size() == 2500 && half->front().id == (*all)[2500].id);
    std::vector<ShardId> ids;
    for (const ShardInfo& info : *all) ids.push_back(info.id);
    EXPECT_TRUE(co_await world.grid().free(1, ids, soon(loop)));
  });
  EXPECT_TRUE(device.shards.empty());
}

TEST(Grid, ABlockDamagedOnItsWayFailsTheShard) {
  SimGrid world;
  MemoryDevice& device = world.join_one();
  const auto layout = layout_of({4, 2}, 1000);
  world.run([&](Loop& loop) -> Task<void> {
    const std::string bytes = pattern(layout.shard_bytes(), 1);
    const auto writer = world.grid().write(1, {extent_of(1), 0}, layout);
    const auto sent = co_await writer->append(as_bytes(bytes), 12345, true, soon(loop));
    EXPECT_TRUE(!sent && sent.error().code == Code::kCorrupt);
  });
  EXPECT_EQ(device.abandoned, 1u);
  EXPECT_TRUE(device.shards.empty());
}

TEST(Grid, BytesDamagedOnTheirWayBackAreNotReturned) {
  SimGrid world;
  MemoryDevice& device = world.join_one();
  const auto layout = layout_of({1, 1}, 1'000'000);
  world.run([&](Loop& loop) -> Task<void> {
    const ShardId shard{extent_of(1), 0};
    EXPECT_TRUE(co_await SimGrid::write_shard(world.grid(), 1, shard, layout, 1, soon(loop)));
    device.damages_reads = true;
    const auto read = co_await world.grid().read(1, shard, 0, 500'000, soon(loop));
    EXPECT_TRUE(!read && read.error().code == Code::kCorrupt);
    device.damages_reads = false;
    EXPECT_TRUE(co_await world.grid().read(1, shard, 0, 500'000, soon(loop)));
  });
}

TEST(Grid, AFailureOfTheStoreReachesTheWriter) {
  SimGrid world;
  MemoryDevice& device = world.join_one();
  device.refuses = Code::kNoSpace;
  world.run([&](Loop& loop) -> Task<void> {
    const auto layout = layout_of({1, 1}, 4'000'000);
    const auto wrote =
        co_await SimGrid::write_shard(world.grid(), 1, {extent_of(1), 0}, layout, 1, soon(loop));
    EXPECT_TRUE(!wrote && wrote.error().code == Code::kNoSpace);
    // All credit came back: much more than a window can be written after it.
    device.refuses.reset();
    for (std::uint64_t i = 0; i < 5; ++i)
      EXPECT_TRUE(
          co_await SimGrid::write_shard(world.grid(), 1, {extent_of(i), 0}, layout, i, soon(loop)));
  });
}

TEST(Grid, AWriterThatIsDroppedAbandonsItsShard) {
  SimGrid world;
  MemoryDevice& device = world.join_one();
  world.run([&](Loop& loop) -> Task<void> {
    const auto layout = layout_of({1, 1}, 2'000'000);
    const std::string block = pattern(layout.block_size(0), 1);
    const auto writer = world.grid().write(1, {extent_of(1), 0}, layout);
    EXPECT_TRUE(
        co_await writer->append(as_bytes(block), crc32c(as_bytes(block)), false, soon(loop)));
  });
  EXPECT_TRUE(world.until([&] { return device.abandoned == 1; }));
  EXPECT_EQ(device.pending(), 0u);
}

TEST(Grid, ACallToANodeWithoutALinkFailsAtOnce) {
  SimGrid world;
  world.run([&](Loop& loop) -> Task<void> {
    const Nanos begun = loop.now();
    const auto read = co_await world.grid().read(1, {extent_of(1), 0}, 0, 1, soon(loop));
    EXPECT_TRUE(!read && read.error().code == Code::kUnavailable);
    const auto wrote = co_await SimGrid::write_shard(world.grid(), 1, {extent_of(1), 0},
                                                     layout_of({1, 1}, 1), 1, soon(loop));
    EXPECT_TRUE(!wrote && wrote.error().code == Code::kUnavailable);
    EXPECT_EQ(loop.now(), begun);
  });
}

// A device that takes nothing: the sender is held up within the window, the link stays of use, and
// nothing is lost.
TEST(GridFlow, ASlowDeviceHoldsUpItsWritersOnly) {
  SimGrid world;
  MemoryDevice& device = world.join_one();
  device.shards[{extent_of(99), 0}] = {layout_of({1, 1}, 64), std::string(64, 'x')};
  device.stuck = true;
  constexpr std::uint64_t kWriters = 4;
  const auto layout = layout_of({1, 1}, 4u << 20);
  std::size_t sent_blocks = 0;
  std::size_t done = 0;
  const auto write = [&](std::uint64_t seed) -> Task<void> {
    Loop& loop = world.gateway.loop();
    const std::string bytes = pattern(layout.shard_bytes(), seed);
    const auto writer = world.grid().write(1, {extent_of(seed), 0}, layout);
    for (std::uint32_t i = 0; i < layout.stripes(); ++i) {
      const auto block =
          as_bytes(bytes).subspan(layout.block_shard_offset(i), layout.block_size(i));
      EXPECT_TRUE(co_await writer->append(block, crc32c(block), i + 1 == layout.stripes(),
                                          loop.after(300 * kSecond)));
      ++sent_blocks;
    }
    ++done;
  };
  for (std::uint64_t i = 0; i < kWriters; ++i) world.gateway.loop().spawn(write(i));
  world.simulation.run_for(30 * kSecond);
  EXPECT_EQ(sent_blocks, 8u);  // the window, in blocks of 1 MiB
  EXPECT_TRUE(world.grid().usable(1));
  world.run([&](Loop& loop) -> Task<void> {
    EXPECT_TRUE(co_await world.grid().read(1, {extent_of(99), 0}, 0, 64, loop.after(kSecond)));
  });
  device.stuck = false;
  ASSERT_TRUE(world.until([&] { return done == kWriters; }));
  for (std::uint64_t i = 0; i < kWriters; ++i)
    EXPECT_EQ((device.shards.at({extent_of(i), 0}).bytes), pattern(layout.shard_bytes(), i));
}

TEST(GridFlow, WritesTimeOutAndTheLinkGoesOn) {
  SimGrid world;
  MemoryDevice& device = world.join_one();
  device.stuck = true;
  world.run([&](Loop& loop) -> Task<void> {
    const auto layout = layout_of({1, 1}, 1000);
    Nanos begun = loop.now();
    auto wrote = co_await SimGrid::write_shard(world.grid(), 1, {extent_of(1), 0}, layout, 1,
                                               loop.after(2 * kSecond));
    EXPECT_TRUE(!wrote && wrote.error().code == Code::kTimeout);
    EXPECT_GE(loop.now(), begun + 2 * kSecond);
    EXPECT_LT(loop.now(), begun + 3 * kSecond);
    // One that waits for credit times out as well, and is taken back.
    const auto large = layout_of({1, 1}, 9u << 20);
    begun = loop.now();
    wrote = co_await SimGrid::write_shard(world.grid(), 1, {extent_of(2), 0}, large, 1,
                                          loop.after(2 * kSecond));
    EXPECT_TRUE(!wrote && wrote.error().code == Code::kTimeout);
    EXPECT_LT(loop.now(), begun + 3 * kSecond);
    device.stuck = false;
    for (std::uint64_t i = 3; i < 6; ++i)
      EXPECT_TRUE(
          co_await SimGrid::write_shard(world.grid(), 1, {extent_of(i), 0}, large, i, soon(loop)));
  });
  EXPECT_TRUE(world.until([&] { return device.pending() == 0; }));
  EXPECT_FALSE(device.shards.contains({extent_of(2), 0}));
}

TEST(GridFlow, ReadsTimeOutAndLateAnswersAreIgnored) {
  SimGrid world;
  MemoryDevice& device = world.join_one();
  world.run([&](Loop& loop) -> Task<void> {
    const auto layout = layout_of({1, 1}, 900'000);
    EXPECT_TRUE(
        co_await SimGrid::write_shard(world.grid(), 1, {extent_of(1), 0}, layout, 1, soon(loop)));
    device.reads_stuck = true;
    for (int i = 0; i < 20; ++i) {
      const auto read =
          co_await world.grid().read(1, {extent_of(1), 0}, 0, 100'000, loop.after(kSecond / 10));
      EXPECT_TRUE(!read && read.error().code == Code::kTimeout);
    }
    EXPECT_GT(world.grid().latency_p95(1), kSecond / 10);  // a node that does not answer is slow
    device.reads_stuck = false;
    const auto read = co_await world.grid().read(1, {extent_of(1), 0}, 7, 5000, soon(loop));
    EXPECT_TRUE(read && as_text(read->view()) == pattern(layout.shard_bytes(), 1).substr(7, 5000));
  });
}

TEST(GridFlow, ManyReadsAtOnceAreAllAnswered) {
  SimGrid world;
  world.join_one();
  const auto layout = layout_of({1, 1}, 1'000'000);
  const std::string bytes = pattern(layout.shard_bytes(), 1);
  std::size_t good = 0;
  const auto read_one = [&](std::uint64_t offset) -> Task<void> {
    const auto read = co_await world.grid().read(1, {extent_of(1), 0}, offset, 50'000,
                                                 world.gateway.loop().after(60 * kSecond));
    good += read && as_text(read->view()) == bytes.substr(offset, 50'000);
  };
  world.run([&](Loop& loop) -> Task<void> {
    EXPECT_TRUE(
        co_await SimGrid::write_shard(world.grid(), 1, {extent_of(1), 0}, layout, 1, soon(loop)));
  });
  for (std::uint64_t i = 0; i < 1000; ++i) world.gateway.loop().spawn(read_one(i * 900));
  EXPECT_TRUE(world.until([&] { return good == 1000; }));
  const auto nodes = world.grid().nodes();
  ASSERT_EQ(nodes.size(), 1u);
  EXPECT_GT(nodes[0].latency_p50, 0);
  EXPECT_GE(nodes[0].latency_p95, nodes[0].latency_p50);
}

}  // namespace
}  // namespace hydra::agent
