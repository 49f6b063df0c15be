// Disk over both of its data paths: io_uring and the thread pool.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>

#include "base/runtime/pistache/pistache_loop.h"
#include "base/runtime/pistache/runtime_fixture.h"
#include "base/runtime/sync.h"

namespace hydra {
namespace {

bool has_ring(Runtime& runtime) {
  return static_cast<runtime::PistacheLoop&>(*runtime.loops()[0]).ring() != nullptr;
}

// Without io_uring where the kernel or the container has none.
std::vector<bool> backends() {
  return has_ring(*make_runtime(1)) ? std::vector<bool>{false, true} : std::vector<bool>{false};
}

class DiskTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    runtime_ = make_runtime(1, GetParam());
    ASSERT_TRUE(runtime_->start());
  }
  Loop& loop() { return *runtime_->loops()[0]; }
  Status run(Task<Status> (*test)(Loop&, std::string)) {
    return run_on<Status>(loop(), [&](Loop& on) { return test(on, directory_.path()); });
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Runtime> runtime_;
};

#define EXPECT_OK(...)                                                 \
  do {                                                                 \
    const Status status = (__VA_ARGS__);                               \
    EXPECT_TRUE(status) << (status ? "" : status.error().to_string()); \
  } while (0)
#define CO_EXPECT(condition) \
  if (!(condition)) co_return fail(Code::kInternal, "expected " #condition)

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

Task<Status> write_and_read_back(Loop& loop, std::string directory) {
  HYDRA_CO_TRY(auto file, co_await loop.disk().open(directory + "/data", OpenMode::kCreateNew));
  const std::string text = pattern(3'000'001);
  const ByteView all = as_bytes(text);
  std::vector<ByteView> pieces;
  for (std::size_t at = 0; at < all.size(); at += 1013)
    pieces.push_back(all.subspan(at, std::min<std::size_t>(1013, all.size() - at)));
  HYDRA_CO_CHECK_OK(co_await file->write(pieces, 4096));
  HYDRA_CO_CHECK_OK(co_await file->sync());
  HYDRA_CO_TRY(const std::uint64_t size, co_await file->size());
  CO_EXPECT(size == 4096 + text.size());
  std::string back(text.size() + 100, 'x');
  HYDRA_CO_TRY(std::size_t count,
               co_await file->read(std::as_writable_bytes(std::span(back)), 4096));
  CO_EXPECT(count == text.size());
  CO_EXPECT(back.compare(0, count, text) == 0);
  HYDRA_CO_TRY(count, co_await file->read(std::as_writable_bytes(std::span(back)), size));
  CO_EXPECT(count == 0);
  co_return Status();
}
TEST_P(DiskTest, WritesGatheredPiecesAndReadsThemBack) { EXPECT_OK(run(write_and_read_back)); }

// Nothing else happens on the loop, so only the completion itself can end each wait.
Task<Status> read_from_device(Loop& loop, std::string directory) {
  const std::string path = directory + "/cold";
  constexpr std::size_t kBytes = 4096;
  constexpr std::size_t kBlocks = 16;
  HYDRA_CO_TRY(auto file, co_await loop.disk().open(path, OpenMode::kCreateNew));
  const std::string text = pattern(kBlocks * kBytes);
  const ByteView all = as_bytes(text);
  HYDRA_CO_CHECK_OK(co_await file->write({&all, 1}, 0));
  HYDRA_CO_CHECK_OK(co_await file->sync());
  for (std::size_t block = 0; block < kBlocks; ++block) {
    const runtime::UniqueFd cache(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    CO_EXPECT(::posix_fadvise(cache.get(), 0, 0, POSIX_FADV_DONTNEED) == 0);
    std::string back(kBytes, 'x');
    HYDRA_CO_TRY(const std::size_t count,
                 co_await file->read(std::as_writable_bytes(std::span(back)), block * kBytes));
    CO_EXPECT(count == kBytes && text.compare(block * kBytes, kBytes, back) == 0);
  }
  co_return Status();
}
TEST_P(DiskTest, ReadsThatWaitForTheDeviceComplete) { EXPECT_OK(run(read_from_device)); }

Task<void> write_block(File& file, std::uint64_t index, int& good) {
  std::string block(4096, static_cast<char>(index));
  const ByteView piece = as_bytes(block);
  if (co_await file.write({&piece, 1}, index * 4096)) ++good;
}

Task<Status> write_side_by_side(Loop& loop, std::string directory) {
  HYDRA_CO_TRY(auto file, co_await loop.disk().open(directory + "/data", OpenMode::kCreateNew));
  constexpr int kBlocks = 2000;  // more than the ring holds
  TaskGroup group(loop);
  int good = 0;
  for (int i = 0; i < kBlocks; ++i)
    group.spawn(write_block(*file, static_cast<std::uint64_t>(i), good));
  co_await group.join();
  CO_EXPECT(good == kBlocks);
  std::byte one[1];
  for (int i = 0; i < kBlocks; i += 97) {
    HYDRA_CO_TRY(const auto count,
                 co_await file->read(one, static_cast<std::uint64_t>(i) * 4096 + 17));
    CO_EXPECT(count == 1 && one[0] == static_cast<std::byte>(i));
  }
  co_return Status();
}
TEST_P(DiskTest, WritesSideBySide) { EXPECT_OK(run(write_side_by_side)); }

Task<Status> allocate_and_punch(Loop& loop, std::string directory) {
  HYDRA_CO_TRY(auto file, co_await loop.disk().open(directory + "/log", OpenMode::kCreateNew));
  HYDRA_CO_CHECK_OK(co_await file->allocate(0, 4 << 20));
  HYDRA_CO_TRY(std::uint64_t size, co_await file->size());
  CO_EXPECT(size == 4 << 20);
  std::string text(1 << 20, 'x');
  const ByteView piece = as_bytes(text);
  HYDRA_CO_CHECK_OK(co_await file->write({&piece, 1}, 0));
  HYDRA_CO_CHECK_OK(co_await file->sync());
  struct stat before;
  ::stat((directory + "/log").c_str(), &before);
  HYDRA_CO_CHECK_OK(co_await file->punch_hole(0, 1 << 19));
  struct stat after;
  ::stat((directory + "/log").c_str(), &after);
  CO_EXPECT(after.st_blocks < before.st_blocks);
  CO_EXPECT(after.st_size == 4 << 20);
  HYDRA_CO_TRY(const std::size_t count,
               co_await file->read(std::as_writable_bytes(std::span(text)), 0));
  CO_EXPECT(count == text.size());
  CO_EXPECT(text[0] == '\0' && text[(1 << 19) - 1] == '\0' && text[1 << 19] == 'x');
  co_return Status();
}
TEST_P(DiskTest, AllocatesSpaceAndPunchesHoles) { EXPECT_OK(run(allocate_and_punch)); }

Task<Status> allocate_too_much(Loop& loop, std::string directory) {
  HYDRA_CO_TRY(const DiskSpace space, co_await loop.disk().space(directory));
  CO_EXPECT(space.total_bytes >= space.free_bytes && space.total_bytes > 0);
  HYDRA_CO_TRY(auto file, co_await loop.disk().open(directory + "/log", OpenMode::kCreateNew));
  const Status status = co_await file->allocate(0, space.total_bytes + (1ull << 30));
  CO_EXPECT(!status);
  CO_EXPECT(status.error().code == Code::kNoSpace);
  co_return Status();
}
// In memory: there such a request is refused before it fills the device.
TEST_P(DiskTest, AllocationBeyondTheDeviceIsNoSpace) {
  const TemporaryDirectory in_memory("/dev/shm");
  EXPECT_OK(
      run_on<Status>(loop(), [&](Loop& on) { return allocate_too_much(on, in_memory.path()); }));
}

Task<Status> names(Loop& loop, std::string directory) {
  Disk& disk = loop.disk();
  HYDRA_CO_CHECK_OK(co_await disk.make_directories(directory + "/a/b"));
  HYDRA_CO_CHECK_OK(co_await disk.make_directories(directory + "/a/b"));
  HYDRA_CO_CHECK_OK(co_await disk.open(directory + "/a/two", OpenMode::kCreateNew));
  HYDRA_CO_CHECK_OK(co_await disk.open(directory + "/a/one", OpenMode::kCreateNew));
  const auto again = co_await disk.open(directory + "/a/one", OpenMode::kCreateNew);
  CO_EXPECT(!again && again.error().code == Code::kAlreadyExists);
  HYDRA_CO_CHECK_OK(co_await disk.sync_directory(directory + "/a"));
  HYDRA_CO_TRY(auto listed, co_await disk.list(directory + "/a"));
  CO_EXPECT((listed == std::vector<std::string>{"b", "one", "two"}));
  HYDRA_CO_CHECK_OK(co_await disk.rename(directory + "/a/one", directory + "/a/two"));
  HYDRA_CO_CHECK_OK(co_await disk.remove(directory + "/a/two"));
  HYDRA_CO_TRY(listed, co_await disk.list(directory + "/a"));
  CO_EXPECT(listed == std::vector<std::string>{"b"});
  for (const OpenMode mode : {OpenMode::kRead, OpenMode::kReadWrite}) {
    const auto absent = co_await disk.open(directory + "/absent", mode);
    CO_EXPECT(!absent && absent.error().code == Code::kNotFound);
  }
  const Status gone = co_await disk.remove(directory + "/absent");
  CO_EXPECT(!gone && gone.error().code == Code::kNotFound);
  const auto nowhere = co_await disk.list(directory + "/absent");
  CO_EXPECT(!nowhere && nowhere.error().code == Code::kNotFound);
  co_return Status();
}
TEST_P(DiskTest, MakesListsRenamesAndRemovesNames) { EXPECT_OK(run(names)); }

Task<Status> lock(Loop& loop, std::string directory) {
  HYDRA_CO_TRY(auto first, co_await loop.disk().open(directory + "/lock", OpenMode::kLocked));
  const auto second = co_await loop.disk().open(directory + "/lock", OpenMode::kLocked);
  CO_EXPECT(!second && second.error().code == Code::kConflict);
  first.reset();
  HYDRA_CO_CHECK_OK(co_await loop.disk().open(directory + "/lock", OpenMode::kLocked));
  co_return Status();
}
TEST_P(DiskTest, ALockedFileHasOneOpenerAndIsFreeWhenClosed) { EXPECT_OK(run(lock)); }

Task<Status> write_to_read_only(Loop& loop, std::string directory) {
  HYDRA_CO_CHECK_OK(co_await loop.disk().open(directory + "/data", OpenMode::kCreateNew));
  HYDRA_CO_TRY(auto file, co_await loop.disk().open(directory + "/data", OpenMode::kRead));
  const ByteView piece = as_bytes("x");
  const Status status = co_await file->write({&piece, 1}, 0);
  CO_EXPECT(!status && status.error().code == Code::kIo);
  co_return Status();
}
TEST_P(DiskTest, TheSystemsRefusalIsReported) { EXPECT_OK(run(write_to_read_only)); }

Task<void> write_for_ever(Loop& loop, std::string path, std::atomic<int>& writes) {
  auto file = co_await loop.disk().open(path, OpenMode::kCreateNew);
  std::string block(1 << 20, 'x');
  const ByteView piece = as_bytes(block);
  for (;;) {
    if (!co_await (*file)->write({&piece, 1}, 0)) co_return;
    if (!co_await (*file)->sync()) co_return;
    ++writes;
  }
}
TEST_P(DiskTest, StopsWhileOperationsAreInFlight) {
  std::atomic<int> writes{0};
  for (int i = 0; i < 8; ++i)
    loop().post([&, i] {
      loop().spawn(write_for_ever(loop(), directory_.path("data" + std::to_string(i)), writes));
    });
  EXPECT_TRUE(eventually([&] { return writes > 16; }));
  runtime_->stop();
}

TEST_P(DiskTest, OpensAKeyValueStore) {
  auto store = loop().disk().open_kv(directory_.path("kv"), {.map_bytes = 16 << 20});
  ASSERT_TRUE(store) << store.error().to_string();
  auto transaction = (*store)->begin();
  ASSERT_TRUE(transaction);
  EXPECT_OK((*transaction)->put(as_bytes("key"), as_bytes("value")));
  EXPECT_OK((*transaction)->commit());
}

TEST(DiskRingTest, TheEnvironmentTurnsItOff) {
  ::setenv("HYDRA_IO_URING", "off", 1);
  EXPECT_FALSE(has_ring(*make_runtime(1)));
  ::unsetenv("HYDRA_IO_URING");
}

INSTANTIATE_TEST_SUITE_P(Backends, DiskTest, ::testing::ValuesIn(backends()),
                         [](const auto& info) { return info.param ? "IoUring" : "ThreadPool"; });

}  // namespace
}  // namespace hydra
