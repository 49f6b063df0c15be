// Room: running out of it, and getting it back by unlinking, punching and compaction.
#include "base/kv/memory_store.h"
#include "base/runtime/sim/sim_sending.h"
#include "base/runtime/sync.h"
#include "nodeagent/store/sim_store_fixture.h"

namespace hydra::agent {
namespace {

class StoreSpaceTest : public SimStoreTest {
 protected:
  StoreSpaceTest() : SimStoreTest(5) { make_cramped(); }

  // Writes shards of this length from `first` on until there is no room. Returns how many.
  std::uint64_t fill(std::uint64_t first, std::uint64_t length) {
    return run([&, first, length](Loop&) -> Task<std::uint64_t> {
      for (std::uint64_t i = 0;; ++i) {
        const Status done =
            co_await put_shard(*store_, shard_id(first + i), layout_of(length), first + i);
        if (!done) {
          EXPECT_EQ(done.error().code, Code::kNoSpace) << done.error().to_string();
          co_return i;
        }
      }
    });
  }
  void free(std::uint64_t first, std::uint64_t count, std::uint64_t step = 1) {
    run([&, first, count, step](Loop&) -> Task<void> {
      for (std::uint64_t i = 0; i < count; ++i)
        ASSERT_OK_CO(co_await store_->free(shard_id(first + i * step)));
    });
  }
  void settle(Nanos duration = 2 * kSecond) {
    run([duration](Loop& loop) -> Task<void> { co_await sleep_for(loop, duration); });
  }
  void expect_content(std::uint64_t number, std::uint64_t length) {
    run([&, number, length](Loop&) -> Task<void> {
      const auto got = co_await get_shard(*store_, shard_id(number));
      ASSERT_OK_CO(got);
      EXPECT_EQ(*got, shard_content(number, layout_of(length).shard_bytes())) << number;
    });
  }
};

TEST_F(StoreSpaceTest, FullStoreRefusesThenTakesAgainAfterFrees) {
  open();
  const std::uint64_t count = fill(0, 50'000);
  EXPECT_GT(count * 50'000, 12u << 20);
  EXPECT_LE(count * 50'000, 14u << 20) << "the reserve was touched";
  EXPECT_LT(store_->space().free_bytes, 1u << 20);
  EXPECT_LE(process_.disk().used_bytes(), 17u << 20);
  free(0, count / 2);
  settle();
  EXPECT_GT(store_->space().free_bytes, 4u << 20);
  const std::uint64_t again = fill(1'000, 50'000);
  EXPECT_GT(again, count / 2 - 25);
  for (std::uint64_t i = count / 2; i < count; i += 7) expect_content(i, 50'000);
  for (std::uint64_t i = 0; i < again; i += 7) expect_content(1'000 + i, 50'000);
}

TEST_F(StoreSpaceTest, FullDiskIsNoSpaceNotDamage) {
  options_.capacity_bytes = 0;
  simulation_.faults().disk.capacity_bytes = 1;  // of disks made from now on; this one has its own
  process_.disk().faults().capacity_bytes = 12u << 20;
  open();
  const std::uint64_t count = fill(0, 50'000);
  EXPECT_GT(count, 100u);
  EXPECT_FALSE(store_->fenced());
  // Someone else takes what is left, so that the reserve is not there either.
  process_.disk().put("/other", std::string(4u << 20, 'x'));
  free(0, count - 10);
  settle();
  process_.disk().erase("/other");
  settle();
  EXPECT_FALSE(store_->fenced());
  EXPECT_GT(fill(1'000, 50'000), 50u);
  for (std::uint64_t i = count - 10; i < count; ++i) expect_content(i, 50'000);
}

TEST_F(StoreSpaceTest, SpaceThatOthersGiveBackIsSeenThoughNothingWasWritten) {
  options_.capacity_bytes = 0;
  process_.disk().faults().capacity_bytes = 12u << 20;
  open();
  EXPECT_GT(fill(0, 50'000), 100u);
  process_.disk().faults().capacity_bytes = 24u << 20;
  EXPECT_EQ(fill(1'000, 50'000), 0u) << "not looked at yet";
  settle();
  EXPECT_GT(fill(1'000, 50'000), 100u);
}

TEST_F(StoreSpaceTest, DeadLogsAreUnlinked) {
  open();
  const std::uint64_t count = fill(0, 100'000);
  const std::uint64_t logs = process_.disk().files("/store/logs").size();
  EXPECT_GE(logs, 12u);
  free(0, count);
  settle();
  EXPECT_LE(process_.disk().files("/store/logs").size(), 2u);
  EXPECT_EQ(store_->space().used_bytes, 0u);
}

TEST_F(StoreSpaceTest, LargeDeadRecordsArePunchedOut) {
  options_.log_bytes = 8u << 20;
  open();
  run([this](Loop&) -> Task<void> {
    for (std::uint64_t i = 0; i < 4; ++i)
      ASSERT_OK_CO(co_await put_shard(*store_, shard_id(i), layout_of(1'500'000), i));
  });
  const std::uint64_t before = process_.disk().used_bytes();
  free(1, 2);
  settle();
  EXPECT_LE(process_.disk().used_bytes(), before - 2 * 1'400'000);
  expect_content(0, 1'500'000);
  expect_content(3, 1'500'000);
  // A rebuild steps over the holes.
  process_.crash();
  store_.reset();
  process_.restart();
  process_.disk().erase("/store/index");
  open();
  EXPECT_TRUE(store_->damage().empty());
  EXPECT_EQ(store_->list(std::nullopt, 10)->size(), 2u);
  expect_content(3, 1'500'000);
}

// The tombstone of a dead record goes with the log that it lies in. A rebuild of the index then
// sees the record whole or not at all, whatever a power loss left of the holes.
TEST_F(StoreSpaceTest, ADeadRecordIsNeverHalfThere) {
  constexpr std::uint64_t kLive = 1, kDead = 2, kFirstOther = 10;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    sim::Simulation simulation(seed);
    sim::Process& process = simulation.add_process("agent");
    process.add_loop();
    StoreOptions options = options_;
    options.log_bytes = 2u << 20;
    std::unique_ptr<ShardStore> store;
    const auto open = [&] {
      sim::run_in(process, [&](Loop& loop) -> Task<void> {
        auto opened = co_await ShardStore::open(loop, options);
        ASSERT_OK_CO(opened);
        store = std::move(*opened);
      });
    };
    open();
    ASSERT_NE(store, nullptr);
    sim::run_in(process, [&](Loop& loop) -> Task<void> {
      ASSERT_OK_CO(co_await put_shard(*store, shard_id(kLive), layout_of(1'050'000), kLive));
      ASSERT_OK_CO(co_await put_shard(*store, shard_id(kDead), layout_of(900'000), kDead));
      // Its log is sealed, and its tombstone lies in one of which nothing remains.
      for (std::uint64_t i = kFirstOther; i < kFirstOther + 2; ++i)
        ASSERT_OK_CO(co_await put_shard(*store, shard_id(i), layout_of(900'000), i));
      ASSERT_OK_CO(co_await store->free(shard_id(kDead)));
      for (std::uint64_t i = kFirstOther; i < kFirstOther + 2; ++i)
        ASSERT_OK_CO(co_await store->free(shard_id(i)));
      ASSERT_OK_CO(co_await put_shard(*store, shard_id(50), layout_of(1'900'000), 50));
      co_await sleep_for(loop, kSecond);
    });
    EXPECT_EQ(process.disk().files("/store/logs").size(), 2u);
    process.power_loss();
    store.reset();
    process.restart();
    process.disk().erase("/store/index");
    open();
    ASSERT_NE(store, nullptr);
    sim::run_in(process, [&](Loop&) -> Task<void> {
      const auto list = store->list(std::nullopt, 100);
      ASSERT_OK_CO(list);
      for (const ShardInfo& info : *list) {
        const Status whole = co_await store->verify(info.id);
        EXPECT_TRUE(whole) << info.id.extent.to_string() << ": " << whole.error().to_string();
      }
      const auto live = co_await get_shard(*store, shard_id(kLive));
      EXPECT_TRUE(live);
    });
    store.reset();
  }
}

TEST_F(StoreSpaceTest, WhatIsBeingSentIsNotPunchedOutBeforeItsEnd) {
  options_.log_bytes = 8u << 20;
  open();
  const erasure::Layout layout = layout_of(1'500'000);
  run([&](Loop&) -> Task<void> {
    ASSERT_OK_CO(co_await put_shard(*store_, shard_id(1), layout, 1));
  });
  EXPECT_FALSE(store_->run_of(shard_id(2), 0, layout.shard_bytes()));
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(store_->run_of(shard_id(1), 1, layout.shard_bytes()));
    EXPECT_FALSE(store_->run_of(shard_id(1), 0, layout.shard_bytes() - 1));
  }
  std::optional<ShardRun> sending;
  for (int i = 0; i < 100 && !sending; ++i)  // at times it is not in memory
    sending = store_->run_of(shard_id(1), 0, UINT64_MAX);
  ASSERT_TRUE(sending);
  const auto bytes = [&] {
    const auto& file = *static_cast<const sim::SimSendableFile*>(sending->run.file);
    return file.cached_bytes(sending->run.offset, sending->run.length);
  };
  const std::string content = shard_content(1, layout.shard_bytes());
  EXPECT_EQ(bytes(), content);
  ASSERT_EQ(sending->pieces.size(), layout.stripes());
  for (std::uint32_t i = 0; i < layout.stripes(); ++i) {
    EXPECT_EQ(sending->pieces[i].length, layout.block_size(i));
    EXPECT_EQ(sending->pieces[i].crc32c, crc32c(block_of(content, layout, i)));
  }

  const std::uint64_t before = process_.disk().used_bytes();
  free(1, 1);
  settle();
  EXPECT_EQ(bytes(), content);
  sending.reset();
  run([&](Loop&) -> Task<void> {  // some change, for the next checkpoint
    ASSERT_OK_CO(co_await put_shard(*store_, shard_id(3), layout_of(100), 3));
  });
  settle();
  EXPECT_LE(process_.disk().used_bytes(), before - 1'400'000);
}

TEST_F(StoreSpaceTest, MostlyDeadLogsAreCompacted) {
  open();
  run([this](Loop&) -> Task<void> {
    for (std::uint64_t i = 0; i < 600; ++i)
      ASSERT_OK_CO(co_await put_shard(*store_, shard_id(i), layout_of(10'000), i));
  });
  const std::uint64_t before = process_.disk().files("/store/logs").size();
  EXPECT_GE(before, 6u);
  for (std::uint64_t i = 0; i < 10; ++i)
    if (i != 3) free(i, 60, 10);  // nine of ten die
  settle(10 * kSecond);
  EXPECT_LE(process_.disk().files("/store/logs").size(), 3u) << "of " << before;
  for (std::uint64_t i = 3; i < 600; i += 10) expect_content(i, 10'000);
  EXPECT_EQ(store_->list(std::nullopt, 1000)->size(), 60u);

  process_.power_loss();
  store_.reset();
  process_.restart();
  open();
  for (std::uint64_t i = 3; i < 600; i += 10) expect_content(i, 10'000);
  EXPECT_EQ(store_->list(std::nullopt, 1000)->size(), 60u);
}

// Large dead records are punched out, so what is left of their log is next to nothing; it must not
// stay as a file for a few live bytes.
TEST_F(StoreSpaceTest, ALogOfOneSmallLiveRecordAmongHolesIsCompacted) {
  options_.log_bytes = 4u << 20;
  options_.capacity_bytes = 64u << 20;
  open();
  constexpr std::uint64_t kLogs = 6;
  run([this](Loop&) -> Task<void> {
    for (std::uint64_t i = 0; i < kLogs; ++i) {
      ASSERT_OK_CO(co_await put_shard(*store_, shard_id(1'000 + i), layout_of(1'000), i));
      for (std::uint64_t n = 0; n < 3; ++n)
        ASSERT_OK_CO(
            co_await put_shard(*store_, shard_id(10 * i + n), layout_of(1'200'000), 10 * i + n));
    }
  });
  EXPECT_GE(process_.disk().files("/store/logs").size(), kLogs);
  for (std::uint64_t i = 0; i < kLogs; ++i) free(10 * i, 3);
  settle(10 * kSecond);
  EXPECT_LE(process_.disk().files("/store/logs").size(), 2u);
  EXPECT_LE(process_.disk().used_bytes(), 2 * options_.log_bytes);
  for (std::uint64_t i = 0; i < kLogs; ++i) {
    run([&, i](Loop&) -> Task<void> {
      const auto got = co_await get_shard(*store_, shard_id(1'000 + i));
      ASSERT_OK_CO(got);
      EXPECT_EQ(*got, shard_content(i, layout_of(1'000).shard_bytes()));
    });
  }
}

TEST_F(StoreSpaceTest, TheIndexKeepsNoRowsOfWhatIsGone) {
  open();
  const auto rows = [this] {
    const auto store = kv::open_memory(process_.disk().kv_image("/store/index"), {});
    const auto snapshot = store->snapshot();
    const auto cursor = (*snapshot)->cursor();
    std::size_t count = 0;
    for (auto more = cursor->seek(as_bytes(std::string_view("\0", 1))); more && *more;
         more = cursor->next())
      ++count;
    return count;
  };
  const std::uint64_t count = fill(0, 50'000);
  settle();
  const std::uint64_t logs = process_.disk().files("/store/logs").size();
  EXPECT_EQ(rows(), count + logs + 1);
  free(0, count);
  settle(10 * kSecond);
  EXPECT_EQ(rows(), process_.disk().files("/store/logs").size() + 1);
  EXPECT_LE(rows(), 3u);
}

// Reads and frees while the records move.
TEST_F(StoreSpaceTest, ReadsAreRightWhileLogsAreCompacted) {
  open();
  run([this](Loop&) -> Task<void> {
    for (std::uint64_t i = 0; i < 400; ++i)
      ASSERT_OK_CO(co_await put_shard(*store_, shard_id(i), layout_of(20'000), i));
  });
  for (std::uint64_t i = 0; i < 400; ++i)
    if (i % 5 != 0) free(i, 1);
  run([this](Loop& loop) -> Task<void> {
    for (int round = 0; round < 40; ++round) {
      for (std::uint64_t i = 0; i < 400; i += 5) {
        const auto got = co_await get_shard(*store_, shard_id(i), 100, 5000);
        if (i < static_cast<std::uint64_t>(round) * 5) {
          EXPECT_EQ(got.error().code, Code::kNotFound);
          continue;
        }
        ASSERT_OK_CO(got);
        EXPECT_EQ(*got, shard_content(i, 20'032).substr(100, 5000));
      }
      ASSERT_OK_CO(co_await store_->free(shard_id(static_cast<std::uint64_t>(round) * 5)));
      co_await sleep_for(loop, 5 * kMillisecond);
    }
  });
  settle();
  EXPECT_EQ(store_->list(std::nullopt, 1000)->size(), 40u);
  EXPECT_EQ(store_->space().used_bytes, 40u * (128 + 20'032 + 64));
}

}  // namespace
}  // namespace hydra::agent
