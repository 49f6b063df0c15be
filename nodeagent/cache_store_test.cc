#include "nodeagent/cache_store.h"

#include "base/runtime/sync.h"
#include "nodeagent/store/sim_store_fixture.h"

namespace hydra::agent {
namespace {

constexpr std::uint64_t kBytes = 100'000;

class CacheStoreTest : public SimStoreTest {
 protected:
  CacheStoreTest() : SimStoreTest(11) {
    make_cramped();
    open();
  }

  void open() {
    SimStoreTest::open();
    auto cache = CacheStore::over(std::move(store_));
    ASSERT_TRUE(cache.has_value());
    store_ = std::move(*cache);
  }
  void close() {
    run([this](Loop&) -> Task<void> { ASSERT_OK_CO(co_await store_->close()); });
    store_.reset();
  }
  Status put(std::uint64_t number) {
    return run([this, number](Loop& loop) -> Task<Status> {
      const Status done = co_await put_shard(*store_, shard_id(number), layout_of(kBytes), number);
      co_await sleep_for(loop, 50 * kMillisecond);  // room comes back with the next checkpoint
      co_return done;
    });
  }
  bool has(std::uint64_t number) {
    return run([this, number](Loop&) -> Task<bool> {
      const auto got = co_await get_shard(*store_, shard_id(number));
      if (got) EXPECT_EQ(*got, shard_content(number, layout_of(kBytes).shard_bytes())) << number;
      co_return got.has_value();
    });
  }
};

TEST_F(CacheStoreTest, FullCacheTakesNewShardsAndForgetsOldOnes) {
  for (std::uint64_t i = 0; i < 300; ++i) ASSERT_TRUE(put(i)) << i;
  EXPECT_FALSE(has(0));
  EXPECT_TRUE(has(299));
  const auto evicted = static_cast<CacheStore&>(*store_).evicted();
  EXPECT_GT(evicted, 100u);
  EXPECT_EQ(CacheStore::entries_of(*store_), 300 - evicted);
  EXPECT_LE(process_.disk().used_bytes(), 17u << 20);
}

TEST_F(CacheStoreTest, WhatIsReadStays) {
  for (std::uint64_t i = 0; i < 300; ++i) {
    ASSERT_TRUE(put(i)) << i;
    ASSERT_TRUE(has(0)) << "after " << i;
  }
  EXPECT_FALSE(has(1));
}

TEST_F(CacheStoreTest, ShardsOfAnEarlierStartAreKnownAndForgottenToo) {
  for (std::uint64_t i = 0; i < 100; ++i) ASSERT_TRUE(put(i)) << i;
  close();
  open();
  EXPECT_TRUE(has(99));
  for (std::uint64_t i = 1000; i < 1200; ++i) ASSERT_TRUE(put(i)) << i;
  std::size_t left = 0;
  for (std::uint64_t i = 0; i < 100; ++i) left += has(i) ? 1 : 0;
  EXPECT_LT(left, 10u);
  EXPECT_TRUE(has(1199));
}

}  // namespace
}  // namespace hydra::agent
