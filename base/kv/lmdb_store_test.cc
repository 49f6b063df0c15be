// What only the LMDB backend does: its rows, its directory, its limits.
#include "base/kv/lmdb_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "base/kv/lmdb_format.h"
#include "base/kv/store_backends.h"

namespace hydra::kv {
namespace {

using lmdb_format::Row;
using lmdb_format::RowKey;

constexpr std::uint64_t kMiB = 1u << 20;

TEST(LmdbFormat, ShortKeyCostsOneByte) {
  RowKey row = RowKey::of(lmdb_format::kRootNamespace, as_bytes("key"));
  EXPECT_EQ(as_text(row.view()), "\x01key");
}

TEST(LmdbFormat, LongKeyContinuesInAChildNamespace) {
  std::string key(500, 'k');
  RowKey row = RowKey::of(7, as_bytes(key));
  EXPECT_EQ(as_text(row.view()),
            std::string("\x02\0\0\0\0\0\0\0\x07", 9) + key.substr(0, 480) + "\x01");
  auto parsed = Row::parse(row.view());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->ns, 7u);
  EXPECT_TRUE(parsed->continues);
  EXPECT_EQ(as_text(parsed->piece), key.substr(0, 480));
}

TEST(LmdbFormat, ForeignRowsAreRejected) {
  using namespace std::string_literals;
  EXPECT_FALSE(Row::parse({}));
  EXPECT_FALSE(Row::parse(RowKey::version().view()));
  EXPECT_FALSE(Row::parse(as_bytes("\x01")));
  EXPECT_FALSE(Row::parse(as_bytes("\x02\0\0\0\0"s)));
  EXPECT_FALSE(Row::parse(as_bytes("\x02\0\0\0\0\0\0\0\0k"s)));
  EXPECT_FALSE(Row::parse(as_bytes("\x01" + std::string(480, 'k'))));
  EXPECT_FALSE(Row::parse(as_bytes("\x01" + std::string(480, 'k') + "\x02")));
  EXPECT_FALSE(Row::parse(as_bytes("\x01" + std::string(482, 'k'))));
}

class LmdbStoreTest : public testing::Test {
 protected:
  std::string path() const { return directory_.path() + "/a/b/store"; }
  std::unique_ptr<Store> open(Options options = {}) {
    auto store = open_lmdb(path(), options);
    EXPECT_TRUE(store) << store.error().to_string();
    return std::move(store).value();
  }
  static Status put(Store& store, const std::string& key, const std::string& value) {
    HYDRA_TRY(auto transaction, store.begin());
    HYDRA_CHECK_OK(transaction->put(as_bytes(key), as_bytes(value)));
    return transaction->commit();
  }
  static bool has(Store& store, const std::string& key) {
    return store.snapshot().value()->get(as_bytes(key)).value().has_value();
  }
  // Runs `work` in another process; true when it returned true.
  template <typename Work>
  static bool in_child(Work work) {
    pid_t child = ::fork();
    if (child == 0) ::_exit(work() ? 0 : 1);
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

  TemporaryDirectory directory_;
};

TEST_F(LmdbStoreTest, MakesItsDirectoryForTheOwnerOnly) {
  auto store = open();
  struct stat status {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_F(LmdbStoreTest, SecondOpenInTheProcessIsRefused) {
  auto store = open();
  EXPECT_EQ(open_lmdb(path() + "/../store", {}).error().code, Code::kAlreadyExists);
  store.reset();
  EXPECT_TRUE(open_lmdb(path(), {}));
}

TEST_F(LmdbStoreTest, FullMapIsNoSpaceAndChangesNothing) {
  auto store = open({.map_bytes = kMiB});
  ASSERT_TRUE(put(*store, "a", "1"));
  Status status = put(*store, "b", std::string(2 * kMiB, 'v'));
  EXPECT_EQ(status.error().code, Code::kNoSpace);
  EXPECT_FALSE(has(*store, "b"));
  EXPECT_TRUE(put(*store, "c", "1"));
  store.reset();
  store = open({.map_bytes = 8 * kMiB});
  EXPECT_TRUE(put(*store, "b", std::string(2 * kMiB, 'v')));
}

TEST_F(LmdbStoreTest, CommitAfterAFailedPutFails) {
  auto store = open({.map_bytes = kMiB});
  auto transaction = store->begin().value();
  EXPECT_TRUE(transaction->put(as_bytes("a"), as_bytes("1")));
  EXPECT_FALSE(transaction->put(as_bytes("b"), as_bytes(std::string(2 * kMiB, 'v'))));
  EXPECT_EQ(transaction->commit().error().code, Code::kNoSpace);
  EXPECT_FALSE(has(*store, "a"));
}

TEST_F(LmdbStoreTest, MapGrownByAnotherProcessIsTakenOver) {
  auto store = open({.map_bytes = kMiB});
  ASSERT_TRUE(put(*store, "a", "1"));
  store.reset();  // a child must not inherit an open environment
  int to_child[2];
  int to_parent[2];
  ASSERT_EQ(::pipe(to_child), 0);
  ASSERT_EQ(::pipe(to_parent), 0);
  pid_t child = ::fork();
  if (child == 0) {
    char byte;
    if (::read(to_child[0], &byte, 1) != 1) ::_exit(1);
    auto bigger = open_lmdb(path(), {.map_bytes = 8 * kMiB});
    bool ok = bigger && put(**bigger, "big", std::string(3 * kMiB, 'v'));
    ::_exit(ok && ::write(to_parent[1], "x", 1) == 1 ? 0 : 1);
  }
  store = open({.map_bytes = kMiB});
  auto pinned = store->snapshot().value();
  ASSERT_EQ(::write(to_child[1], "x", 1), 1);
  char byte;
  ASSERT_EQ(::read(to_parent[0], &byte, 1), 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  for (int fd : {to_child[0], to_child[1], to_parent[0], to_parent[1]}) ::close(fd);

  // While a snapshot uses the old map, it cannot be exchanged.
  EXPECT_EQ(store->snapshot().error().code, Code::kUnavailable);
  EXPECT_EQ(store->begin().error().code, Code::kUnavailable);
  EXPECT_TRUE(pinned->get(as_bytes("a")).value().has_value());
  pinned.reset();
  EXPECT_TRUE(has(*store, "big"));
  EXPECT_TRUE(put(*store, "c", "1"));
}

TEST_F(LmdbStoreTest, NonDurableCommitSurvivesAKilledProcess) {
  EXPECT_FALSE(in_child([&] {
    auto store = open({.durable = false});
    if (put(*store, "a", "1")) ::raise(SIGKILL);
    return true;
  }));
  auto store = open();
  EXPECT_TRUE(has(*store, "a"));
}

TEST_F(LmdbStoreTest, StoreThatWasNotSyncedOnAnEarlierBootIsRefused) {
  open();
  std::ofstream(path() + "/unsynced") << "00000000-0000-0000-0000-000000000000";
  EXPECT_EQ(open_lmdb(path(), {}).error().code, Code::kCorrupt);
  EXPECT_EQ(open_lmdb(path(), {.durable = false}).error().code, Code::kCorrupt);
}

TEST_F(LmdbStoreTest, NonDurableUseIsMarkedUntilTheCleanClose) {
  auto store = open({.durable = false});
  EXPECT_EQ(std::filesystem::file_size(path() + "/unsynced"), 36u);
  ASSERT_TRUE(put(*store, "a", "1"));
  store.reset();
  EXPECT_EQ(std::filesystem::file_size(path() + "/unsynced"), 0u);
}

TEST_F(LmdbStoreTest, DurableOpenAfterACrashSyncsAndClearsTheMark) {
  EXPECT_FALSE(in_child([&] {
    auto store = open({.durable = false});
    if (put(*store, "a", "1")) ::raise(SIGKILL);
    return true;
  }));
  EXPECT_EQ(std::filesystem::file_size(path() + "/unsynced"), 36u);
  auto store = open();
  EXPECT_EQ(std::filesystem::file_size(path() + "/unsynced"), 0u);
}

TEST_F(LmdbStoreTest, CloseLeavesTheMarkWhileAnotherProcessGoesOn) {
  int ready[2];
  int finish[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(finish), 0);
  pid_t child = ::fork();
  if (child == 0) {
    auto store = open_lmdb(path(), {.durable = false});
    char byte;
    bool ok = store && ::write(ready[1], "x", 1) == 1 && ::read(finish[0], &byte, 1) == 1;
    store = fail(Code::kClosed);
    ::_exit(ok ? 0 : 1);
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  open({.durable = false});
  open();
  EXPECT_EQ(std::filesystem::file_size(path() + "/unsynced"), 36u);
  ASSERT_EQ(::write(finish[1], "x", 1), 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  for (int fd : {ready[0], ready[1], finish[0], finish[1]}) ::close(fd);
  EXPECT_EQ(std::filesystem::file_size(path() + "/unsynced"), 0u);
}

TEST_F(LmdbStoreTest, SlotsOfKilledReadersAreFreed) {
  open();
  EXPECT_FALSE(in_child([&] {
    auto store = open();
    auto snapshot = store->snapshot();
    if (snapshot) ::raise(SIGKILL);
    return true;
  }));
  auto store = open();  // its stale snapshot must not pin pages: rewriting goes on in little space
  store.reset();
  store = open({.map_bytes = kMiB});
  for (int i = 0; i < 200; ++i)
    ASSERT_TRUE(put(*store, "a", std::string(100 * 1024, static_cast<char>(i))));
}

TEST_F(LmdbStoreTest, UnknownVersionIsRejected) {
  open();
  std::fstream file(path() + "/data.mdb", std::ios::in | std::ios::out | std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  std::string row = std::string("\0version", 8) + std::string("\x01\0\0\0", 4);
  auto at = bytes.find(row);
  ASSERT_NE(at, std::string::npos);
  file.clear();
  file.seekp(static_cast<std::streamoff>(at + 8));
  file.put('\x02');
  file.close();
  EXPECT_EQ(open_lmdb(path(), {}).error().code, Code::kUnsupported);
}

TEST_F(LmdbStoreTest, FileThatIsNoStoreIsCorrupt) {
  open();
  std::ofstream(path() + "/data.mdb", std::ios::binary) << std::string(16384, 'x');
  EXPECT_EQ(open_lmdb(path(), {}).error().code, Code::kCorrupt);
}

TEST_F(LmdbStoreTest, ManySnapshotsAtOnce) {
  auto store = open();
  ASSERT_TRUE(put(*store, "a", "1"));
  for (int round = 0; round < 2; ++round) {
    std::vector<std::unique_ptr<Snapshot>> snapshots;
    for (int i = 0; i < 200; ++i) snapshots.push_back(store->snapshot().value());
    for (auto& snapshot : snapshots) EXPECT_TRUE(snapshot->get(as_bytes("a")).value().has_value());
  }
}

TEST_F(LmdbStoreTest, TooManySnapshotsAreUnavailable) {
  auto store = open();
  std::vector<std::unique_ptr<Snapshot>> snapshots;
  Code code{};
  for (int i = 0; i < 1100 && code == Code{}; ++i) {
    auto snapshot = store->snapshot();
    if (snapshot) {
      snapshots.push_back(std::move(*snapshot));
    } else {
      code = snapshot.error().code;
    }
  }
  EXPECT_EQ(code, Code::kUnavailable);
  snapshots.clear();
  EXPECT_TRUE(store->snapshot());
}

TEST_F(LmdbStoreTest, SnapshotMayOutliveTheStore) {
  auto store = open();
  ASSERT_TRUE(put(*store, "a", "1"));
  auto snapshot = store->snapshot().value();
  store.reset();
  EXPECT_TRUE(snapshot->get(as_bytes("a")).value().has_value());
}

TEST_F(LmdbStoreTest, SecondTransactionOnAThreadIsAProgrammersError) {
  auto store = open();
  auto transaction = store->begin().value();
  EXPECT_DEATH((void)store->begin(), "");
}

}  // namespace
}  // namespace hydra::kv
