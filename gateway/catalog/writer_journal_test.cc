// What the writer asks of a JournalSink, and what it makes of the answers.
#include <gmock/gmock.h>

#include <deque>

#include "gateway/catalog/catalog_harness.h"
#include "gateway/catalog/writer.h"

namespace hydra::catalog {
namespace {

class TestSink final : public JournalSink {
 public:
  Status admit_clients() override { return admitted; }
  Status stage(const Change::Batch& batch, kv::Transaction& transaction) override {
    batches.push_back(batch);
    if (!stageable) return fail(Code::kTooLarge);
    return transaction.put(as_bytes("sink"), as_bytes(std::to_string(batches.size())));
  }
  void staged(bool durable) override { outcomes.push_back(durable); }
  void when_safe(std::function<void(const Status&)> then) override {
    if (holds)
      waiting.push_back(std::move(then));
    else
      then({});
  }

  Status admitted;
  bool stageable = true;
  bool holds = false;
  std::vector<Change::Batch> batches;
  std::vector<bool> outcomes;
  std::deque<std::function<void(const Status&)>> waiting;
};

class WriterJournalTest : public testing::Test {
 protected:
  // Begins to put a row; the result appears at the returned place.
  std::shared_ptr<std::optional<Status>> put(std::string key, std::string value,
                                             Origin origin = Origin::kClient) {
    auto place = std::make_shared<std::optional<Status>>();
    loop_.spawn(run(writer_, loop_, std::move(key), std::move(value), origin, place));
    return place;
  }
  bool run_until(const std::function<bool()>& holds) {
    return simulation_.run_until(holds, 10 * kSecond);
  }
  bool has(std::string_view key) {
    const auto snapshot = store_->snapshot();
    return (*snapshot)->get(as_bytes(key))->has_value();
  }

  std::shared_ptr<kv::MemoryImage> image_ = std::make_shared<kv::MemoryImage>();
  std::unique_ptr<kv::Store> store_ = kv::open_memory(image_, {});
  std::shared_ptr<TestSink> sink_ = std::make_shared<TestSink>();
  sim::Simulation simulation_{1};
  sim::Process& process_ = simulation_.add_process("gateway");
  Loop& loop_ = process_.add_loop();
  Writer writer_{loop_, *store_, sink_};

 private:
  static Task<void> run(Writer& writer, Loop& loop, std::string key, std::string value,
                        Origin origin, std::shared_ptr<std::optional<Status>> place) {
    *place = co_await writer.run(
        loop,
        [key, value](Change& change) -> Status {
          if (value == "refuse") return fail(Code::kPreconditionFailed);
          change.put(key, value);
          return {};
        },
        origin);
  }
};

TEST_F(WriterJournalTest, OneBatchHoldsWhatAllClosuresLeft) {
  const auto first = put("k", "1");
  const auto second = put("k", "2");
  const auto third = put("l", "3");
  ASSERT_TRUE(run_until([&] { return third->has_value(); }));
  ASSERT_EQ(sink_->batches.size(), 1u);
  EXPECT_EQ(sink_->batches[0], (Change::Batch{{"k", "2"}, {"l", "3"}}));
  EXPECT_THAT(sink_->outcomes, testing::ElementsAre(true));
  EXPECT_TRUE(has("sink"));
}

TEST_F(WriterJournalTest, ClientsWaitForTheJournalWhileTheNextBatchIsCommitted) {
  sink_->holds = true;
  const auto first = put("a", "1");
  ASSERT_TRUE(run_until([&] { return has("a"); }));
  const auto second = put("b", "2");
  ASSERT_TRUE(run_until([&] { return sink_->waiting.size() == 2; }));
  EXPECT_TRUE(has("b"));
  EXPECT_FALSE(first->has_value() || second->has_value());
  sink_->waiting[0]({});
  ASSERT_TRUE(run_until([&] { return first->has_value(); }));
  EXPECT_TRUE(**first);
  EXPECT_FALSE(second->has_value());
  sink_->waiting[1](fail(Code::kTimeout));
  ASSERT_TRUE(run_until([&] { return second->has_value(); }));
  EXPECT_EQ(code_of(**second), Code::kTimeout);
}

TEST_F(WriterJournalTest, ARefusalWaitsToo) {
  sink_->holds = true;
  const auto refused = put("a", "refuse");
  ASSERT_TRUE(run_until([&] { return !sink_->waiting.empty(); }));
  EXPECT_FALSE(refused->has_value());
  sink_->waiting[0]({});
  ASSERT_TRUE(run_until([&] { return refused->has_value(); }));
  EXPECT_EQ(code_of(**refused), Code::kPreconditionFailed);
}

TEST_F(WriterJournalTest, TheGridsOwnChangesWaitForNothing) {
  sink_->holds = true;
  sink_->admitted = fail(Code::kUnavailable);
  const auto internal = put("a", "1", Origin::kInternal);
  const auto client = put("b", "2");
  ASSERT_TRUE(run_until([&] { return internal->has_value() && client->has_value(); }));
  EXPECT_TRUE(**internal);
  EXPECT_EQ(code_of(**client), Code::kUnavailable);
  EXPECT_TRUE(has("a"));
  EXPECT_FALSE(has("b"));
}

TEST_F(WriterJournalTest, WhatCannotBeStagedIsUndone) {
  sink_->stageable = false;
  const auto put_one = put("a", "1");
  ASSERT_TRUE(run_until([&] { return put_one->has_value(); }));
  EXPECT_EQ(code_of(**put_one), Code::kTooLarge);
  EXPECT_FALSE(has("a"));
  EXPECT_THAT(sink_->outcomes, testing::ElementsAre(false));
}

TEST_F(WriterJournalTest, TheSinkHearsOfAFailedCommit) {
  image_->fail_commits(1, Code::kNoSpace);
  const auto put_one = put("a", "1");
  ASSERT_TRUE(run_until([&] { return put_one->has_value(); }));
  EXPECT_EQ(code_of(**put_one), Code::kNoSpace);
  EXPECT_THAT(sink_->outcomes, testing::ElementsAre(false));
}

}  // namespace
}  // namespace hydra::catalog
