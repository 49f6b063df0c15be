// The simulated disk of one process: files and names, each with a volatile image (what the page
// cache shows) and a durable one (what a power loss leaves). A crash of the process changes
// neither; lose_power() decides by the seed about every change that was not synced.
// docs/SIMULATION.md has the fault model.
//
// Tests use SimDisk directly, to look and to do harm; the process uses it through Loop::disk().
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/kv/memory_store.h"
#include "base/runtime/io.h"
#include "base/runtime/sim/faults.h"
#include "base/runtime/sim/scheduler.h"
#include "base/runtime/sim/sim_image.h"

namespace hydra::sim {

class SimLoop;

enum class DiskFault : std::uint8_t {
  kReadError,         // kIo
  kWriteError,        // kIo, nothing written
  kSyncError,         // kIo, and what should have become durable is dropped
  kLostWrite,         // reported as done, never done
  kMisdirectedWrite,  // done at another sector of the file
};

class SimDisk {
 public:
  SimDisk(Scheduler& scheduler, const DiskFaults& faults, std::uint64_t seed);
  ~SimDisk();
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  // Rates, latencies and capacity of this disk; may be changed while it runs.
  DiskFaults& faults() { return faults_; }
  // Multiplies every latency from now on.
  void set_slow(double factor) { slow_ = factor; }
  // The next `times` operations of this kind under `path` (a file or a directory) fail so. Adds up.
  void inject(std::string path, DiskFault fault, std::uint64_t times = 1);
  void clear_injected() { injected_.clear(); }
  // Bit rot: changes every byte of the range, in cache and on the medium. False: no such bytes.
  bool corrupt(const std::string& path, std::uint64_t offset, std::uint64_t length);
  // What reads would see there. False: the file has no such bytes.
  bool peek(const std::string& path, std::uint64_t offset, MutableBytes into) const;
  // Puts these bytes there, in cache and on the medium, behind the back of whoever has it open.
  // False: the file has no such bytes.
  bool overwrite(const std::string& path, std::uint64_t offset, ByteView bytes);
  // Cuts the file off, in cache and on the medium. False: no such file.
  bool truncate(const std::string& path, std::uint64_t size);

  // At once, durable, without latency; directories are made as needed.
  void put(const std::string& path, std::string_view bytes);
  void prepare_directory(const std::string& path);
  // A file, or a directory with all in it. False: it was not there.
  bool erase(const std::string& path);
  // The device was replaced by an empty one.
  void wipe();

  bool exists(const std::string& path) const;
  // Every file under a directory, sorted paths.
  std::vector<std::string> files(const std::string& directory = "/") const;
  std::optional<std::string> contents(const std::string& path) const;
  // What a power loss would leave at the least. nullopt: perhaps not even the name.
  std::optional<std::string> durable_contents(const std::string& path) const;
  std::uint64_t used_bytes() const { return *used_pages_ * kPageBytes; }
  // The image behind open_kv(path), for kv::MemoryImage::fail_commits. Null: none there.
  std::shared_ptr<kv::MemoryImage> kv_image(const std::string& path) const;

  // Every unsynced change is kept, lost or torn. Process::power_loss() calls it.
  void lose_power();
  // The process is gone: its locks end.
  void process_stopped() { locked_.clear(); }
  std::string report() const;

 private:
  friend class LoopDisk;
  friend class SimFile;
  friend class InFlightWrite;
  struct Inode;
  struct NameChange;
  using InodePtr = std::shared_ptr<Inode>;
  struct Place {  // a name in an existing directory
    InodePtr directory;
    std::string name;
    InodePtr inode;  // null: nothing there
  };

  // Names.
  InodePtr find(std::string_view path) const;
  Result<Place> locate(std::string_view path) const;
  InodePtr make_inode(bool directory);
  void record(NameChange change);
  Result<InodePtr> open(const std::string& path, OpenMode mode);
  Status remove(const std::string& path);
  Status rename(const std::string& from, const std::string& to);
  Status make_directories(const std::string& path);
  Status sync_directory(const std::string& path);
  Result<std::vector<std::string>> list(const std::string& path) const;
  Result<std::shared_ptr<kv::MemoryImage>> open_kv(const std::string& path);
  // The lock's number, 0 when another opener holds it. unlock() ends that very lock only.
  std::uint64_t lock(const InodePtr& inode);
  void unlock(const InodePtr& inode, std::uint64_t number);

  // Data. `path` is the name at opening, for injected faults.
  Status check_read(const std::string& path);
  std::size_t read(const Inode& inode, std::uint64_t offset, MutableBytes into) const;
  Status change(const InodePtr& inode, const std::string& path, Change change);
  void interrupt(const InodePtr& inode, Change change);
  std::uint64_t next_change() const { return next_change_; }
  Status finish_sync(const InodePtr& inode, const std::string& path, std::uint64_t before);
  void drop_dirty(Inode& inode, std::uint64_t before);
  void apply_cached(Inode& inode, Change change);
  std::uint64_t free_pages() const;
  bool strikes(const std::string& path, DiskFault fault, double rate);
  Nanos latency(Range range);
  void revert_to_durable(const InodePtr& inode, bool keep_all, bool lose_all,
                         std::set<const Inode*>& seen);

  struct Injected {
    std::string path;
    DiskFault fault;
    std::uint64_t times;
  };

  Scheduler& scheduler_;
  DiskFaults faults_;
  Prng prng_;
  double slow_ = 1;
  std::uint64_t next_inode_ = 1;
  std::uint64_t next_change_ = 1;
  std::shared_ptr<std::uint64_t> used_pages_;  // inodes that outlive their names count, too
  InodePtr root_;
  std::vector<NameChange> name_changes_;           // not yet durable, in order
  std::map<std::uint64_t, std::uint64_t> locked_;  // inode number -> lock number
  std::uint64_t next_lock_ = 1;
  std::vector<Injected> injected_;
};

// A SimDisk as one loop sees it.
class LoopDisk final : public Disk {
 public:
  explicit LoopDisk(SimLoop& loop) : loop_(loop) {}
  Task<Result<std::unique_ptr<File>>> open(std::string path, OpenMode mode) override;
  Task<Status> remove(std::string path) override;
  Task<Status> rename(std::string from, std::string to) override;
  Task<Status> make_directories(std::string path) override;
  Task<Status> sync_directory(std::string path) override;
  Task<Result<std::vector<std::string>>> list(std::string path) override;
  Task<Result<DiskSpace>> space(std::string path) override;
  Result<std::unique_ptr<kv::Store>> open_kv(std::string path, kv::Options options) override;

 private:
  SimDisk& disk() const;
  SimLoop& loop_;
};

}  // namespace hydra::sim
