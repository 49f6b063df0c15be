// The process's side of a simulated disk: Disk and File, each operation with its latency.
#include <utility>

#include "base/runtime/sim/sim_disk.h"
#include "base/runtime/sim/sim_inode.h"
#include "base/runtime/sim/sim_sending.h"
#include "base/runtime/sim/simulation.h"
#include "base/runtime/sync.h"

namespace hydra::sim {

// A change the kernel works on. If the process dies first, the disk decides what was done of it.
class InFlightWrite {
 public:
  InFlightWrite(SimDisk& disk, SimDisk::InodePtr inode, Change change)
      : disk_(disk), inode_(std::move(inode)), change_(std::move(change)) {}
  InFlightWrite(const InFlightWrite&) = delete;
  InFlightWrite& operator=(const InFlightWrite&) = delete;
  ~InFlightWrite() {
    if (!done_) disk_.interrupt(inode_, std::move(change_));
  }
  Status finish(const std::string& path) {
    done_ = true;
    return disk_.change(inode_, path, std::move(change_));
  }

 private:
  SimDisk& disk_;
  SimDisk::InodePtr inode_;
  Change change_;
  bool done_ = false;
};

class SimFile final : public File, public SimSendableFile {
 public:
  SimFile(SimLoop& loop, SimDisk& disk, SimDisk::InodePtr inode, std::string path, bool writable,
          std::uint64_t lock)
      : loop_(loop),
        disk_(disk),
        inode_(std::move(inode)),
        path_(std::move(path)),
        writable_(writable),
        lock_(lock) {}
  ~SimFile() override {
    if (lock_ != 0) disk_.unlock(inode_, lock_);
  }

  Task<Result<std::size_t>> read(MutableBytes into, std::uint64_t offset) override {
    co_await sleep_for(loop_, disk_.latency(disk_.faults_.read_latency));
    HYDRA_CO_CHECK_OK(disk_.check_read(path_));
    co_return disk_.read(*inode_, offset, into);
  }

  // At times the bytes are not in memory, and have to be read.
  bool in_memory(std::uint64_t, std::uint64_t) const override { return disk_.prng_.chance(0.5); }
  std::string cached_bytes(std::uint64_t offset, std::uint64_t length) const override {
    std::string bytes(length, '\0');
    bytes.resize(disk_.read(*inode_, offset, std::as_writable_bytes(std::span(bytes))));
    return bytes;
  }

  Task<Status> write(std::span<const ByteView> pieces, std::uint64_t offset) override {
    Change change{Change::Kind::kWrite, offset};
    for (const ByteView& piece : pieces) append(change.bytes, piece);
    change.length = change.bytes.size();
    if (change.length == 0) co_return Status();
    co_return co_await alter(std::move(change));
  }

  Task<Status> allocate(std::uint64_t offset, std::uint64_t length) override {
    return alter(Change{Change::Kind::kAllocate, offset, length});
  }

  Task<Status> punch_hole(std::uint64_t offset, std::uint64_t length) override {
    return alter(Change{Change::Kind::kPunch, offset, length});
  }

  Task<Status> sync() override {
    const std::uint64_t before = disk_.next_change();
    co_await sleep_for(loop_, disk_.latency(disk_.faults_.sync_latency));
    co_return disk_.finish_sync(inode_, path_, before);
  }

  Task<Result<std::uint64_t>> size() override { co_return inode_->cached.size; }

 private:
  Task<Status> alter(Change change) {
    if (!writable_) co_return fail(Code::kIo, path_ + " is open for reading");
    InFlightWrite write(disk_, inode_, std::move(change));
    co_await sleep_for(loop_, disk_.latency(disk_.faults_.write_latency));
    co_return write.finish(path_);
  }

  SimLoop& loop_;
  SimDisk& disk_;
  SimDisk::InodePtr inode_;
  std::string path_;
  bool writable_;
  std::uint64_t lock_;
};

SimDisk& LoopDisk::disk() const { return loop_.process().disk(); }

Task<Result<std::unique_ptr<File>>> LoopDisk::open(std::string path, OpenMode mode) {
  co_await sleep_for(loop_, disk().latency(disk().faults_.read_latency));
  HYDRA_CO_TRY(SimDisk::InodePtr inode, disk().open(path, mode));
  const std::uint64_t lock = mode == OpenMode::kLocked ? disk().lock(inode) : 0;
  if (mode == OpenMode::kLocked && lock == 0)
    co_return fail(Code::kConflict, path + " is locked by another opener");
  co_return std::make_unique<SimFile>(loop_, disk(), std::move(inode), std::move(path),
                                      mode != OpenMode::kRead, lock);
}

Task<Status> LoopDisk::remove(std::string path) {
  co_await sleep_for(loop_, disk().latency(disk().faults_.write_latency));
  co_return disk().remove(path);
}

Task<Status> LoopDisk::rename(std::string from, std::string to) {
  co_await sleep_for(loop_, disk().latency(disk().faults_.write_latency));
  co_return disk().rename(from, to);
}

Task<Status> LoopDisk::make_directories(std::string path) {
  co_await sleep_for(loop_, disk().latency(disk().faults_.write_latency));
  co_return disk().make_directories(path);
}

Task<Status> LoopDisk::sync_directory(std::string path) {
  co_await sleep_for(loop_, disk().latency(disk().faults_.sync_latency));
  if (disk().strikes(path, DiskFault::kSyncError, disk().faults_.sync_error))
    co_return fail(Code::kIo, path + ": simulated sync error");
  co_return disk().sync_directory(path);
}

Task<Result<std::vector<std::string>>> LoopDisk::list(std::string path) {
  co_await sleep_for(loop_, disk().latency(disk().faults_.read_latency));
  co_return disk().list(path);
}

Task<Result<DiskSpace>> LoopDisk::space(std::string) {
  co_return DiskSpace{disk().faults_.capacity_bytes, disk().free_pages() * kPageBytes};
}

Result<std::unique_ptr<kv::Store>> LoopDisk::open_kv(std::string path, kv::Options options) {
  HYDRA_TRY(std::shared_ptr<kv::MemoryImage> image, disk().open_kv(path));
  return kv::open_memory(std::move(image), options);
}

}  // namespace hydra::sim
