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

}  // namespace
}  // namespace hydra::agent
