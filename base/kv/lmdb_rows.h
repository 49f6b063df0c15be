// LMDB as the store needs it: an environment of rows (keys of at most 511 bytes, one table), with
// reader slots that are pooled, row transactions and row cursors. lmdb_rows.cc is the only file
// that includes lmdb.h.
//
// RowStore is thread-safe and must be held by shared_ptr: the transactions keep it open. A
// RowTransaction and its cursors belong to one thread. Errors are those of lmdb_store.h.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/kv/kv.h"
#include "base/kv/unsynced_marker.h"
#include "base/result.h"

struct MDB_cursor;
struct MDB_env;
struct MDB_txn;

namespace hydra::kv {

class RowTransaction;

// Walks rows. row() and value() are valid until it moves, the transaction writes or ends. It ends
// with its transaction: a later move is a programmer's error, destroying it is not.
class RowCursor {
 public:
  explicit RowCursor(RowTransaction& transaction);
  RowCursor(const RowCursor&) = delete;
  RowCursor& operator=(const RowCursor&) = delete;
  ~RowCursor();

  // Each is true when there is such a row.
  Result<bool> seek(ByteView at_or_after);
  Result<bool> seek_before(ByteView row);
  Result<bool> next();
  Result<bool> previous();
  Result<bool> last();

  ByteView row() const { return row_; }
  ByteView value() const { return value_; }
  // The transaction has written since the last move: row() and value() are gone.
  bool stale() const;

 private:
  friend class RowTransaction;
  Result<bool> move(int operation, ByteView target);
  void close();

  RowTransaction* transaction_;
  MDB_cursor* cursor_ = nullptr;
  std::uint64_t writes_seen_ = 0;
  ByteView row_;
  ByteView value_;
};

// A read or write transaction; destroying it undoes what was not committed.
class RowTransaction {
 public:
  RowTransaction(std::shared_ptr<class RowStore> store, MDB_txn* txn, bool writable);
  RowTransaction(const RowTransaction&) = delete;
  RowTransaction& operator=(const RowTransaction&) = delete;
  ~RowTransaction();

  bool ended() const { return txn_ == nullptr; }
  // The view is valid until the next write or the end.
  Result<std::optional<ByteView>> get(ByteView row);
  Status put(ByteView row, ByteView value);
  Result<bool> erase(ByteView row);  // false: it was absent
  Status commit();                   // ends it either way
  void abort();

 private:
  friend class RowCursor;
  MDB_txn* end();

  std::shared_ptr<RowStore> store_;
  MDB_txn* txn_;
  bool writable_;
  std::uint64_t writes_ = 0;
  std::vector<RowCursor*> cursors_;
};

class RowStore : public std::enable_shared_from_this<RowStore> {
 public:
  // Opens or creates the environment in a directory that exists.
  static Result<std::shared_ptr<RowStore>> open(const std::string& directory, Options options);
  ~RowStore();

  Result<std::unique_ptr<RowTransaction>> begin_read();
  Result<std::unique_ptr<RowTransaction>> begin_write();
  Status sync();

 private:
  friend class RowCursor;
  friend class RowTransaction;
  using DirectoryId = std::pair<std::uint64_t, std::uint64_t>;  // device and inode

  RowStore(DirectoryId id, bool durable, UnsyncedMarker marker)
      : id_(id), durable_(durable), marker_(std::move(marker)) {}
  Status open_environment(const std::string& directory, std::uint64_t map_bytes);
  Status open_table();
  Status clear_marker();

  Result<MDB_txn*> acquire_read();
  int try_begin_read(MDB_txn** txn);
  void end_read(MDB_txn* txn);
  Status end_write(MDB_txn* txn, bool commit);
  void count_end();
  // Takes over the map size that another process has set. kUnavailable while transactions are
  // active here.
  Status adopt_map_size();

  DirectoryId id_;
  bool durable_;
  UnsyncedMarker marker_;
  MDB_env* env_ = nullptr;
  unsigned dbi_ = 0;
  std::atomic<bool> fenced_{false};
  std::atomic<std::thread::id> writer_{};

  std::mutex mutex_;  // of what follows
  std::size_t active_ = 0;
  std::vector<MDB_txn*> pool_;
};

}  // namespace hydra::kv
