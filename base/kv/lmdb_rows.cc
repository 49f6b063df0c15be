#include "base/kv/lmdb_rows.h"

#include <lmdb.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/assert.h"

namespace hydra::kv {
namespace {

constexpr unsigned kMaxReaders = 1024;  // of all processes together
constexpr std::size_t kMaxPooledReaders = 64;
constexpr std::uint64_t kMinMapBytes = 1u << 20;
constexpr std::uint64_t kMaxMapBytes = sizeof(void*) == 4 ? 1ull << 30 : 1ull << 46;

MDB_val val_of(ByteView bytes) { return {bytes.size(), const_cast<std::byte*>(bytes.data())}; }
ByteView view_of(const MDB_val& val) {
  return {static_cast<const std::byte*>(val.mv_data), val.mv_size};
}

Code code_of(int rc) {
  switch (rc) {
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
      return Code::kNoSpace;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
      return Code::kCorrupt;
    case MDB_VERSION_MISMATCH:
      return Code::kUnsupported;
    case MDB_PANIC:
      return Code::kFenced;
    case MDB_READERS_FULL:
    case MDB_MAP_RESIZED:
      return Code::kUnavailable;
    case MDB_TXN_FULL:
      return Code::kTooLarge;
    default:
      return rc > 0 ? Code::kIo : Code::kInternal;  // positive ones are errno
  }
}

Error error_of(int rc, const std::string& doing) {
  return {code_of(rc), doing + ": " + mdb_strerror(rc)};
}

// The directories open in this process.
struct OpenDirectories {
  std::mutex mutex;
  std::set<std::pair<std::uint64_t, std::uint64_t>> ids;
  static OpenDirectories& instance() {
    static OpenDirectories directories;
    return directories;
  }
};

}  // namespace

// ---- cursor

RowCursor::RowCursor(RowTransaction& transaction) : transaction_(&transaction) {
  HYDRA_ASSERT(!transaction.ended());
  transaction.cursors_.push_back(this);
}

RowCursor::~RowCursor() {
  if (transaction_ != nullptr) std::erase(transaction_->cursors_, this);
  close();
}

void RowCursor::close() {
  if (cursor_ != nullptr) mdb_cursor_close(std::exchange(cursor_, nullptr));
  transaction_ = nullptr;
}

Result<bool> RowCursor::move(int operation, ByteView target) {
  HYDRA_ASSERT(transaction_ != nullptr);
  if (cursor_ == nullptr) {
    int rc = mdb_cursor_open(transaction_->txn_, transaction_->store_->dbi_, &cursor_);
    if (rc != 0) return fail(error_of(rc, "open cursor"));
  }
  MDB_val row = val_of(target);
  MDB_val value{};
  int rc = mdb_cursor_get(cursor_, &row, &value, static_cast<MDB_cursor_op>(operation));
  if (rc == MDB_NOTFOUND) return false;
  if (rc != 0) return fail(error_of(rc, "move cursor"));
  row_ = view_of(row);
  value_ = view_of(value);
  writes_seen_ = transaction_->writes_;
  return true;
}

bool RowCursor::stale() const {
  HYDRA_ASSERT(transaction_ != nullptr);
  return writes_seen_ != transaction_->writes_;
}

Result<bool> RowCursor::seek(ByteView at_or_after) { return move(MDB_SET_RANGE, at_or_after); }
Result<bool> RowCursor::next() { return move(MDB_NEXT, {}); }
Result<bool> RowCursor::previous() { return move(MDB_PREV, {}); }
Result<bool> RowCursor::last() { return move(MDB_LAST, {}); }

Result<bool> RowCursor::seek_before(ByteView row) {
  HYDRA_TRY(bool found, seek(row));
  return found ? previous() : last();
}

// ---- transaction

RowTransaction::RowTransaction(std::shared_ptr<RowStore> store, MDB_txn* txn, bool writable)
    : store_(std::move(store)), txn_(txn), writable_(writable) {}

RowTransaction::~RowTransaction() { abort(); }

MDB_txn* RowTransaction::end() {
  for (RowCursor* cursor : cursors_) cursor->close();
  cursors_.clear();
  return std::exchange(txn_, nullptr);
}

void RowTransaction::abort() {
  if (txn_ == nullptr) return;
  if (writable_) {
    (void)store_->end_write(end(), false);
  } else {
    store_->end_read(end());
  }
}

Status RowTransaction::commit() {
  HYDRA_ASSERT(txn_ != nullptr && writable_);
  return store_->end_write(end(), true);
}

Result<std::optional<ByteView>> RowTransaction::get(ByteView row) {
  HYDRA_ASSERT(txn_ != nullptr);
  MDB_val key = val_of(row);
  MDB_val value{};
  int rc = mdb_get(txn_, store_->dbi_, &key, &value);
  if (rc == MDB_NOTFOUND) return std::nullopt;
  if (rc != 0) return fail(error_of(rc, "get"));
  return view_of(value);
}

Status RowTransaction::put(ByteView row, ByteView value) {
  HYDRA_ASSERT(txn_ != nullptr && writable_);
  ++writes_;
  MDB_val key = val_of(row);
  MDB_val data = val_of(value);
  int rc = mdb_put(txn_, store_->dbi_, &key, &data, 0);
  if (rc != 0) return fail(error_of(rc, "put"));
  return {};
}

Result<bool> RowTransaction::erase(ByteView row) {
  HYDRA_ASSERT(txn_ != nullptr && writable_);
  ++writes_;
  MDB_val key = val_of(row);
  int rc = mdb_del(txn_, store_->dbi_, &key, nullptr);
  if (rc == MDB_NOTFOUND) return false;
  if (rc != 0) return fail(error_of(rc, "erase"));
  return true;
}

// ---- store

Result<std::shared_ptr<RowStore>> RowStore::open(const std::string& directory, Options options) {
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0) return fail(error_of(errno, directory));
  DirectoryId id{status.st_dev, status.st_ino};
  {
    auto& directories = OpenDirectories::instance();
    std::lock_guard lock(directories.mutex);
    if (directories.ids.contains(id))
      return fail(Code::kAlreadyExists, directory + " is already open in this process");
    directories.ids.insert(id);
  }
  auto marker = UnsyncedMarker::open(directory);
  if (!marker) {
    auto& directories = OpenDirectories::instance();
    std::lock_guard lock(directories.mutex);
    directories.ids.erase(id);
    return fail(std::move(marker).error());
  }
  // From here on its destructor undoes all.
  std::shared_ptr<RowStore> store(new RowStore(id, options.durable, std::move(*marker)));
  if (!options.durable) HYDRA_CHECK_OK(store->marker_.set());
  HYDRA_CHECK_OK(store->open_environment(directory, options.map_bytes));
  HYDRA_CHECK_OK(store->open_table());
  if (options.durable) HYDRA_CHECK_OK(store->clear_marker());
  return store;
}

Status RowStore::open_environment(const std::string& directory, std::uint64_t map_bytes) {
  int rc = mdb_env_create(&env_);
  if (rc != 0) return fail(error_of(rc, "create environment"));
  map_bytes = std::clamp(map_bytes, kMinMapBytes, kMaxMapBytes);
  map_bytes = map_bytes / kMinMapBytes * kMinMapBytes;  // whole pages
  rc = mdb_env_set_mapsize(env_, static_cast<std::size_t>(map_bytes));
  if (rc == 0) rc = mdb_env_set_maxreaders(env_, kMaxReaders);
  // Without MDB_WRITEMAP commits reach the page cache by pwrite: they survive a crash of the
  // process even where MDB_NOSYNC leaves their way to the device open.
  unsigned flags = MDB_NOTLS | (durable_ ? 0u : MDB_NOSYNC);
  if (rc == 0) rc = mdb_env_open(env_, directory.c_str(), flags, 0600);
  if (rc != 0) return fail(error_of(rc, directory));
  int dead = 0;  // slots left behind by processes that crashed
  mdb_reader_check(env_, &dead);
  return {};
}

Status RowStore::open_table() {
  HYDRA_TRY(MDB_txn * txn, acquire_read());
  int rc = mdb_dbi_open(txn, nullptr, 0, &dbi_);
  end_read(txn);
  if (rc != 0) return fail(error_of(rc, "open table"));
  return {};
}

// At a durable open: another process that did not sync has crashed, or still runs.
Status RowStore::clear_marker() {
  if (!marker_.is_set()) return {};
  int rc = mdb_env_sync(env_, 1);
  if (rc != 0) return fail(error_of(rc, "sync"));
  return marker_.clear();
}

RowStore::~RowStore() {
  for (MDB_txn* txn : pool_) mdb_txn_abort(txn);
  if (env_ != nullptr) {
    if (!durable_ && !fenced_ && mdb_env_sync(env_, 1) == 0) (void)marker_.clear();
    mdb_env_close(env_);
  }
  auto& directories = OpenDirectories::instance();
  std::lock_guard lock(directories.mutex);
  directories.ids.erase(id_);
}

int RowStore::try_begin_read(MDB_txn** txn) {
  *txn = nullptr;
  {
    std::lock_guard lock(mutex_);
    ++active_;
    if (!pool_.empty()) {
      *txn = pool_.back();
      pool_.pop_back();
    }
  }
  int rc = 0;
  if (*txn != nullptr) {
    rc = mdb_txn_renew(*txn);
    if (rc != 0) mdb_txn_abort(*txn);
  } else {
    rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, txn);
    if (rc == MDB_READERS_FULL) {
      int dead = 0;
      mdb_reader_check(env_, &dead);
      if (dead > 0) rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, txn);
    }
  }
  if (rc != 0) count_end();
  return rc;
}

Result<MDB_txn*> RowStore::acquire_read() {
  MDB_txn* txn = nullptr;
  int rc = try_begin_read(&txn);
  if (rc == MDB_MAP_RESIZED) {
    HYDRA_CHECK_OK(adopt_map_size());
    rc = try_begin_read(&txn);
  }
  if (rc != 0) return fail(error_of(rc, "begin snapshot"));
  return txn;
}

Result<std::unique_ptr<RowTransaction>> RowStore::begin_read() {
  HYDRA_TRY(MDB_txn * txn, acquire_read());
  return std::make_unique<RowTransaction>(shared_from_this(), txn, false);
}

void RowStore::end_read(MDB_txn* txn) {
  mdb_txn_reset(txn);
  std::lock_guard lock(mutex_);
  --active_;
  if (pool_.size() < kMaxPooledReaders) {
    pool_.push_back(txn);
  } else {
    mdb_txn_abort(txn);
  }
}

Result<std::unique_ptr<RowTransaction>> RowStore::begin_write() {
  if (fenced_) return fail(Code::kFenced, "key-value store failed a write");
  HYDRA_ASSERT(writer_.load() != std::this_thread::get_id());
  for (int attempt = 0;; ++attempt) {
    {
      std::lock_guard lock(mutex_);
      ++active_;
    }
    MDB_txn* txn = nullptr;
    int rc = mdb_txn_begin(env_, nullptr, 0, &txn);
    if (rc == 0) {
      writer_ = std::this_thread::get_id();
      return std::make_unique<RowTransaction>(shared_from_this(), txn, true);
    }
    count_end();
    if (rc != MDB_MAP_RESIZED || attempt > 0) return fail(error_of(rc, "begin transaction"));
    HYDRA_CHECK_OK(adopt_map_size());
  }
}

Status RowStore::end_write(MDB_txn* txn, bool commit) {
  HYDRA_ASSERT(writer_.load() == std::this_thread::get_id());
  writer_ = std::thread::id();
  int rc = 0;
  if (commit) {
    rc = mdb_txn_commit(txn);
  } else {
    mdb_txn_abort(txn);
  }
  count_end();
  if (rc == 0) return {};
  Error error = error_of(rc, "commit");
  if (error.code == Code::kIo) fenced_ = true;
  return fail(std::move(error));
}

void RowStore::count_end() {
  std::lock_guard lock(mutex_);
  --active_;
}

Status RowStore::sync() {
  if (fenced_) return fail(Code::kFenced, "key-value store failed a write");
  if (durable_) return {};
  int rc = mdb_env_sync(env_, 1);
  if (rc == 0) return {};
  fenced_ = true;
  return fail(error_of(rc, "sync"));
}

Status RowStore::adopt_map_size() {
  std::lock_guard lock(mutex_);
  if (active_ > 0) return fail(Code::kUnavailable, "key-value store is growing its map");
  int rc = mdb_env_set_mapsize(env_, 0);
  if (rc != 0) return fail(error_of(rc, "grow map"));
  return {};
}

}  // namespace hydra::kv
