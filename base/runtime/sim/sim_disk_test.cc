#include "base/runtime/sim/sim_disk.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/runtime/sim/run_sim.h"

namespace hydra::sim {
namespace {

// One process with one loop, and short ways to use its disk.
class SimDiskTest : public ::testing::Test {
 protected:
  void start(std::uint64_t seed, Faults faults = Faults::none()) {
    simulation_.reset();
    simulation_ = std::make_unique<Simulation>(seed, faults);
    simulation_->add_process("node").add_loop();
  }
  Process& process() { return simulation_->process("node"); }
  SimDisk& disk() { return process().disk(); }

  static Task<Status> write_file(Disk& disk, std::string path, std::string text, bool sync) {
    Result<std::unique_ptr<File>> file = co_await disk.open(path, OpenMode::kReadWrite);
    if (!file) file = co_await disk.open(path, OpenMode::kCreateNew);
    if (!file) co_return fail(file.error());
    const ByteView piece = as_bytes(text);
    HYDRA_CO_CHECK_OK(co_await (*file)->write(std::span(&piece, 1), 0));
    if (sync) HYDRA_CO_CHECK_OK(co_await (*file)->sync());
    co_return Status();
  }
  Status write(std::string path, std::string text, bool sync) {
    return run_in(process(), [&](Loop& loop) { return write_file(loop.disk(), path, text, sync); });
  }
  Status sync_directory(std::string path) {
    return run_in(process(), [&](Loop& loop) { return loop.disk().sync_directory(path); });
  }
  Status rename(std::string from, std::string to) {
    return run_in(process(), [&](Loop& loop) { return loop.disk().rename(from, to); });
  }
  Status remove(std::string path) {
    return run_in(process(), [&](Loop& loop) { return loop.disk().remove(path); });
  }
  Result<std::unique_ptr<File>> open(std::string path, OpenMode mode) {
    return run_in(process(), [&](Loop& loop) { return loop.disk().open(path, mode); });
  }

  std::unique_ptr<Simulation> simulation_;
};

std::string text_of(std::size_t size, char letter) { return std::string(size, letter); }

TEST_F(SimDiskTest, ReadsWhatWasWrittenAndStopsAtTheEnd) {
  start(1);
  run_in(process(), [](Loop& loop) -> Task<void> {
    auto file = std::move(co_await loop.disk().open("/f", OpenMode::kCreateNew)).value();
    const ByteView pieces[] = {as_bytes("hello "), as_bytes("world")};
    EXPECT_TRUE(co_await file->write(pieces, 10'000));
    EXPECT_EQ((co_await file->size()).value(), 10'011u);
    std::string got(20, '?');
    auto count = co_await file->read(std::as_writable_bytes(std::span(got)), 9'998);
    EXPECT_EQ(count.value(), 13u);
    EXPECT_EQ(got.substr(0, 13), std::string("\0\0hello world", 13));
    EXPECT_EQ((co_await file->read(std::as_writable_bytes(std::span(got)), 10'011)).value(), 0u);
  });
}

TEST_F(SimDiskTest, OpenModesFollowTheContract) {
  start(1);
  EXPECT_EQ(open("/f", OpenMode::kRead).error().code, Code::kNotFound);
  EXPECT_EQ(open("/f", OpenMode::kReadWrite).error().code, Code::kNotFound);
  EXPECT_EQ(open("/none/f", OpenMode::kCreateNew).error().code, Code::kNotFound);
  EXPECT_TRUE(open("/f", OpenMode::kCreateNew));
  EXPECT_EQ(open("/f", OpenMode::kCreateNew).error().code, Code::kAlreadyExists);
  EXPECT_TRUE(open("/f", OpenMode::kRead));
}

TEST_F(SimDiskTest, LockHasOneHolderAndEndsWithFileOrProcess) {
  start(1);
  auto first = open("/lock", OpenMode::kLocked);
  ASSERT_TRUE(first);
  EXPECT_EQ(open("/lock", OpenMode::kLocked).error().code, Code::kConflict);
  first->reset();
  auto second = open("/lock", OpenMode::kLocked);
  ASSERT_TRUE(second);
  process().crash();
  process().restart();
  auto third = open("/lock", OpenMode::kLocked);
  ASSERT_TRUE(third);
  second->reset();  // a dead process's File does not end the new one's lock
  EXPECT_EQ(open("/lock", OpenMode::kLocked).error().code, Code::kConflict);
}

TEST_F(SimDiskTest, CrashKeepsThePageCache) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    start(seed);
    ASSERT_TRUE(write("/f", "unsynced", false));
    process().crash();
    process().restart();
    EXPECT_EQ(disk().contents("/f"), "unsynced");
  }
}

TEST_F(SimDiskTest, SyncedDataInASyncedDirectoryAlwaysSurvivesPowerLoss) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    start(seed);
    const std::string text = text_of(10'000, 's');
    ASSERT_TRUE(write("/f", text, true));
    ASSERT_TRUE(sync_directory("/"));
    ASSERT_TRUE(write("/f", text_of(20, 'u'), false));  // may or may not survive, the rest must
    process().power_loss();
    process().restart();
    const auto found = disk().contents("/f");
    ASSERT_TRUE(found) << "seed " << seed;
    EXPECT_EQ(found->substr(512), text.substr(512)) << "seed " << seed;
  }
}

TEST_F(SimDiskTest, UnsyncedDataMayBeKeptLostOrTornByPowerLoss) {
  bool kept = false;
  bool lost = false;
  bool torn = false;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    start(seed);
    const std::string old_text = text_of(8 * 512, 'o');
    const std::string new_text = text_of(8 * 512, 'n');
    ASSERT_TRUE(write("/f", old_text, true));
    ASSERT_TRUE(sync_directory("/"));
    ASSERT_TRUE(write("/f", new_text, false));
    process().power_loss();
    const std::string found = disk().contents("/f").value();
    ASSERT_EQ(found.size(), old_text.size());
    kept |= found == new_text;
    lost |= found == old_text;
    if (found == new_text || found == old_text) continue;
    torn = true;
    for (std::size_t at = 0; at < found.size(); at += 512) {
      const std::string sector = found.substr(at, 512);
      EXPECT_TRUE(sector == text_of(512, 'o') || sector == text_of(512, 'n')) << at;
    }
  }
  EXPECT_TRUE(kept);
  EXPECT_TRUE(lost);
  EXPECT_TRUE(torn);
}

TEST_F(SimDiskTest, UnsyncedAppendMayGrowTheFileWithoutItsBytes) {
  std::set<std::size_t> sizes;
  bool zeros = false;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    start(seed);
    disk().put("/f", "");
    ASSERT_TRUE(write("/f", text_of(4 * 512, 'n'), false));
    process().power_loss();
    const std::string found = disk().contents("/f").value();
    sizes.insert(found.size());
    for (const char c : found) EXPECT_TRUE(c == 'n' || c == '\0');
    zeros |= found.find('\0') != std::string::npos;
  }
  EXPECT_TRUE(sizes.contains(0));
  EXPECT_TRUE(sizes.contains(512));
  EXPECT_TRUE(sizes.contains(4 * 512));
  EXPECT_TRUE(zeros);
}

TEST_F(SimDiskTest, NamesAreDurableOnlyAfterTheDirectoryIsSynced) {
  bool lost = false;
  bool kept = false;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    start(seed);
    ASSERT_TRUE(write("/f", "synced bytes", true));
    EXPECT_FALSE(disk().durable_contents("/f"));
    process().power_loss();
    (disk().exists("/f") ? kept : lost) = true;
  }
  EXPECT_TRUE(lost);
  EXPECT_TRUE(kept);
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    start(seed);
    ASSERT_TRUE(write("/f", "synced bytes", true));
    ASSERT_TRUE(sync_directory("/"));
    process().power_loss();
    EXPECT_EQ(disk().contents("/f"), "synced bytes") << "seed " << seed;
  }
}

TEST_F(SimDiskTest, RenameReplacesAtomically) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    start(seed);
    disk().put("/config", "old");
    ASSERT_TRUE(write("/config.new", "new", true));
    ASSERT_TRUE(sync_directory("/"));
    ASSERT_TRUE(rename("/config.new", "/config"));
    EXPECT_EQ(disk().contents("/config"), "new");
    EXPECT_FALSE(disk().exists("/config.new"));
    process().power_loss();
    const std::string found = disk().contents("/config").value();
    EXPECT_EQ(disk().exists("/config.new"), found == "old");
    seen.insert(found);
  }
  EXPECT_EQ(seen, (std::set<std::string>{"new", "old"}));
}

TEST_F(SimDiskTest, SyncingEitherDirectoryOfARenameKeepsTheFile) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    for (const char* synced : {"/a", "/b"}) {
      start(seed);
      disk().prepare_directory("/a");
      disk().prepare_directory("/b");
      ASSERT_TRUE(write("/a/f", "text", true));
      ASSERT_TRUE(rename("/a/f", "/b/f"));
      ASSERT_TRUE(sync_directory(synced));
      process().power_loss();
      EXPECT_EQ(disk().contents("/b/f"), "text");
      EXPECT_FALSE(disk().exists("/a/f"));
    }
  }
}

TEST_F(SimDiskTest, RemovedFilesMayComeBackUnlessTheDirectoryIsSynced) {
  bool back = false;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    start(seed);
    disk().put("/f", "text");
    ASSERT_TRUE(remove("/f"));
    EXPECT_FALSE(disk().exists("/f"));
    process().power_loss();
    back |= disk().exists("/f");
    process().restart();
    if (disk().exists("/f")) ASSERT_TRUE(remove("/f"));
    ASSERT_TRUE(sync_directory("/"));
    process().power_loss();
    EXPECT_FALSE(disk().exists("/f"));
  }
  EXPECT_TRUE(back);
}

TEST_F(SimDiskTest, DirectoriesListTheirEntriesSorted) {
  start(1);
  run_in(process(), [](Loop& loop) -> Task<void> {
    Disk& disk = loop.disk();
    EXPECT_TRUE(co_await disk.make_directories("/a/b/c"));
    EXPECT_TRUE(co_await disk.make_directories("/a/b/c"));
    EXPECT_TRUE(co_await disk.open("/a/z", OpenMode::kCreateNew));
    EXPECT_TRUE(co_await disk.open("/a/y", OpenMode::kCreateNew));
    EXPECT_EQ((co_await disk.list("/a")).value(), (std::vector<std::string>{"b", "y", "z"}));
    EXPECT_EQ((co_await disk.list("/none")).error().code, Code::kNotFound);
    EXPECT_FALSE(co_await disk.remove("/a/b"));
    EXPECT_TRUE(co_await disk.remove("/a/b/c"));
    EXPECT_TRUE(co_await disk.remove("/a/b"));
    EXPECT_EQ((co_await disk.remove("/a/b")).error().code, Code::kNotFound);
  });
}

TEST_F(SimDiskTest, DirectoriesSurvivePowerLossWithAllAboveThem) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    start(seed);
    run_in(process(), [](Loop& loop) -> Task<void> {
      EXPECT_TRUE(co_await loop.disk().make_directories("/a/b/c"));
    });
    process().power_loss();
    EXPECT_TRUE(disk().exists("/a/b/c")) << "seed " << seed;
  }
}

TEST_F(SimDiskTest, UnlinkedFileStaysUsableAndKeepsItsSpaceUntilClosed) {
  start(1);
  disk().put("/f", text_of(8192, 'x'));
  auto file = open("/f", OpenMode::kReadWrite);
  ASSERT_TRUE(remove("/f"));
  ASSERT_TRUE(sync_directory("/"));
  EXPECT_EQ(disk().used_bytes(), 8192u);
  EXPECT_EQ(run_in(process(), [&](Loop&) { return (*file)->size(); }).value(), 8192u);
  file->reset();
  EXPECT_EQ(disk().used_bytes(), 0u);
}

TEST_F(SimDiskTest, SpaceIsTakenByAllocateAndWritesAndGivenBackByHoles) {
  Faults faults;
  faults.disk.capacity_bytes = 1 << 20;
  start(1, faults);
  run_in(process(), [](Loop& loop) -> Task<void> {
    auto file = std::move(co_await loop.disk().open("/f", OpenMode::kCreateNew)).value();
    EXPECT_TRUE(co_await file->allocate(0, 900'000));
    EXPECT_EQ((co_await file->size()).value(), 900'000u);
    const DiskSpace space = (co_await loop.disk().space("/")).value();
    EXPECT_EQ(space.total_bytes, 1u << 20);
    EXPECT_EQ(space.free_bytes, (1u << 20) - 901'120);
    const std::string text = text_of(200'000, 't');
    const ByteView piece = as_bytes(text);
    // Reserved space takes writes; beyond it there is none left.
    EXPECT_TRUE(co_await file->write(std::span(&piece, 1), 700'000));
    EXPECT_EQ((co_await file->write(std::span(&piece, 1), 900'000)).error().code, Code::kNoSpace);
    EXPECT_EQ((co_await file->allocate(0, 2'000'000)).error().code, Code::kNoSpace);
    EXPECT_TRUE(co_await file->punch_hole(0, 409'600));
    EXPECT_EQ((co_await loop.disk().space("/")).value().free_bytes, (1u << 20) - 491'520);
    EXPECT_TRUE(co_await file->write(std::span(&piece, 1), 900'000));
    std::byte first{1};
    EXPECT_EQ((co_await file->read({&first, 1}, 0)).value(), 1u);
    EXPECT_EQ(first, std::byte{0});
  });
}

TEST_F(SimDiskTest, FailedSyncDropsTheDataForGood) {
  bool evicted = false;
  bool still_readable = false;
  bool gone_after_power_loss = false;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    start(seed);
    disk().put("/f", "old.");
    disk().inject("/", DiskFault::kSyncError);
    EXPECT_EQ(write("/f", "new.", true).error().code, Code::kIo);
    (disk().contents("/f") == "new." ? still_readable : evicted) = true;
    // The next sync succeeds and yet does not save what the first one dropped.
    auto file = open("/f", OpenMode::kReadWrite);
    ASSERT_TRUE(run_in(process(), [&](Loop&) { return (*file)->sync(); }));
    process().power_loss();
    gone_after_power_loss |= disk().contents("/f") == "old.";
  }
  EXPECT_TRUE(evicted);
  EXPECT_TRUE(still_readable);
  EXPECT_TRUE(gone_after_power_loss);
}

TEST_F(SimDiskTest, InjectedFaultsHitTheNamedPathAndNumber) {
  start(1);
  disk().put("/a/f", "text");
  disk().put("/ab/f", "text");
  disk().inject("/a", DiskFault::kReadError, 2);
  auto read = [&](std::string path) {
    return run_in(process(), [&path](Loop& loop) -> Task<Code> {
      auto file = std::move(co_await loop.disk().open(path, OpenMode::kRead)).value();
      std::byte buffer[4];
      auto count = co_await file->read(buffer, 0);
      co_return count ? Code{} : count.error().code;
    });
  };
  EXPECT_EQ(read("/ab/f"), Code{});
  EXPECT_EQ(read("/a/f"), Code::kIo);
  EXPECT_EQ(read("/a/f"), Code::kIo);
  EXPECT_EQ(read("/a/f"), Code{});
}

TEST_F(SimDiskTest, WriteErrorsLostAndMisdirectedWritesAreAimed) {
  start(1);
  const std::string zeros(8192, '\0');
  disk().put("/f", zeros);
  disk().inject("/f", DiskFault::kWriteError);
  EXPECT_EQ(write("/f", "abcd", false).error().code, Code::kIo);
  EXPECT_EQ(disk().contents("/f"), zeros);
  disk().inject("/f", DiskFault::kLostWrite);
  EXPECT_TRUE(write("/f", "abcd", true));
  EXPECT_EQ(disk().contents("/f"), zeros);
  bool elsewhere = false;
  for (int i = 0; i < 10; ++i) {
    disk().inject("/f", DiskFault::kMisdirectedWrite);
    EXPECT_TRUE(write("/f", "abcd", true));
    const std::size_t at = disk().contents("/f")->find("abcd");
    ASSERT_NE(at, std::string::npos);
    EXPECT_EQ(at % 512, 0u);
    elsewhere |= at != 0;
    disk().put("/f", zeros);
  }
  EXPECT_TRUE(elsewhere);
}

TEST_F(SimDiskTest, CorruptChangesEveryByteOfTheRangeAndNoOther) {
  start(1);
  const std::string text = text_of(5000, 'c');
  disk().put("/f", text);
  EXPECT_TRUE(disk().corrupt("/f", 4090, 20));
  const std::string found = disk().contents("/f").value();
  for (std::size_t i = 0; i < text.size(); ++i)
    EXPECT_EQ(found[i] != text[i], i >= 4090 && i < 4110) << i;
  EXPECT_EQ(disk().durable_contents("/f"), found);
  EXPECT_FALSE(disk().corrupt("/f", 4999, 2));
  EXPECT_FALSE(disk().corrupt("/none", 0, 1));
}

TEST_F(SimDiskTest, OverwriteAndTruncateReachCacheAndMedium) {
  start(1);
  disk().put("/f", std::string(9000, 'a'));
  EXPECT_TRUE(disk().overwrite("/f", 4090, as_bytes(std::string_view("bcd"))));
  EXPECT_FALSE(disk().overwrite("/f", 8999, as_bytes(std::string_view("xx"))));
  std::string seen(5, '\0');
  EXPECT_TRUE(disk().peek("/f", 4089, std::as_writable_bytes(std::span(seen))));
  EXPECT_EQ(seen, "abcda");
  EXPECT_EQ(disk().durable_contents("/f")->substr(4089, 5), "abcda");
  const std::uint64_t used = disk().used_bytes();
  EXPECT_TRUE(disk().truncate("/f", 4092));
  EXPECT_EQ(disk().used_bytes(), used - 2 * 4096);
  EXPECT_EQ(disk().contents("/f"), std::string(4090, 'a') + "bc");
  EXPECT_EQ(disk().durable_contents("/f"), disk().contents("/f"));
  EXPECT_FALSE(disk().peek("/f", 4090, std::as_writable_bytes(std::span(seen))));
  EXPECT_FALSE(disk().truncate("/none", 0));
}

TEST_F(SimDiskTest, WriteUnderWayAtACrashIsDoneInAnyPart) {
  std::set<std::size_t> sizes;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    start(seed);
    disk().put("/f", "");
    process().loop().spawn([](Loop& loop) -> Task<void> {
      auto file = std::move(co_await loop.disk().open("/f", OpenMode::kReadWrite)).value();
      const std::string text = text_of(100, 'w');
      const ByteView piece = as_bytes(text);
      (void)co_await file->write(std::span(&piece, 1), 0);
      loop.post([] {});
    }(process().loop()));
    disk().faults().write_latency = {kSecond, kSecond};
    simulation_->run_for(500 * kMillisecond);
    process().crash();
    sizes.insert(disk().contents("/f")->size());
  }
  EXPECT_TRUE(sizes.contains(0));
  EXPECT_TRUE(sizes.contains(100));
  EXPECT_GT(sizes.size(), 5u);
}

TEST_F(SimDiskTest, SlowDiskTakesLonger) {
  start(1);
  disk().faults().sync_latency = {kMillisecond, kMillisecond};
  disk().set_slow(1000);
  const Nanos before = simulation_->now();
  ASSERT_TRUE(write("/f", "text", true));
  EXPECT_GE(simulation_->now() - before, kSecond);
}

TEST_F(SimDiskTest, KeyValueStoreSurvivesAsItsCommitsWereMade) {
  start(1);
  auto put = [&](std::string key, bool durable) {
    auto store = process().loop().disk().open_kv("/kv", {.durable = durable}).value();
    auto transaction = store->begin().value();
    ASSERT_TRUE(transaction->put(as_bytes(key), as_bytes("v")));
    ASSERT_TRUE(transaction->commit());
  };
  auto has = [&](std::string key) {
    auto store = process().loop().disk().open_kv("/kv", {}).value();
    auto snapshot = store->snapshot().value();
    return snapshot->get(as_bytes(key)).value().has_value();
  };
  put("durable", true);
  put("volatile", false);
  process().crash();
  process().restart();
  EXPECT_TRUE(has("durable"));
  EXPECT_TRUE(has("volatile"));
  process().power_loss();
  process().restart();
  EXPECT_TRUE(has("durable"));
  EXPECT_FALSE(has("volatile"));
  EXPECT_EQ(disk().files("/kv"), (std::vector<std::string>{"/kv/data.mdb"}));
  disk().erase("/kv");
  EXPECT_FALSE(has("durable"));
}

TEST_F(SimDiskTest, WipedDiskIsEmpty) {
  start(1);
  disk().put("/a/b", "text");
  disk().wipe();
  EXPECT_TRUE(disk().files().empty());
  EXPECT_EQ(disk().used_bytes(), 0u);
}

}  // namespace
}  // namespace hydra::sim
