#include "base/kv/unsynced_marker.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace hydra::kv {
namespace {

constexpr char kBootIdFile[] = "/proc/sys/kernel/random/boot_id";
constexpr std::size_t kBootIdBytes = 36;

Error system_failure(const char* doing) {
  int number = errno;
  Code code = number == ENOSPC || number == EDQUOT ? Code::kNoSpace : Code::kIo;
  return {code, std::string(doing) + ": " + std::generic_category().message(number)};
}

int lock(int fd, int operation) {
  int rc;
  do rc = ::flock(fd, operation);
  while (rc != 0 && errno == EINTR);
  return rc;
}

// One byte more than an id, so that a longer content is seen to be none.
Result<std::string> read_start(int fd) {
  std::array<char, kBootIdBytes + 1> bytes;
  ssize_t length = ::pread(fd, bytes.data(), bytes.size(), 0);
  if (length < 0) return fail(system_failure("read"));
  return std::string(bytes.data(), static_cast<std::size_t>(length));
}

Result<std::string> read_boot_id() {
  int fd = ::open(kBootIdFile, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(system_failure(kBootIdFile));
  auto id = read_start(fd);
  ::close(fd);
  if (id && id->size() > kBootIdBytes) id->resize(kBootIdBytes);  // its newline
  return id;
}

}  // namespace

Result<UnsyncedMarker> UnsyncedMarker::open(const std::string& directory) {
  HYDRA_TRY(std::string boot, read_boot_id());
  std::string path = directory + "/unsynced";
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return fail(system_failure(path.c_str()));
  UnsyncedMarker marker(fd, std::move(boot));
  if (lock(fd, LOCK_SH) != 0) return fail(system_failure(path.c_str()));
  HYDRA_TRY(std::string content, read_start(fd));
  marker.set_ = !content.empty();
  if (marker.set_ && content != marker.boot_)
    return fail(Code::kCorrupt,
                directory + " was not synced before the machine stopped: rebuild it");
  return marker;
}

UnsyncedMarker::UnsyncedMarker(UnsyncedMarker&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), boot_(std::move(other.boot_)), set_(other.set_) {}

UnsyncedMarker::~UnsyncedMarker() {
  if (fd_ >= 0) ::close(fd_);
}

Status UnsyncedMarker::write(const std::string& content) {
  bool ok = content.empty() ? ::ftruncate(fd_, 0) == 0
                            : ::pwrite(fd_, content.data(), content.size(), 0) ==
                                  static_cast<ssize_t>(content.size());
  if (!ok || ::fsync(fd_) != 0) return fail(system_failure("write the unsynced marker"));
  return {};
}

Status UnsyncedMarker::set() {
  if (!set_) HYDRA_CHECK_OK(write(boot_));
  set_ = true;
  return {};
}

Status UnsyncedMarker::clear() {
  if (!set_) return {};
  if (lock(fd_, LOCK_EX | LOCK_NB) != 0) {
    // A failed change of mode may have dropped the shared lock.
    if (errno != EWOULDBLOCK || lock(fd_, LOCK_SH) != 0) return fail(system_failure("lock"));
    return {};
  }
  Status status = write({});
  if (status) set_ = false;
  if (lock(fd_, LOCK_SH) != 0) return fail(system_failure("lock"));
  return status;
}

}  // namespace hydra::kv
