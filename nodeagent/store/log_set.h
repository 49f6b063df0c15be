// LogSet: the log files of one store: which are there, where the next record goes, how much room is
// left, and the fence that falls when the device fails. Owned by the store, used on its loop.
//
// The rule that lets a log be walked after a crash: whenever something in a log is acknowledged,
// the headers of all records reserved before it are on the disk. So a reservation notes its header
// in `unwritten`, and whoever syncs writes what is still there (write_headers). A log is sealed,
// durably, before the next one takes records.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/runtime/io.h"
#include "base/runtime/sync.h"
#include "nodeagent/store/index_format.h"
#include "nodeagent/store/log_format.h"
#include "nodeagent/store/store.h"

namespace hydra::agent {

struct Log {
  std::uint64_t generation = 0;
  std::string path;
  std::unique_ptr<File> file;
  std::uint64_t log_bytes = 0;
  std::uint64_t tail = kFirstRecord;     // where the next record would begin
  std::uint64_t settled = kFirstRecord;  // the headers before it are known to be durable
  std::uint64_t live_bytes = 0;          // of records the index refers to
  std::uint64_t punched_bytes = 0;       // given back to the file system
  bool sealed = false;                   // takes no more records
  bool dirty = false;                    // has writes that no sync has covered
  bool keep = false;                     // compaction failed on it: leave it alone
  std::map<std::uint64_t, RecordHeaderBytes> unwritten;  // reserved headers by offset
  int header_writers = 0;                                // write_headers calls under way
  std::set<std::uint64_t> open;          // reserved, neither committed nor abandoned
  std::multiset<std::uint64_t> sending;  // records whose bytes are being sent from the file

  std::uint64_t room() const {
    return sealed || log_bytes < tail + kRecordHeaderBytes ? 0
                                                           : log_bytes - tail - kRecordHeaderBytes;
  }
  std::uint64_t physical_bytes() const { return log_bytes - punched_bytes; }
  LogState state() const;
};
using LogPtr = std::shared_ptr<Log>;

// A record's place, reserved.
struct Reservation {
  LogPtr log;
  RecordHeader header;
  RecordHeaderBytes header_bytes;
};

enum class Purpose {
  kShard,   // leaves the reserve alone
  kUpkeep,  // tombstones and compaction, which give space back, and the gateway's journal, without
            // which nothing can be deleted: may use it
};

class LogSet {
 public:
  LogSet(Loop& loop, const StoreOptions& options, NodeIdentity identity);

  std::string directory() const { return directory_; }
  void set_cluster(ClusterId cluster) { cluster_ = cluster; }
  const std::map<std::uint64_t, LogPtr>& all() const { return logs_; }
  LogPtr find(std::uint64_t generation) const;
  const LogPtr& active() const { return active_; }

  // For replay: adds a log found on the disk; chooses the active one; sets what the next one is
  // called.
  void adopt(LogPtr log);
  void activate(LogPtr log) { active_ = std::move(log); }
  std::uint64_t next_generation() const { return next_generation_; }
  void set_next_generation(std::uint64_t generation) { next_generation_ = generation; }
  std::string path_of(std::uint64_t generation) const;

  // Reserves the place of a record, in a new log when the active one is full. Fills in the header's
  // cluster, node, generation, offset and record_bytes. kNoSpace, kFenced, kIo.
  Task<Result<Reservation>> reserve(RecordHeader header, Purpose purpose);
  // Gives a reservation up: its record will have no trailer. Returns whether its space was taken
  // back at once.
  bool abandon(const Reservation& reservation);

  // All writing to logs goes through these; they fence on kIo.
  Task<Status> write(LogPtr log, std::vector<ByteView> pieces, std::uint64_t offset);
  Task<Status> write_headers(LogPtr log, std::uint64_t before);
  Task<Status> sync(LogPtr log);
  // Ends the log for new records, durably.
  Task<Status> seal(LogPtr log, std::uint64_t sequence);
  // Gives [first, last) of the log back; failure is not an error.
  Task<void> punch(LogPtr log, std::uint64_t first, std::uint64_t last);
  // Unlinks a log that nothing refers to.
  Task<Status> drop(LogPtr log);

  // Asks the file system again what it has.
  Task<void> refresh_space();
  std::uint64_t capacity_bytes() const;
  std::uint64_t physical_bytes() const { return physical_; }
  std::uint64_t live_bytes() const;
  std::uint64_t free_bytes() const;

  // Called with the last sequence for a seal.
  void set_sequence_source(std::function<std::uint64_t()> source) { sequence_ = std::move(source); }

  bool fenced() const { return fenced_.has_value(); }
  // No write or sync is tried from now on; a marker is left in the directory if that works.
  void fence(std::string reason);
  Error fence_error() const;

  std::uint64_t syncs() const { return syncs_; }
  // How long a sync takes lately: a moving average over some eight; 0 before the first.
  Nanos sync_time() const { return sync_time_; }
  std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  Result<std::optional<Reservation>> try_reserve(RecordHeader header, Purpose purpose);
  Task<Status> rotate(std::uint64_t record_bytes, Purpose purpose);
  Result<std::uint64_t> size_of_next(std::uint64_t record_bytes, Purpose purpose) const;
  Task<Result<LogPtr>> create(std::uint64_t log_bytes);
  Task<Status> prepare(LogPtr log);
  // Consumed by records, dead or alive; the room of the active log is not.
  std::uint64_t consumed_bytes() const;

  Loop& loop_;
  std::string store_directory_;
  std::string directory_;
  std::uint64_t log_bytes_;
  std::uint64_t capacity_limit_;
  std::uint64_t reserve_bytes_;
  NodeIdentity identity_;
  ClusterId cluster_;
  std::map<std::uint64_t, LogPtr> logs_;
  LogPtr active_;
  std::uint64_t next_generation_ = 1;
  std::uint64_t physical_ = 0;  // of all logs
  std::uint64_t disk_free_ = 0;
  Semaphore rotating_;
  std::function<std::uint64_t()> sequence_;
  std::optional<std::string> fenced_;
  std::uint64_t syncs_ = 0;
  Nanos sync_time_ = 0;
  std::uint64_t bytes_written_ = 0;
};

}  // namespace hydra::agent
