// The store on the real runtime: files, LMDB, locks and preallocation of this machine.
#include <fstream>

#include "base/runtime/pistache/runtime_fixture.h"
#include "base/runtime/sync.h"
#include "nodeagent/store/store_fixture.h"

namespace hydra::agent {
namespace {

class StoreOnDisk : public testing::Test {
 protected:
  StoreOnDisk() : runtime_(make_runtime(1)) {
    EXPECT_TRUE(runtime_->start());
    options_ = small_store();
    options_.directory = directory_.path("store");
    options_.log_bytes = 2u << 20;
  }
  ~StoreOnDisk() override {
    store_.reset();
    runtime_->stop();
  }

  template <typename T>
  T run(std::function<Task<T>(Loop&)> make) {
    return run_on<T>(*runtime_->loops()[0], std::move(make));
  }
  Status open() {
    return run<Status>([this](Loop& loop) -> Task<Status> {
      HYDRA_CO_TRY(store_, co_await ShardStore::open(loop, options_));
      co_return Status();
    });
  }
  Status close() {
    return run<Status>([this](Loop&) -> Task<Status> {
      const Status closed = co_await store_->close();
      store_.reset();
      co_return closed;
    });
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Runtime> runtime_;
  StoreOptions options_;
  std::unique_ptr<ShardStore> store_;
};

Task<void> write_some(ShardStore& store, std::uint64_t first) {
  for (std::uint64_t i = first; i < first + 10; ++i)
    EXPECT_TRUE(co_await put_shard(store, shard_id(i), layout_of(1 + i * 997), i));
}

Task<void> check_some(ShardStore& store, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto got = co_await get_shard(store, shard_id(i));
    ASSERT_OK_CO(got);
    EXPECT_EQ(*got, shard_content(i, layout_of(1 + i * 997).shard_bytes())) << i;
    const Status verified = co_await store.verify(shard_id(i));
    EXPECT_TRUE(verified.has_value());
  }
}

TEST_F(StoreOnDisk, WritesReopensFreesAndRebuilds) {
  ASSERT_TRUE(open());
  run<bool>([this](Loop& loop) -> Task<bool> {
    TaskGroup group(loop);
    for (std::uint64_t i = 0; i < 20; ++i) group.spawn(write_some(*store_, i * 10));
    co_await group.join();
    EXPECT_LT(store_->syncs(), 150u) << "for 200 commits";
    co_await check_some(*store_, 200);
    const auto second = co_await ShardStore::open(loop, options_);
    EXPECT_EQ(second.error().code, Code::kConflict);
    co_return true;
  });
  ASSERT_TRUE(close());
  ASSERT_TRUE(open());
  run<bool>([this](Loop&) -> Task<bool> {
    co_await check_some(*store_, 200);
    co_return true;
  });
  ASSERT_TRUE(close());

  // Nonsense where LMDB keeps its pages.
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory + "/index")) {
    std::ofstream file(entry.path(), std::ios::trunc);
    file << std::string(64 << 10, 'x');
  }
  ASSERT_TRUE(open());
  run<bool>([this](Loop&) -> Task<bool> {
    co_await check_some(*store_, 200);
    EXPECT_TRUE(store_->damage().empty());
    for (std::uint64_t i = 0; i < 200; ++i) EXPECT_TRUE(co_await store_->free(shard_id(i)));
    co_return true;
  });
  ASSERT_TRUE(close());
  ASSERT_TRUE(open());
  EXPECT_EQ(store_->space().used_bytes, 0u);
  EXPECT_TRUE(store_->list(std::nullopt, 10)->empty());
  ASSERT_TRUE(close());
  std::uint64_t logs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory + "/logs"))
    logs += entry.is_regular_file() ? 1 : 0;
  EXPECT_LE(logs, 1u) << "dead logs are unlinked";
}

}  // namespace
}  // namespace hydra::agent
