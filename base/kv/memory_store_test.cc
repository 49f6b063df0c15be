// What only the memory backend does: crashes and failures on demand.
#include "base/kv/memory_store.h"

#include <gtest/gtest.h>

#include <string>

namespace hydra::kv {
namespace {

class MemoryStoreTest : public testing::Test {
 protected:
  static Status put(Store& store, const std::string& key) {
    HYDRA_TRY(auto transaction, store.begin());
    HYDRA_CHECK_OK(transaction->put(as_bytes(key), as_bytes("v")));
    return transaction->commit();
  }
  bool has(const std::string& key) {
    auto store = open_memory(image_, {});
    return store->snapshot().value()->get(as_bytes(key)).value().has_value();
  }

  std::shared_ptr<MemoryImage> image_ = std::make_shared<MemoryImage>();
};

TEST_F(MemoryStoreTest, PowerLossDropsOnlyWhatWasNotDurable) {
  auto durable = open_memory(image_, {});
  auto lazy = open_memory(image_, {.durable = false});
  ASSERT_TRUE(put(*durable, "a"));
  ASSERT_TRUE(put(*lazy, "b"));
  ASSERT_TRUE(lazy->sync());
  ASSERT_TRUE(put(*lazy, "c"));
  EXPECT_TRUE(has("c"));
  image_->lose_volatile();
  EXPECT_TRUE(has("a"));
  EXPECT_TRUE(has("b"));
  EXPECT_FALSE(has("c"));
  EXPECT_EQ(image_->size(), 2u);
}

TEST_F(MemoryStoreTest, DurableCommitCarriesEarlierOnesAlong) {
  ASSERT_TRUE(put(*open_memory(image_, {.durable = false}), "a"));
  ASSERT_TRUE(put(*open_memory(image_, {}), "b"));
  image_->lose_volatile();
  EXPECT_TRUE(has("a"));
}

TEST_F(MemoryStoreTest, TransactionAcrossAPowerLossIsAborted) {
  auto store = open_memory(image_, {});
  auto transaction = store->begin().value();
  ASSERT_TRUE(transaction->put(as_bytes("a"), as_bytes("v")));
  image_->lose_volatile();
  EXPECT_EQ(transaction->commit().error().code, Code::kAborted);
  EXPECT_FALSE(has("a"));
}

TEST_F(MemoryStoreTest, InjectedNoSpaceChangesNothingAndPasses) {
  auto store = open_memory(image_, {});
  image_->fail_commits(2, Code::kNoSpace);
  EXPECT_EQ(put(*store, "a").error().code, Code::kNoSpace);
  EXPECT_EQ(put(*store, "a").error().code, Code::kNoSpace);
  EXPECT_FALSE(has("a"));
  EXPECT_TRUE(put(*store, "a"));
  EXPECT_TRUE(has("a"));
}

TEST_F(MemoryStoreTest, InjectedIoErrorFencesTheStoreUntilItIsOpenedAnew) {
  auto store = open_memory(image_, {});
  ASSERT_TRUE(put(*store, "a"));
  image_->fail_commits(1, Code::kIo);
  EXPECT_EQ(put(*store, "b").error().code, Code::kIo);
  EXPECT_EQ(put(*store, "b").error().code, Code::kFenced);
  EXPECT_EQ(store->sync().error().code, Code::kFenced);
  EXPECT_FALSE(has("b"));
  EXPECT_TRUE(has("a"));
  EXPECT_TRUE(put(*open_memory(image_, {}), "b"));
}

}  // namespace
}  // namespace hydra::kv
