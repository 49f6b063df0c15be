// Reads with cache nodes: what they give, and that nothing they do makes a read fail, wrong, or
// slower than their 100 ms.
#include "gateway/object/read_cache.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/endian.h"
#include "base/runtime/sim/run_sim.h"
#include "gateway/object/pipeline_fixture.h"

namespace hydra::object {
namespace {

constexpr std::uint64_t kBytes = (3u << 20) + 12345;  // four windows
constexpr std::uint64_t kWindows = 4;
const std::string& text() {
  static const std::string kept = noise(kBytes, 1);
  return kept;
}

// A world with cache nodes, numbered from 7, and the object "key".
class CachedWorld : public World {
 public:
  CachedWorld(Loop& loop, NodeId caches) : World(loop, caches), loop_(loop), caches_(caches) {}

  Task<Status> prepare() {
    HYDRA_CO_CHECK_OK(co_await register_nodes());
    HYDRA_CO_CHECK_OK(co_await make_bucket());
    co_return co_await put("key", text());
  }
  // Reads the object, sees that it is right, and waits for the fills. How long the read took.
  Task<Nanos> read() {
    const Nanos begun = loop_.now();
    const auto back = co_await get("key", 0, kBytes);
    const Nanos took = loop_.now() - begun;
    EXPECT_TRUE(back) << back.error().to_string();
    EXPECT_TRUE(back && *back == text());
    co_await settle();
    co_return took;
  }
  Task<void> settle() {
    for (int i = 0; i < 1000 && store.read_cache().filling() > 0; ++i)
      co_await sleep_for(loop_, kMillisecond);
    co_await sleep_for(loop_, kMillisecond);  // what was freed
  }
  std::size_t storage_reads() {
    std::size_t reads = 0;
    for (NodeId id = 1; id <= kNodes; ++id) reads += grid.node(id).reads;
    return reads;
  }
  std::map<ShardId, std::string>& entries(NodeId cache = kNodes + 1) {
    return grid.node(cache).shards;
  }
  std::size_t all_entries() {
    std::size_t count = 0;
    for (NodeId id = kNodes + 1; id <= kNodes + caches_; ++id) count += entries(id).size();
    return count;
  }
  ReadCache::Use use() const {
    ReadCache::Use sum;
    for (const auto& [id, use] : store.read_cache().use()) sum += use;
    return sum;
  }

 private:
  Loop& loop_;
  NodeId caches_;
};

// Runs `test` in a world of its own.
template <typename Test>
void in_world(NodeId caches, Test test) {
  const Status status = sim::run_sim(1, [&](Loop& loop) -> Task<Status> {
    CachedWorld world(loop, caches);
    HYDRA_CO_CHECK_OK(co_await world.prepare());
    co_await test(world, loop);
    co_await world.settle();
    co_return Status();
  });
  ASSERT_TRUE(status) << status.error().to_string();
}

RC_GTEST_PROP(CacheEntry, IsOnesOwnAndNeverReserved, ()) {
  ExtentId extent;
  for (std::byte& byte : extent.bytes)
    byte = static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
  const auto window = *rc::gen::inRange<std::uint64_t>(0, 64);
  const ExtentId entry = cache_entry(extent, window);
  RC_ASSERT(!is_reserved(entry));
  RC_ASSERT(std::to_integer<unsigned>(entry.bytes[0]) < 0x80u);
  RC_ASSERT(entry == cache_entry(extent, window));
  RC_ASSERT(entry != cache_entry(extent, window + 1));
  ExtentId other = extent;
  other.bytes[15] ^= std::byte{1};
  RC_ASSERT(entry != cache_entry(other, window));
}

TEST(ReadCache, WhatWasReadOnceIsReadFromTheCache) {
  in_world(2, [](CachedWorld& world, Loop&) -> Task<void> {
    co_await world.read();
    EXPECT_EQ(world.use().misses, kWindows);
    EXPECT_EQ(world.use().filled, kWindows);
    EXPECT_EQ(world.all_entries(), kWindows);
    const std::size_t before = world.storage_reads();
    co_await world.read();
    EXPECT_EQ(world.storage_reads(), before);
    EXPECT_EQ(world.use().hits, kWindows);
    EXPECT_GT(world.use().hit_bytes, kBytes);
    EXPECT_EQ(world.use().misses, kWindows);
    EXPECT_EQ(world.use().filled, kWindows);
  });
}

TEST(ReadCache, EntriesHoldCiphertextAsItLiesInTheExtent) {
  in_world(1, [](CachedWorld& world, Loop&) -> Task<void> {
    EXPECT_TRUE(co_await world.put("small", "some secret text"));
    EXPECT_TRUE(co_await world.get("small", 0, 16));
    co_await world.settle();
    EXPECT_EQ(world.entries().size(), 1u);
    if (world.entries().empty()) co_return;
    const std::string entry = world.entries().begin()->second;
    EXPECT_EQ(entry.find("secret"), std::string::npos);
    const auto holds = [&](NodeId node) {
      for (const auto& [shard, bytes] : world.grid.node(node).shards)
        if (bytes == entry) return true;
      return false;
    };
    EXPECT_TRUE(holds(1) || holds(2) || holds(3) || holds(4));  // a 1+2 extent has three copies
  });
}

TEST(ReadCache, RangesAreReadFromAWindowThatIsThere) {
  in_world(1, [](CachedWorld& world, Loop&) -> Task<void> {
    co_await world.read();
    const std::size_t before = world.storage_reads();
    for (const auto& [offset, length] :
         {std::pair<std::uint64_t, std::uint64_t>{0, 1}, {700'000, 900'000}, {kBytes - 1, 1}}) {
      const auto back = co_await world.get("key", offset, length);
      EXPECT_TRUE(back && *back == text().substr(offset, length)) << offset;
    }
    EXPECT_EQ(world.storage_reads(), before);
  });
}

TEST(ReadCache, APartOfAWindowIsNotKept) {
  in_world(1, [](CachedWorld& world, Loop&) -> Task<void> {
    EXPECT_TRUE(co_await world.get("key", 100'000, 200'000));
    co_await world.settle();
    EXPECT_TRUE(world.entries().empty());
    EXPECT_EQ(world.use().misses, 1u);
  });
}

TEST(ReadCache, GridWithoutCacheNodesIsNotAsked) {
  in_world(0, [](CachedWorld& world, Loop&) -> Task<void> {
    co_await world.read();
    EXPECT_EQ(world.use(), ReadCache::Use());
    EXPECT_TRUE(world.store.read_cache().use().empty());
  });
}

TEST(ReadCache, WrongBytesAreFetchedAgainAndForgotten) {
  // At the start of a window, in the middle, and where a segment goes on in the next window.
  for (const std::size_t at : {std::size_t{0}, std::size_t{555'555}, std::size_t{(1u << 20) - 1}})
    in_world(1, [at](CachedWorld& world, Loop& loop) -> Task<void> {
      co_await world.read();
      for (auto& [shard, bytes] : world.entries())
        if (bytes.size() > at) bytes[at] ^= 1;
      co_await world.read();
      EXPECT_GT(world.use().wrong, 0u);
      EXPECT_LT(world.entries().size(), kWindows);
      EXPECT_TRUE(world.notices.broken.take().empty()) << "the shards are blamed";
      EXPECT_EQ(world.store.counters().rescued_segments, 0u);
      // It rests, and when it is asked again, more of it is found wrong or all is as it was.
      const auto hits = world.use().hits;
      co_await world.read();
      EXPECT_EQ(world.use().hits, hits);
      for (int i = 0; i < 8; ++i) {
        co_await sleep_for(loop, 400 * kSecond);
        co_await world.read();
      }
      const std::size_t before = world.storage_reads();
      co_await sleep_for(loop, 400 * kSecond);
      co_await world.read();
      EXPECT_EQ(world.storage_reads(), before) << "it was not filled again";
    });
}

TEST(ReadCache, AnotherWindowsBytesAreNotTakenForThese) {
  in_world(1, [](CachedWorld& world, Loop&) -> Task<void> {
    co_await world.read();
    std::vector<std::string*> whole;
    for (auto& [shard, bytes] : world.entries())
      if (bytes.size() == kWindowBytes) whole.push_back(&bytes);
    EXPECT_EQ(whole.size(), 3u);
    if (whole.size() != 3) co_return;
    std::swap(*whole[0], *whole[1]);
    co_await world.read();
    EXPECT_GT(world.use().wrong, 0u);
  });
}

TEST(ReadCache, WrongBytesDoNoHarmWhileShardsAreWrongToo) {
  in_world(1, [](CachedWorld& world, Loop&) -> Task<void> {
    co_await world.read();
    for (auto& [shard, bytes] : world.entries()) bytes[999] ^= 1;
    for (auto& [shard, bytes] : world.grid.node(2).shards) bytes[20'000] ^= 1;
    world.grid.node(5).up = false;
    co_await world.read();
    EXPECT_GT(world.use().wrong, 0u);
  });
}

TEST(ReadCache, AWindowOfAWrongShardIsNotKept) {
  in_world(1, [](CachedWorld& world, Loop&) -> Task<void> {
    for (NodeId id = 1; id <= kNodes; ++id)
      for (auto& [shard, bytes] : world.grid.node(id).shards)
        if (shard.index == 0) bytes[1000] ^= 1;  // in the first window
    co_await world.read();
    EXPECT_EQ(world.store.counters().rescued_segments, 1u);
    EXPECT_EQ(world.entries().size(), kWindows - 1);
    co_await world.read();
    EXPECT_EQ(world.use().wrong, 0u);
  });
}

TEST(ReadCache, EntriesThatAreShortOrDamagedAreMisses) {
  in_world(1, [](CachedWorld& world, Loop&) -> Task<void> {
    co_await world.read();
    auto first = world.entries().begin();
    first->second.resize(100);
    auto& damaged = world.grid.node(kNodes + 1).damaged;
    const ShardId second = std::next(first)->first;
    damaged.insert(second);
    co_await world.read();
    EXPECT_EQ(world.use().hits, kWindows - 2);
    EXPECT_EQ(world.use().lapses, 2u);
    EXPECT_EQ(world.use().wrong, 0u);
    EXPECT_TRUE(world.notices.broken.take().empty());
    co_await world.read();
    EXPECT_EQ(world.use().hits, 2 * kWindows - 2) << "they were not filled again";
    // Where only a part is read, the whole is not there to fill it again.
    damaged.insert(second);
    for (std::uint64_t at = 0; at < kBytes; at += 1u << 20)
      EXPECT_TRUE(co_await world.get("key", at + 1000, 1000));
    co_await world.settle();
    EXPECT_FALSE(world.entries().contains(second));
    EXPECT_EQ(world.entries().size(), kWindows - 1);
  });
}

// Each of the four windows waits for its 100 ms at most, two of them at the same time.
TEST(ReadCache, ASilentNodeCostsATenthOfASecondAndThenNothing) {
  in_world(1, [](CachedWorld& world, Loop& loop) -> Task<void> {
    co_await world.read();
    auto& cache = world.grid.node(kNodes + 1);
    cache.stalls = true;
    EXPECT_LE(co_await world.read(), 250 * kMillisecond);
    EXPECT_GE(world.use().lapses, 3u);
    const std::size_t asked = cache.reads;
    EXPECT_LE(co_await world.read(), 10 * kMillisecond);
    EXPECT_EQ(cache.reads, asked) << "it rests";
    // Still silent when it is asked again, so it rests for longer.
    co_await sleep_for(loop, 11 * kSecond);
    co_await world.read();
    EXPECT_GT(cache.reads, asked);
    const std::size_t again = cache.reads;
    cache.stalls = false;
    co_await sleep_for(loop, 11 * kSecond);
    co_await world.read();
    EXPECT_EQ(cache.reads, again);
    co_await sleep_for(loop, 11 * kSecond);
    const std::size_t before = world.storage_reads();
    co_await world.read();
    EXPECT_EQ(world.storage_reads(), before) << "it is back, with what it held";
  });
}

TEST(ReadCache, ADeadNodeTakesNothingWithItButItsEntries) {
  in_world(2, [](CachedWorld& world, Loop& loop) -> Task<void> {
    co_await world.read();
    EXPECT_FALSE(world.entries(7).empty());
    EXPECT_FALSE(world.entries(8).empty());
    world.grid.node(7).up = false;
    co_await world.read();  // in the same second
    co_await sleep_for(loop, 2 * kSecond);
    co_await world.read();
    EXPECT_EQ(world.entries(8).size(), kWindows) << "the other one takes what it had";
    const std::size_t before = world.storage_reads();
    co_await world.read();
    EXPECT_EQ(world.storage_reads(), before);
    world.grid.node(8).up = false;
    co_await world.read();
    co_await sleep_for(loop, 2 * kSecond);
    co_await world.read();
    EXPECT_GT(world.storage_reads(), before);
  });
}

TEST(ReadCache, FencedDrainedAndRemovedNodesAreNotAsked) {
  in_world(3, [](CachedWorld& world, Loop& loop) -> Task<void> {
    world.grid.node(7).fenced = true;
    EXPECT_TRUE(co_await world.catalog().set_node(loop, 8, {.draining = true}));
    EXPECT_TRUE(co_await world.catalog().set_node(loop, 9, {.remove = true}));
    co_await world.read();
    EXPECT_EQ(world.all_entries(), 0u);
    EXPECT_EQ(world.use(), ReadCache::Use());
    EXPECT_TRUE(co_await world.catalog().set_node(loop, 8, {.draining = false}));
    co_await sleep_for(loop, 2 * kSecond);
    co_await world.read();
    EXPECT_EQ(world.entries(8).size(), kWindows);
  });
}

// A reader of windows that lie nowhere, so that the bounds can be seen without gigabytes.
class Offers {
 public:
  Offers(Loop& loop, MemoryGrid& grid, std::vector<double> weights)
      : cache(loop, grid, [weights = std::move(weights)] {
          std::vector<catalog::NodeRow> rows;
          for (const double weight : weights) {
            catalog::NodeRow row;
            row.id = static_cast<NodeId>(rows.size()) + 1;
            row.role = agent::NodeRole::kCache;
            row.capacity_bytes = 1u << 30;
            row.weight = weight;
            rows.push_back(row);
          }
          return rows;
        }) {
    EXPECT_TRUE(cache.present());
  }
  void offer(std::uint32_t number) {
    catalog::Extent extent;
    store_le(extent.id.bytes.data(), number);
    extent.length = 8;
    const std::array<std::byte, 8> bytes{};
    const ByteView view = bytes;
    cache.offer(extent, 0, {&view, 1});
  }
  ReadCache cache;
};

TEST(ReadCache, AtMostEightFillsAreUnderWay) {
  sim::run_sim(1, [](Loop& loop) -> Task<bool> {
    MemoryGrid grid(loop, 1);
    grid.node(1).stalls_writes = true;
    Offers offers(loop, grid, {1});
    for (std::uint32_t i = 0; i < 20; ++i) offers.offer(i);
    EXPECT_EQ(offers.cache.filling(), 8u);
    EXPECT_EQ(offers.cache.use()[1].dropped, 12u);
    offers.offer(3);  // is under way
    EXPECT_EQ(offers.cache.use()[1].dropped, 12u);
    co_await sleep_for(loop, 6 * kSecond);
    EXPECT_EQ(offers.cache.filling(), 0u);
    EXPECT_EQ(offers.cache.use()[1].dropped, 20u);
    EXPECT_EQ(offers.cache.use()[1].filled, 0u);
    co_return true;
  });
}

TEST(ReadCache, AFullNodeTakesOnlyWhatWasMissedBefore) {
  sim::run_sim(1, [](Loop& loop) -> Task<bool> {
    MemoryGrid grid(loop, 1);
    grid.node(1).free_bytes = 100u << 20;
    Offers offers(loop, grid, {1});
    const auto read_all = [&]() -> Task<void> {
      for (std::uint32_t i = 0; i < 1000; ++i) {
        offers.offer(i);
        co_await yield(loop);
        co_await yield(loop);
      }
    };
    co_await read_all();
    EXPECT_EQ(grid.shards(), 0u);
    co_await read_all();
    EXPECT_GT(grid.shards(), 950u);  // some of those share a place in the table
    grid.node(1).free_bytes = 900u << 20;
    co_await sleep_for(loop, 2 * kSecond);
    EXPECT_TRUE(offers.cache.present());
    const std::size_t before = grid.shards();
    offers.offer(5000);
    co_await sleep_for(loop, kMillisecond);
    EXPECT_EQ(grid.shards(), before + 1);
    co_return true;
  });
}

TEST(ReadCache, NodesGetEntriesByTheirWeight) {
  sim::run_sim(1, [](Loop& loop) -> Task<bool> {
    MemoryGrid grid(loop, 3);
    Offers offers(loop, grid, {1, 1, 2});
    for (std::uint32_t i = 0; i < 4000; ++i) {
      offers.offer(i);
      co_await yield(loop);
      co_await yield(loop);
    }
    EXPECT_EQ(grid.shards(), 4000u);
    EXPECT_NEAR(static_cast<double>(grid.node(1).shards.size()), 1000, 120);
    EXPECT_NEAR(static_cast<double>(grid.node(2).shards.size()), 1000, 120);
    EXPECT_NEAR(static_cast<double>(grid.node(3).shards.size()), 2000, 160);
    co_return true;
  });
}

}  // namespace
}  // namespace hydra::object
