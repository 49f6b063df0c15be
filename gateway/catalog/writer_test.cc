#include "gateway/catalog/writer.h"

#include <gmock/gmock.h>

#include "gateway/catalog/catalog_harness.h"

namespace hydra::catalog {
namespace {

// Counts the commits that reach the store.
class CountingStore final : public kv::Store {
 public:
  explicit CountingStore(std::shared_ptr<kv::MemoryImage> image)
      : store_(kv::open_memory(std::move(image), {})) {}
  Result<std::unique_ptr<kv::Snapshot>> snapshot() override { return store_->snapshot(); }
  Result<std::unique_ptr<kv::Transaction>> begin() override {
    ++transactions;
    return store_->begin();
  }
  Status sync() override { return store_->sync(); }

  int transactions = 0;

 private:
  std::unique_ptr<kv::Store> store_;
};

class WriterTest : public testing::Test {
 protected:
  // Runs all at the same time.
  template <typename T>
  std::vector<Result<T>> run_all(std::vector<Task<Result<T>>> tasks) {
    std::vector<std::optional<Result<T>>> results(tasks.size());
    sim::run_in(process_, [&](Loop& loop) { return join<T>(loop, tasks, results); });
    std::vector<Result<T>> out;
    for (auto& result : results) out.push_back(std::move(*result));
    return out;
  }
  Task<Status> put(std::string key, std::string value) {
    return writer_.run(loop(), [=](Change& change) -> Status {
      change.put(key, value);
      return {};
    });
  }
  std::optional<std::string> get(std::string_view key) {
    auto snapshot = store_.snapshot();
    const auto row = (*snapshot)->get(as_bytes(key));
    if (!row || !*row) return std::nullopt;
    return std::string(as_text(**row));
  }
  Loop& loop() { return process_.loop(); }

  std::shared_ptr<kv::MemoryImage> image_ = std::make_shared<kv::MemoryImage>();
  CountingStore store_{image_};
  sim::Simulation simulation_{1};
  sim::Process& process_ = simulation_.add_process("gateway");
  Writer writer_{process_.add_loop(), store_};

 private:
  template <typename T>
  static Task<void> run_one(Task<Result<T>> task, std::optional<Result<T>>& result) {
    result.emplace(co_await task);
  }
  template <typename T>
  static Task<void> join(Loop& loop, std::vector<Task<Result<T>>>& tasks,
                         std::vector<std::optional<Result<T>>>& results) {
    TaskGroup group(loop);
    for (std::size_t i = 0; i < tasks.size(); ++i)
      group.spawn(run_one(std::move(tasks[i]), results[i]));
    co_await group.join();
  }
};

TEST_F(WriterTest, WaitingClosuresShareOneTransaction) {
  std::vector<Task<Status>> tasks;
  for (int i = 0; i < 100; ++i) tasks.push_back(put("k" + std::to_string(i), "v"));
  for (const Status& status : run_all(std::move(tasks))) EXPECT_TRUE(status);
  EXPECT_EQ(store_.transactions, 1);
  EXPECT_EQ(image_->size(), 100u);
}

TEST_F(WriterTest, BatchesAreBoundedInNumberAndInBytes) {
  std::vector<Task<Status>> many;
  for (std::size_t i = 0; i < 2 * Writer::kMaxClosures; ++i)
    many.push_back(put("k" + std::to_string(i), "v"));
  for (const Status& status : run_all(std::move(many))) EXPECT_TRUE(status);
  EXPECT_EQ(store_.transactions, 2);

  std::vector<Task<Status>> large;
  for (int i = 0; i < 6; ++i)
    large.push_back(put("l" + std::to_string(i), std::string(Writer::kMaxBatchBytes / 2, 'x')));
  for (const Status& status : run_all(std::move(large))) EXPECT_TRUE(status);
  EXPECT_EQ(store_.transactions, 5);
  EXPECT_TRUE(get("l5"));
}

TEST_F(WriterTest, AClosureSeesItsOwnWritesAndThoseBeforeIt) {
  const auto append = [&](std::string suffix) {
    return writer_.run(loop(), [suffix](Change& change) -> Result<std::string> {
      HYDRA_TRY(const auto before, change.get("k"));
      change.put("k", (before ? std::string(as_text(*before)) : "") + suffix);
      HYDRA_TRY(const auto after, change.get("k"));
      return std::string(as_text(*after));
    });
  };
  std::vector<Task<Result<std::string>>> tasks;
  for (const char* suffix : {"a", "b", "c"}) tasks.push_back(append(suffix));
  const auto results = run_all(std::move(tasks));
  EXPECT_EQ(*results[0], "a");
  EXPECT_EQ(*results[1], "ab");
  EXPECT_EQ(*results[2], "abc");
  EXPECT_EQ(get("k"), "abc");
}

TEST_F(WriterTest, ErasedKeysAreGoneForTheClosureAndForOthers) {
  std::vector<Task<Status>> tasks;
  tasks.push_back(put("k", "v"));
  tasks.push_back(writer_.run(loop(), [](Change& change) -> Status {
    change.erase("k");
    HYDRA_TRY(const auto row, change.get("k"));
    return row ? fail(Code::kInternal) : Status();
  }));
  for (const Status& status : run_all(std::move(tasks))) EXPECT_TRUE(status);
  EXPECT_EQ(get("k"), std::nullopt);
}

TEST_F(WriterTest, ScansSeeEarlierClosuresOfTheBatch) {
  std::vector<Task<Status>> tasks;
  tasks.push_back(put("k", "v"));
  tasks.push_back(writer_.run(loop(), [](Change& change) -> Status {
    HYDRA_TRY(const bool found, change.cursor()->seek(as_bytes("k")));
    return found ? Status() : fail(Code::kNotFound);
  }));
  for (const Status& status : run_all(std::move(tasks))) EXPECT_TRUE(status);
}

TEST_F(WriterTest, AFailingClosureLeavesNothingAndHurtsNoOther) {
  std::vector<Task<Status>> tasks;
  tasks.push_back(put("a", "1"));
  tasks.push_back(writer_.run(loop(), [](Change& change) -> Status {
    change.put("a", "2");
    change.put("b", "2");
    return fail(Code::kPreconditionFailed);
  }));
  tasks.push_back(put("c", "3"));
  const auto results = run_all(std::move(tasks));
  EXPECT_TRUE(results[0]);
  EXPECT_EQ(code_of(results[1]), Code::kPreconditionFailed);
  EXPECT_TRUE(results[2]);
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(get("b"), std::nullopt);
  EXPECT_EQ(get("c"), "3");
}

TEST_F(WriterTest, AFailedCommitReachesEveryClosureOfTheBatchAndNothingIsVisible) {
  for (const Code code : {Code::kNoSpace, Code::kIo}) {
    image_->fail_commits(1, code);
    std::vector<Task<Status>> tasks;
    tasks.push_back(put("a", "1"));
    tasks.push_back(writer_.run(loop(), [](Change&) { return Status(); }));
    tasks.push_back(
        writer_.run(loop(), [](Change&) -> Status { return fail(Code::kPreconditionFailed); }));
    for (const Status& status : run_all(std::move(tasks))) EXPECT_EQ(code_of(status), code);
    EXPECT_EQ(get("a"), std::nullopt);
  }
  // A failed sync fences the store.
  std::vector<Task<Status>> late;
  late.push_back(put("a", "1"));
  EXPECT_EQ(code_of(run_all(std::move(late))[0]), Code::kFenced);
}

TEST_F(WriterTest, WorkGoesOnAfterACommitThatFoundNoSpace) {
  image_->fail_commits(1, Code::kNoSpace);
  std::vector<Task<Status>> first;
  first.push_back(put("a", "1"));
  EXPECT_EQ(code_of(run_all(std::move(first))[0]), Code::kNoSpace);
  std::vector<Task<Status>> second;
  second.push_back(put("a", "2"));
  EXPECT_TRUE(run_all(std::move(second))[0]);
  EXPECT_EQ(get("a"), "2");
}

TEST_F(WriterTest, ABatchThatChangesNothingCommitsNothing) {
  image_->fail_commits(1, Code::kNoSpace);
  std::vector<Task<Status>> tasks;
  tasks.push_back(writer_.run(loop(), [](Change&) { return Status(); }));
  EXPECT_TRUE(run_all(std::move(tasks))[0]);
}

}  // namespace
}  // namespace hydra::catalog
