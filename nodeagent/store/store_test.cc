// The store as its callers see it: writing, reading, forgetting, reopening.
#include <set>

#include "base/runtime/sim/run_sim.h"
#include "base/runtime/sync.h"
#include "nodeagent/store/store_fixture.h"

namespace hydra::agent {
namespace {

using sim::run_sim;

Task<std::unique_ptr<ShardStore>> open_store(Loop& loop, StoreOptions options = small_store()) {
  auto store = co_await ShardStore::open(loop, options);
  EXPECT_TRUE(store.has_value()) << store.error().to_string();
  HYDRA_ASSERT(store.has_value());
  co_return std::move(*store);
}

TEST(ShardStore, RoundTripOfAllShapes) {
  run_sim(1, [](Loop& loop) -> Task<void> {
    auto store = co_await open_store(loop);
    const std::vector<erasure::Layout> layouts = {
        layout_of(1),
        layout_of(4096),
        layout_of(200'000),
        layout_of(3'000'000),
        layout_of(700'000, 4, 2),
        layout_of(9'000'000, 4, 2),
        layout_of(16u << 20, 10, 4),
    };
    for (std::uint64_t i = 0; i < layouts.size(); ++i)
      ASSERT_OK_CO(co_await put_shard(*store, shard_id(i), layouts[i], i));
    for (std::uint64_t i = 0; i < layouts.size(); ++i) {
      const auto got = co_await get_shard(*store, shard_id(i));
      ASSERT_OK_CO(got);
      EXPECT_EQ(*got, shard_content(i, layouts[i].shard_bytes())) << i;
      EXPECT_TRUE(co_await store->verify(shard_id(i)));
      const auto info = store->info(shard_id(i));
      ASSERT_OK_CO(info);
      EXPECT_EQ(info->shard_bytes, layouts[i].shard_bytes());
      EXPECT_EQ(info->layout.length, layouts[i].length);
    }
    ASSERT_OK_CO(co_await store->close());
    store = co_await open_store(loop);
    for (std::uint64_t i = 0; i < layouts.size(); ++i) {
      const auto got = co_await get_shard(*store, shard_id(i));
      ASSERT_OK_CO(got);
      EXPECT_EQ(*got, shard_content(i, layouts[i].shard_bytes())) << i;
    }
  });
}

TEST(ShardStore, PartialReadsReturnExactlyTheRange) {
  run_sim(2, [](Loop& loop) -> Task<void> {
    auto store = co_await open_store(loop);
    const erasure::Layout layout = layout_of(3'000'000, 4, 2);
    ASSERT_OK_CO(co_await put_shard(*store, shard_id(7), layout, 7));
    const std::string all = shard_content(7, layout.shard_bytes());
    const std::uint64_t block = layout.block_bytes;
    const std::uint64_t marks[] = {0,
                                   1,
                                   63,
                                   64,
                                   block - 1,
                                   block,
                                   block + 1,
                                   2 * block,
                                   all.size() - 1,
                                   all.size(),
                                   all.size() + 5};
    for (const std::uint64_t from : marks) {
      for (const std::uint64_t to : marks) {
        if (to < from) continue;
        const auto got = co_await get_shard(*store, shard_id(7), from, to - from);
        ASSERT_OK_CO(got);
        const std::string expected = from < all.size() ? all.substr(from, to - from) : "";
        EXPECT_EQ(*got, expected) << from << " to " << to;
      }
    }
  });
}

TEST(ShardStore, AppendRefusesWrongBlocks) {
  run_sim(3, [](Loop& loop) -> Task<void> {
    auto store = co_await open_store(loop);
    const erasure::Layout layout = layout_of(4096);
    const std::string content = shard_content(1, layout.shard_bytes());
    auto wrong_crc = co_await store->begin(shard_id(1), layout);
    ASSERT_OK_CO(wrong_crc);
    const Status refused = co_await (*wrong_crc)->append(as_bytes(content), 1);
    EXPECT_EQ(refused.error().code, Code::kCorrupt);
    const Status still = co_await (*wrong_crc)->commit();
    EXPECT_EQ(still.error().code, Code::kCorrupt) << "the first failure is final";

    auto incomplete = co_await store->begin(shard_id(1), layout);
    ASSERT_OK_CO(incomplete);
    const Status early = co_await (*incomplete)->commit();
    EXPECT_EQ(early.error().code, Code::kInvalidArgument);

    auto wrong_size = co_await store->begin(shard_id(1), layout);
    ASSERT_OK_CO(wrong_size);
    const Status cut = co_await (*wrong_size)->append(as_bytes(content).first(64), 0);
    EXPECT_EQ(cut.error().code, Code::kInvalidArgument);

    auto index = co_await store->begin(shard_id(1, 2), layout);
    EXPECT_EQ(index.error().code, Code::kInvalidArgument) << "1+1 has shards 0 and 1";
    EXPECT_EQ(store->info(shard_id(1)).error().code, Code::kNotFound);
  });
}

TEST(ShardStore, SmallShardIsOneWriteAndLittleOverhead) {
  run_sim(4, [](Loop& loop) -> Task<void> {
    auto store = co_await open_store(loop);
    ASSERT_OK_CO(co_await put_shard(*store, shard_id(0), layout_of(64), 1));
    const std::uint64_t before = store->bytes_written();
    ASSERT_OK_CO(co_await put_shard(*store, shard_id(1), layout_of(4096), 1));
    EXPECT_EQ(store->bytes_written() - before, 4096 + 128 + 64);
  });
}

Task<void> put_in_turn(ShardStore& store, std::uint64_t first, std::uint64_t count) {
  for (std::uint64_t i = first; i < first + count; ++i)
    EXPECT_TRUE(co_await put_shard(store, shard_id(i), layout_of(4096), i));
}

TEST(ShardStore, ConcurrentCommitsShareSyncs) {
  run_sim(5, [](Loop& loop) -> Task<void> {
    auto store = co_await open_store(loop);
    TaskGroup writers(loop);
    for (std::uint64_t i = 0; i < 16; ++i) writers.spawn(put_in_turn(*store, 100 * i, 10));
    co_await writers.join();
    EXPECT_LT(store->syncs(), 60u) << "for 160 commits";
    for (std::uint64_t i = 0; i < 16; ++i)
      for (std::uint64_t j = 0; j < 10; ++j) EXPECT_TRUE(store->info(shard_id(100 * i + j)));
  });
}

TEST(ShardStore, ListGoesOnAfterAShard) {
  run_sim(6, [](Loop& loop) -> Task<void> {
    StoreOptions options = small_store();
    options.checkpoint_changes = 5;
    options.checkpoint_interval = kMillisecond;
    auto store = co_await open_store(loop, options);
    std::set<ShardId> expected;
    for (std::uint64_t i = 0; i < 40; ++i) {
      const ShardId id = shard_id(i * 7 % 40, static_cast<std::uint8_t>(i % 2));
      ASSERT_OK_CO(co_await put_shard(*store, id, layout_of(100), i));
      expected.insert(id);
      if (i % 3 == 0) {
        ASSERT_OK_CO(co_await store->free(id));
        expected.erase(id);
      }
    }
    std::set<ShardId> seen;
    std::optional<ShardId> after;
    for (;;) {
      const auto page = store->list(after, 3);
      ASSERT_OK_CO(page);
      if (page->empty()) break;
      for (const ShardInfo& info : *page) {
        EXPECT_TRUE(!after || *after < info.id);
        after = info.id;
        seen.insert(info.id);
      }
    }
    EXPECT_EQ(seen, expected);
  });
}

TEST(ShardStore, SecondOpenIsRefused) {
  run_sim(7, [](Loop& loop) -> Task<void> {
    auto store = co_await open_store(loop);
    const auto second = co_await ShardStore::open(loop, small_store());
    EXPECT_EQ(second.error().code, Code::kConflict);
    ASSERT_OK_CO(co_await store->close());
    const auto third = co_await ShardStore::open(loop, small_store());
    EXPECT_TRUE(third.has_value());
  });
}

TEST(ShardStore, IdentityAndClusterAreKept) {
  run_sim(8, [](Loop& loop) -> Task<void> {
    auto store = co_await open_store(loop);
    const NodeIdentity identity = store->identity();
    EXPECT_NE(identity, NodeIdentity());
    EXPECT_FALSE(store->cluster());
    ClusterId cluster, other;
    cluster.bytes[0] = std::byte{1};
    other.bytes[0] = std::byte{2};
    ASSERT_OK_CO(co_await store->set_cluster(cluster));
    ASSERT_OK_CO(co_await store->set_cluster(cluster));
    const Status moved = co_await store->set_cluster(other);
    EXPECT_EQ(moved.error().code, Code::kConflict);
    ASSERT_OK_CO(co_await store->close());
    store = co_await open_store(loop);
    EXPECT_EQ(store->identity(), identity);
    EXPECT_EQ(store->cluster(), cluster);
    const Status again = co_await store->set_cluster(other);
    EXPECT_EQ(again.error().code, Code::kConflict);
  });
}

TEST(ShardStore, LaterWriteOfAShardWins) {
  run_sim(9, [](Loop& loop) -> Task<void> {
    auto store = co_await open_store(loop);
    const erasure::Layout layout = layout_of(5000);
    // The one begun first commits last, and lies before the other in the log.
    auto first = co_await start_shard(*store, shard_id(1), layout, 10);
    ASSERT_OK_CO(first);
    ASSERT_OK_CO(co_await put_shard(*store, shard_id(1), layout, 11));
    ASSERT_OK_CO(co_await (*first)->commit());
    EXPECT_EQ(*co_await get_shard(*store, shard_id(1)), shard_content(10, layout.shard_bytes()));
    const std::uint64_t used = store->space().used_bytes;
    first->reset();
    store.reset();  // without a checkpoint
    co_await sleep_for(loop, kSecond);
    store = co_await open_store(loop);
    EXPECT_EQ(*co_await get_shard(*store, shard_id(1)), shard_content(10, layout.shard_bytes()));
    EXPECT_EQ(store->space().used_bytes, used);
  });
}

TEST(ShardStore, AbandonedShardLeavesNothing) {
  run_sim(10, [](Loop& loop) -> Task<void> {
    auto store = co_await open_store(loop);
    ASSERT_OK_CO(co_await put_shard(*store, shard_id(0), layout_of(100), 0));
    const StoreSpace before = store->space();
    for (int i = 0; i < 100; ++i) {
      auto small = co_await start_shard(*store, shard_id(1), layout_of(100'000), 1);
      ASSERT_OK_CO(small);
    }
    EXPECT_EQ(store->space().free_bytes, before.free_bytes) << "nothing was written of them";
    auto large = co_await start_shard(*store, shard_id(2), layout_of(2'000'000), 1);
    ASSERT_OK_CO(large);
    large->reset();
    EXPECT_EQ(store->info(shard_id(2)).error().code, Code::kNotFound);
    ASSERT_OK_CO(co_await put_shard(*store, shard_id(3), layout_of(100), 3));
    store.reset();
    co_await sleep_for(loop, kSecond);
    store = co_await open_store(loop);
    EXPECT_EQ(store->list(std::nullopt, 10)->size(), 2u);
    EXPECT_TRUE(store->damage().empty());
  });
}

TEST(ShardStore, CallsAfterCloseAreRefused) {
  run_sim(11, [](Loop& loop) -> Task<void> {
    auto store = co_await open_store(loop);
    auto pending = co_await start_shard(*store, shard_id(1), layout_of(100), 1);
    ASSERT_OK_CO(pending);
    ASSERT_OK_CO(co_await store->close());
    const Status late = co_await (*pending)->commit();
    EXPECT_EQ(late.error().code, Code::kClosed);
    const auto begun = co_await store->begin(shard_id(2), layout_of(100));
    EXPECT_EQ(begun.error().code, Code::kClosed);
    const auto read = co_await store->read(shard_id(1), 0, 1);
    EXPECT_EQ(read.error().code, Code::kClosed);
    ASSERT_OK_CO(co_await store->close());
  });
}

}  // namespace
}  // namespace hydra::agent
