// What kv.h promises, over every backend.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/kv/store_backends.h"

namespace hydra::kv {
namespace {

class StoreTest : public testing::TestWithParam<Backend> {
 protected:
  StoreTest() : place_(GetParam().make()), store_(place_->open()) {}

  void reopen(Options options = {}) {
    store_.reset();
    store_ = place_->open(options);
  }
  std::unique_ptr<Transaction> begin() { return store_->begin().value(); }
  std::unique_ptr<Snapshot> snapshot() { return store_->snapshot().value(); }
  void put(const std::string& key, const std::string& value) {
    auto transaction = begin();
    ASSERT_TRUE(transaction->put(as_bytes(key), as_bytes(value)));
    ASSERT_TRUE(transaction->commit());
  }
  static void put_in(Transaction& transaction, const std::string& key, const std::string& value) {
    EXPECT_TRUE(transaction.put(as_bytes(key), as_bytes(value)));
  }
  void erase(const std::string& key) {
    auto transaction = begin();
    ASSERT_TRUE(transaction->erase(as_bytes(key)));
    ASSERT_TRUE(transaction->commit());
  }
  static std::string get(Reader& reader, const std::string& key) {
    auto value = reader.get(as_bytes(key));
    EXPECT_TRUE(value);
    return *value ? std::string(as_text(**value)) : "(absent)";
  }
  std::string get(const std::string& key) { return get(*snapshot(), key); }
  static std::vector<std::string> keys(Reader& reader, const std::string& from = {}) {
    std::vector<std::string> out;
    auto cursor = reader.cursor();
    for (bool found = cursor->seek(as_bytes(from)).value(); found; found = cursor->next().value())
      out.emplace_back(as_text(cursor->key()));
    return out;
  }
  std::vector<std::string> keys() { return keys(*snapshot()); }

  std::unique_ptr<Place> place_;
  std::unique_ptr<Store> store_;
};

using Keys = std::vector<std::string>;

TEST_P(StoreTest, EmptyStoreHasNoKeys) {
  EXPECT_EQ(get("a"), "(absent)");
  EXPECT_EQ(keys(), Keys{});
  auto reader = snapshot();
  auto cursor = reader->cursor();
  EXPECT_FALSE(cursor->seek_before(as_bytes("\xff")).value());
  EXPECT_FALSE(cursor->next().value());
}

TEST_P(StoreTest, CommittedValuesAreRead) {
  put("a", "1");
  put("b", "");
  put("a", "2");
  EXPECT_EQ(get("a"), "2");
  EXPECT_EQ(get("b"), "");
  EXPECT_EQ(get(""), "(absent)");
}

TEST_P(StoreTest, ValuesOfAMegabyteAreKept) {
  std::string value(1 << 20, 'v');
  value[12345] = 'w';
  put("a", value);
  EXPECT_EQ(get("a"), value);
}

TEST_P(StoreTest, TransactionSeesItsOwnWritesAndOthersDoNot) {
  put("a", "1");
  auto transaction = begin();
  ASSERT_TRUE(transaction->put(as_bytes("b"), as_bytes("2")));
  ASSERT_TRUE(transaction->erase(as_bytes("a")));
  EXPECT_EQ(get(*transaction, "b"), "2");
  EXPECT_EQ(get(*transaction, "a"), "(absent)");
  EXPECT_EQ(keys(*transaction), Keys{"b"});
  EXPECT_EQ(keys(), Keys{"a"});
}

TEST_P(StoreTest, AbortUndoesEverything) {
  put("a", "1");
  {
    auto transaction = begin();
    ASSERT_TRUE(transaction->put(as_bytes("a"), as_bytes("2")));
    ASSERT_TRUE(transaction->put(as_bytes(std::string(2000, 'x')), as_bytes("2")));
  }
  EXPECT_EQ(keys(), Keys{"a"});
  EXPECT_EQ(get("a"), "1");
}

TEST_P(StoreTest, SnapshotStaysAsItWasTaken) {
  std::string deep(1500, 'k');
  put("a", "1");
  put(deep, "1");
  auto before = snapshot();
  put("a", "2");
  put("b", "2");
  erase(deep);
  EXPECT_EQ(get(*before, "a"), "1");
  EXPECT_EQ(get(*before, deep), "1");
  EXPECT_EQ(keys(*before), (Keys{"a", deep}));
  EXPECT_EQ(keys(), (Keys{"a", "b"}));
}

TEST_P(StoreTest, NextSnapshotFromThePoolIsFresh) {
  for (int i = 0; i < 10; ++i) {
    put("a", std::to_string(i));
    EXPECT_EQ(get("a"), std::to_string(i));
  }
}

TEST_P(StoreTest, ErasingWhatIsAbsentIsNoError) {
  put(std::string(500, 'a'), "1");
  erase("b");
  erase(std::string(500, 'b'));
  erase(std::string(501, 'a'));
  erase(std::string(1500, 'a'));
  EXPECT_EQ(keys().size(), 1u);
}

TEST_P(StoreTest, LimitsOfKeysAndValues) {
  auto transaction = begin();
  std::string longest(kMaxKeyBytes, '\xff');
  EXPECT_TRUE(transaction->put(as_bytes(longest), as_bytes("v")));
  EXPECT_EQ(get(*transaction, longest), "v");
  EXPECT_EQ(transaction->put({}, as_bytes("v")).error().code, Code::kInvalidArgument);
  EXPECT_EQ(transaction->put(as_bytes(longest + "x"), as_bytes("v")).error().code, Code::kTooLarge);
  EXPECT_EQ(get(*transaction, longest + "x"), "(absent)");
  EXPECT_TRUE(transaction->erase(as_bytes(longest + "x")));
  EXPECT_TRUE(transaction->commit());
  EXPECT_TRUE(keys() == Keys{longest});
  auto reader = snapshot();
  auto cursor = reader->cursor();
  EXPECT_FALSE(cursor->seek(as_bytes(longest + "x")).value());
  EXPECT_TRUE(cursor->seek_before(as_bytes(longest + "x")).value());
  EXPECT_EQ(as_text(cursor->key()), longest);
}

TEST_P(StoreTest, OrderIsThatOfUnsignedBytes) {
  using namespace std::string_literals;
  std::string piece(480, 'p');
  Keys sorted = {"\0"s,
                 "\0\0"s,
                 "\0\1"s,
                 "a",
                 "a\0"s,
                 "a\0\0"s,
                 "b",
                 piece.substr(1),
                 piece,
                 piece + "\0"s,
                 piece + "\0\0"s,
                 piece + "\0\xff"s,
                 piece + "\1",
                 piece + "\xff",
                 piece + piece,
                 piece + piece + "\0"s,
                 piece + "q",
                 "q",
                 "\x7f",
                 "\x80",
                 "\xff",
                 "\xff\0"s,
                 "\xff\xff"};
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size(); ++i)  // in an order that is not sorted
    put(sorted[i * 7 % sorted.size()], "v");
  EXPECT_EQ(keys(), sorted);

  auto reader = snapshot();
  auto cursor = reader->cursor();
  Keys backwards;
  for (std::string at(kMaxKeyBytes, '\xff'); cursor->seek_before(as_bytes(at)).value();) {
    at = as_text(cursor->key());
    backwards.insert(backwards.begin(), at);
  }
  EXPECT_EQ(backwards, sorted);
}

TEST_P(StoreTest, SeekMayBeGivenTheCursorsOwnKey) {
  put("a", "1");
  put(std::string(1000, 'b'), "2");
  put("c", "3");
  auto reader = snapshot();
  auto cursor = reader->cursor();
  ASSERT_TRUE(cursor->seek(as_bytes("b")).value());
  ASSERT_TRUE(cursor->seek(cursor->key()).value());
  EXPECT_EQ(as_text(cursor->value()), "2");
  ASSERT_TRUE(cursor->seek_before(cursor->key()).value());
  EXPECT_EQ(as_text(cursor->key()), "a");
}

TEST_P(StoreTest, CursorGoesOnAfterWritesOfItsTransaction) {
  std::string deep(1000, 'b');
  for (const std::string& key : {std::string("a"), deep + "1", deep + "2", std::string("c")})
    put(key, "1");
  auto transaction = begin();
  auto cursor = transaction->cursor();
  Keys seen;
  for (bool found = cursor->seek({}).value(); found; found = cursor->next().value()) {
    seen.emplace_back(as_text(cursor->key()));
    ASSERT_TRUE(transaction->erase(cursor->key()));
  }
  EXPECT_EQ(seen, (Keys{"a", deep + "1", deep + "2", "c"}));
  ASSERT_TRUE(transaction->commit());
  EXPECT_EQ(keys(), Keys{});
}

TEST_P(StoreTest, CursorMayOutliveItsReader) {
  put("a", "1");
  std::unique_ptr<Cursor> of_snapshot;
  std::unique_ptr<Cursor> of_transaction;
  {
    auto reader = snapshot();
    of_snapshot = reader->cursor();
    ASSERT_TRUE(of_snapshot->seek({}).value());
  }
  auto transaction = begin();
  of_transaction = transaction->cursor();
  ASSERT_TRUE(of_transaction->seek({}).value());
  ASSERT_TRUE(transaction->commit());
  transaction.reset();
  of_transaction.reset();
}

TEST_P(StoreTest, CommitsSurviveReopening) {
  std::string deep(3000, 'd');
  put("a", "1");
  put(deep, "2");
  reopen();
  EXPECT_EQ(keys(), (Keys{"a", deep}));
  EXPECT_EQ(get(deep), "2");
}

TEST_P(StoreTest, NonDurableCommitsSurviveAProcessCrashAndSync) {
  reopen({.durable = false});
  put("a", "1");
  EXPECT_TRUE(store_->sync());
  put("b", "2");
  reopen();
  EXPECT_EQ(keys(), (Keys{"a", "b"}));
}

TEST_P(StoreTest, SecondWriterWaitsForTheFirst) {
  put("n", "0");
  constexpr int kThreads = 4;
  constexpr int kRounds = 25;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < kRounds; ++i) {
        auto transaction = begin();
        int n = std::stoi(get(*transaction, "n"));
        put_in(*transaction, "n", std::to_string(n + 1));
        EXPECT_TRUE(transaction->commit());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(get("n"), std::to_string(kThreads * kRounds));
}

TEST_P(StoreTest, ReadersBesideAWriterSeeWholeCommits) {
  put("a", "0");
  put("b", "0");
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) {
      auto view = snapshot();
      EXPECT_EQ(get(*view, "a"), get(*view, "b"));
    }
  });
  for (int i = 1; i < 100; ++i) {
    auto transaction = begin();
    put_in(*transaction, "a", std::to_string(i));
    put_in(*transaction, "b", std::to_string(i));
    EXPECT_TRUE(transaction->commit());
  }
  done = true;
  reader.join();
}

INSTANTIATE_TEST_SUITE_P(Backends, StoreTest, testing::ValuesIn(kBackends), backend_name);

}  // namespace
}  // namespace hydra::kv
