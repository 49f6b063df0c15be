#include "base/runtime/pistache/disk.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/kv/lmdb_store.h"
#include "base/runtime/pistache/disk_ring.h"
#include "base/runtime/pistache/pistache_loop.h"
#include "base/runtime/pistache/system_error.h"
#include "base/runtime/pistache/unique_fd.h"

namespace hydra::runtime {

namespace {

// co_await OnPool<T>{loop, work}: runs work on the thread pool and resumes with its result. The
// frame is suspended meanwhile, so work may refer to its locals.
template <typename T>
struct OnPool {
  Loop& loop;
  std::function<T()> work;
  std::optional<T> result{};
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    loop.offload([this] { result.emplace(work()); }, [handle] { handle.resume(); });
  }
  T await_resume() { return std::move(*result); }
};

template <typename T>
ssize_t or_errno(T result) {
  return result < 0 ? -errno : static_cast<ssize_t>(result);
}

// Pieces as iovecs, of which a prefix may be done already.
class Vectors {
 public:
  explicit Vectors(std::span<const ByteView> pieces) {
    vectors_.reserve(pieces.size());
    for (const ByteView piece : pieces)
      if (!piece.empty()) vectors_.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
  }
  bool done() const { return next_ == vectors_.size(); }
  const iovec* data() const { return vectors_.data() + next_; }
  unsigned count() const {
    return static_cast<unsigned>(std::min<std::size_t>(vectors_.size() - next_, IOV_MAX));
  }
  void advance(std::size_t bytes) {
    while (bytes > 0) {
      iovec& first = vectors_[next_];
      const std::size_t step = std::min(bytes, first.iov_len);
      first = {static_cast<std::byte*>(first.iov_base) + step, first.iov_len - step};
      bytes -= step;
      if (first.iov_len == 0) ++next_;
    }
  }

 private:
  std::vector<iovec> vectors_;
  std::size_t next_ = 0;
};

// Whether the page cache holds all of a range: cachestat(2), of Linux 6.5, which glibc does not
// wrap yet. False when it cannot be known.
bool is_cached(int fd, std::uint64_t offset, std::uint64_t length) {
  constexpr long kCachestat = 451;  // on every architecture but alpha
  constexpr std::uint64_t kPage = 4096;
  struct {
    std::uint64_t offset, length;
  } const range{offset, length};
  struct {
    std::uint64_t cached, dirty, writeback, evicted, recently_evicted;
  } found{};
  const std::uint64_t pages = (offset + length - 1) / kPage - offset / kPage + 1;
  return ::syscall(kCachestat, fd, &range, &found, 0) == 0 && found.cached >= pages;
}

// Reads so short are tried in the page cache first, which costs less than the ring or the pool.
constexpr std::size_t kTriedInCache = 64u << 10;

// What the page cache has of it; 0 when that is nothing.
std::size_t read_cached(int fd, MutableBytes into, std::uint64_t offset) {
  const iovec vector{into.data(), into.size()};
  const ssize_t count = ::preadv2(fd, &vector, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  return count > 0 ? static_cast<std::size_t>(count) : 0;
}

class PistacheFile final : public File, public DescriptorFile {
 public:
  PistacheFile(PistacheLoop& loop, UniqueFd fd, std::string path, OpenMode mode)
      : loop_(loop), fd_(std::move(fd)), path_(std::move(path)), mode_(mode) {}

  // The last close of a removed file frees its blocks, which may take long: not on this thread.
  // But a lock must be free when this returns.
  ~PistacheFile() override {
    if (mode_ == OpenMode::kLocked) return;
    loop_.pool().post([fd = std::make_shared<UniqueFd>(std::move(fd_))] { fd->reset(); });
  }

  int descriptor() const override { return fd_.get(); }
  bool in_memory(std::uint64_t offset, std::uint64_t length) const override {
    return length > 0 && is_cached(fd_.get(), offset, length);
  }

  Task<Result<std::size_t>> read(MutableBytes into, std::uint64_t offset) override {
    std::size_t filled = into.size() <= kTriedInCache ? read_cached(fd_.get(), into, offset) : 0;
    while (filled < into.size()) {
      const iovec vector{into.data() + filled, into.size() - filled};
      const std::uint64_t at = offset + filled;
      ssize_t count;
      if (DiskRing* ring = loop_.ring()) {
        count = co_await ring->readv(fd_.get(), &vector, 1, at);
      } else {
        count = co_await OnPool<ssize_t>{
            loop_,
            [&] { return or_errno(::preadv(fd_.get(), &vector, 1, static_cast<off_t>(at))); }};
      }
      if (count == -EINTR || count == -EAGAIN) continue;
      if (count < 0) co_return failure(count, "read");
      if (count == 0) break;
      filled += static_cast<std::size_t>(count);
    }
    co_return filled;
  }

  Task<Status> write(std::span<const ByteView> pieces, std::uint64_t offset) override {
    Vectors vectors(pieces);
    while (!vectors.done()) {
      ssize_t count;
      if (DiskRing* ring = loop_.ring()) {
        count = co_await ring->writev(fd_.get(), vectors.data(), vectors.count(), offset);
      } else {
        count =
            co_await OnPool<ssize_t>{loop_, [&] {
                                       return or_errno(::pwritev(fd_.get(), vectors.data(),
                                                                 static_cast<int>(vectors.count()),
                                                                 static_cast<off_t>(offset)));
                                     }};
      }
      if (count == -EINTR || count == -EAGAIN) continue;
      if (count < 0) co_return failure(count, "write");
      if (count == 0) co_return failure(-EIO, "write");
      vectors.advance(static_cast<std::size_t>(count));
      offset += static_cast<std::uint64_t>(count);
    }
    co_return Status();
  }

  Task<Status> sync() override {
    ssize_t result;
    if (DiskRing* ring = loop_.ring()) {
      result = co_await ring->data_sync(fd_.get());
    } else {
      result = co_await OnPool<ssize_t>{loop_, [&] { return or_errno(::fdatasync(fd_.get())); }};
    }
    if (result < 0) co_return failure(result, "fdatasync");
    co_return Status();
  }

  Task<Status> allocate(std::uint64_t offset, std::uint64_t length) override {
    return change_allocation(0, offset, length);
  }
  Task<Status> punch_hole(std::uint64_t offset, std::uint64_t length) override {
    return change_allocation(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
  }

  Task<Result<std::uint64_t>> size() override {
    struct stat info;
    if (::fstat(fd_.get(), &info) != 0) co_return failure(-errno, "fstat");
    co_return static_cast<std::uint64_t>(info.st_size);
  }

 private:
  Task<Status> change_allocation(int mode, std::uint64_t offset, std::uint64_t length) {
    for (;;) {
      ssize_t result;
      if (DiskRing* ring = loop_.ring()) {
        result = co_await ring->allocate(fd_.get(), mode, offset, length);
      } else {
        result = co_await OnPool<ssize_t>{
            loop_, [&] {
              return or_errno(::fallocate(fd_.get(), mode, static_cast<off_t>(offset),
                                          static_cast<off_t>(length)));
            }};
      }
      if (result == -EINTR || result == -EAGAIN) continue;
      if (result < 0) co_return failure(result, mode == 0 ? "fallocate" : "punch hole");
      co_return Status();
    }
  }

  tl::unexpected<Error> failure(ssize_t negative_errno, const char* call) const {
    return fail_errno(static_cast<int>(-negative_errno), std::string(call) + " " + path_);
  }

  PistacheLoop& loop_;
  UniqueFd fd_;
  std::string path_;
  OpenMode mode_;
};

int open_flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY | O_CLOEXEC;
    case OpenMode::kReadWrite:
      return O_RDWR | O_CLOEXEC;
    case OpenMode::kCreateNew:
      return O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
    case OpenMode::kLocked:
      return O_RDWR | O_CREAT | O_CLOEXEC;
  }
  HYDRA_ASSERT(false);
  return 0;
}

Result<UniqueFd> open_now(const std::string& path, OpenMode mode) {
  UniqueFd fd(::open(path.c_str(), open_flags(mode), 0600));
  if (!fd.valid()) return fail_errno(errno, "open " + path);
  if (mode == OpenMode::kLocked && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail(Code::kConflict, path + " is in use by another opener");
    return fail_errno(errno, "lock " + path);
  }
  return fd;
}

Status sync_directory_now(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) return fail_errno(errno, "sync directory " + path);
  return {};
}

// From the top, so that after a loss of power no directory is there without those above it.
Status make_directories_now(const std::string& path) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string directory = path.substr(0, end);
    if (::mkdir(directory.c_str(), 0777) == 0) {
      const std::size_t slash = directory.find_last_of('/');
      HYDRA_CHECK_OK(sync_directory_now(slash == 0 ? "/" : directory.substr(0, slash)));
    } else if (errno != EEXIST) {
      return fail_errno(errno, "make " + directory);
    }
  }
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return fail_errno(ENOTDIR, "make " + path);
  return {};
}

Result<std::vector<std::string>> list_now(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(path, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
    names.push_back(entry->path().filename().string());
  if (error) return fail_errno(error.value(), "list " + path);
  std::sort(names.begin(), names.end());
  return names;
}

Result<DiskSpace> space_now(const std::string& path) {
  struct statvfs info;
  if (::statvfs(path.c_str(), &info) != 0) return fail_errno(errno, "space of " + path);
  return DiskSpace{std::uint64_t{info.f_blocks} * info.f_frsize,
                   std::uint64_t{info.f_bavail} * info.f_frsize};
}

class PistacheDisk final : public Disk {
 public:
  explicit PistacheDisk(PistacheLoop& loop) : loop_(loop) {}

  Task<Result<std::unique_ptr<File>>> open(std::string path, OpenMode mode) override {
    HYDRA_CO_TRY(UniqueFd fd,
                 co_await OnPool<Result<UniqueFd>>{loop_, [&] { return open_now(path, mode); }});
    co_return std::make_unique<PistacheFile>(loop_, std::move(fd), std::move(path), mode);
  }

  Task<Status> remove(std::string path) override {
    co_return co_await OnPool<Status>{loop_, [&]() -> Status {
                                        if (::remove(path.c_str()) != 0)
                                          return fail_errno(errno, "remove " + path);
                                        return {};
                                      }};
  }

  Task<Status> rename(std::string from, std::string to) override {
    co_return co_await OnPool<Status>{loop_, [&]() -> Status {
                                        if (::rename(from.c_str(), to.c_str()) != 0)
                                          return fail_errno(errno, "rename " + from + " to " + to);
                                        return {};
                                      }};
  }

  Task<Status> make_directories(std::string path) override {
    co_return co_await OnPool<Status>{loop_, [&] { return make_directories_now(path); }};
  }

  Task<Status> sync_directory(std::string path) override {
    co_return co_await OnPool<Status>{loop_, [&] { return sync_directory_now(path); }};
  }
  Task<Result<std::vector<std::string>>> list(std::string path) override {
    co_return co_await OnPool<Result<std::vector<std::string>>>{loop_,
                                                                [&] { return list_now(path); }};
  }
  Task<Result<DiskSpace>> space(std::string path) override {
    co_return co_await OnPool<Result<DiskSpace>>{loop_, [&] { return space_now(path); }};
  }

  Result<std::unique_ptr<kv::Store>> open_kv(std::string path, kv::Options options) override {
    return kv::open_lmdb(path, options);
  }

 private:
  PistacheLoop& loop_;
};

}  // namespace

std::unique_ptr<Disk> make_disk(PistacheLoop& loop) { return std::make_unique<PistacheDisk>(loop); }

}  // namespace hydra::runtime
