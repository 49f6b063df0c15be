#include "base/kv/lmdb_store.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/kv/lmdb_format.h"
#include "base/kv/unsynced_marker.h"

namespace hydra::kv {
namespace {

using lmdb_format::kPieceBytes;
using lmdb_format::kRootNamespace;
using lmdb_format::Row;
using lmdb_format::RowKey;

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

Error error_of(int rc, const char* doing) {
  return {code_of(rc), std::string(doing) + ": " + mdb_strerror(rc)};
}

Error corrupt(const char* what) {
  return {Code::kCorrupt, std::string("key-value store: ") + what};
}

// The directories open in this process, by device and inode.
class OpenDirectories {
 public:
  using Id = std::pair<dev_t, ino_t>;
  static bool add(Id id) {
    std::lock_guard lock(mutex());
    return ids().insert(id).second;
  }
  static void remove(Id id) {
    std::lock_guard lock(mutex());
    ids().erase(id);
  }

 private:
  static std::mutex& mutex() {
    static std::mutex instance;
    return instance;
  }
  static std::set<Id>& ids() {
    static std::set<Id> instance;
    return instance;
  }
};

// The LMDB environment with its pool of reader slots. Thread-safe; shared by the store and all its
// readers.
class Environment {
 public:
  Environment(MDB_env* env, MDB_dbi dbi, OpenDirectories::Id id, bool durable,
              UnsyncedMarker marker)
      : env_(env), dbi_(dbi), id_(id), durable_(durable), marker_(std::move(marker)) {}
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() {
    for (MDB_txn* txn : pool_) mdb_txn_abort(txn);
    if (!durable_ && !fenced_ && mdb_env_sync(env_, 1) == 0) (void)marker_.clear();
    mdb_env_close(env_);
    OpenDirectories::remove(id_);
  }

  MDB_dbi dbi() const { return dbi_; }

  Result<MDB_txn*> acquire_reader();
  void release_reader(MDB_txn* txn);
  Result<MDB_txn*> acquire_writer();
  Status commit_writer(MDB_txn* txn);
  void abort_writer(MDB_txn* txn);
  Status sync();

 private:
  void end_writer();
  int begin_reader(MDB_txn** txn);
  // Takes over the map size that another process has set. kUnavailable while transactions are
  // active here.
  Status adopt_map_size();

  MDB_env* env_;
  MDB_dbi dbi_;
  OpenDirectories::Id id_;
  bool durable_;
  UnsyncedMarker marker_;
  std::atomic<bool> fenced_{false};
  std::atomic<std::thread::id> writer_{};

  std::mutex mutex_;  // of what follows
  std::size_t active_ = 0;
  std::vector<MDB_txn*> pool_;
};

int Environment::begin_reader(MDB_txn** txn) {
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
  } else {
    rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, txn);
    if (rc == MDB_READERS_FULL) {
      int dead = 0;  // slots left behind by processes that crashed
      mdb_reader_check(env_, &dead);
      if (dead > 0) rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, txn);
    }
    if (rc != 0) *txn = nullptr;
  }
  if (rc != 0) {
    if (*txn != nullptr) mdb_txn_abort(*txn);
    std::lock_guard lock(mutex_);
    --active_;
  }
  return rc;
}

Result<MDB_txn*> Environment::acquire_reader() {
  MDB_txn* txn = nullptr;
  int rc = begin_reader(&txn);
  if (rc == MDB_MAP_RESIZED) {
    HYDRA_CHECK_OK(adopt_map_size());
    rc = begin_reader(&txn);
  }
  if (rc != 0) return fail(error_of(rc, "begin snapshot"));
  return txn;
}

void Environment::release_reader(MDB_txn* txn) {
  mdb_txn_reset(txn);
  std::lock_guard lock(mutex_);
  --active_;
  if (pool_.size() < kMaxPooledReaders) {
    pool_.push_back(txn);
  } else {
    mdb_txn_abort(txn);
  }
}

Result<MDB_txn*> Environment::acquire_writer() {
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
      return txn;
    }
    {
      std::lock_guard lock(mutex_);
      --active_;
    }
    if (rc != MDB_MAP_RESIZED || attempt > 0) return fail(error_of(rc, "begin transaction"));
    HYDRA_CHECK_OK(adopt_map_size());
  }
}

void Environment::end_writer() {
  std::lock_guard lock(mutex_);
  --active_;
}

Status Environment::commit_writer(MDB_txn* txn) {
  HYDRA_ASSERT(writer_.load() == std::this_thread::get_id());
  writer_ = std::thread::id();
  int rc = mdb_txn_commit(txn);
  end_writer();
  if (rc == 0) return {};
  Error error = error_of(rc, "commit");
  if (error.code == Code::kIo) fenced_ = true;
  return fail(std::move(error));
}

void Environment::abort_writer(MDB_txn* txn) {
  HYDRA_ASSERT(writer_.load() == std::this_thread::get_id());
  writer_ = std::thread::id();
  mdb_txn_abort(txn);
  end_writer();
}

Status Environment::sync() {
  if (fenced_) return fail(Code::kFenced, "key-value store failed a write");
  if (durable_) return {};
  int rc = mdb_env_sync(env_, 1);
  if (rc == 0) return {};
  fenced_ = true;
  return fail(error_of(rc, "sync"));
}

Status Environment::adopt_map_size() {
  std::lock_guard lock(mutex_);
  if (active_ > 0) return fail(Code::kUnavailable, "key-value store is growing its map");
  int rc = mdb_env_set_mapsize(env_, 0);
  if (rc != 0) return fail(error_of(rc, "grow map"));
  return {};
}

class LmdbCursor;

// What a snapshot and a transaction have in common: a begun LMDB transaction and the cursors over
// it.
class View {
 public:
  View(std::shared_ptr<Environment> environment, MDB_txn* txn)
      : environment_(std::move(environment)), txn_(txn) {}

  Result<std::optional<ByteView>> get(ByteView key);
  std::unique_ptr<Cursor> cursor();
  // Closes all cursors and gives the transaction up; the view is at its end.
  MDB_txn* end();

  Environment& environment() { return *environment_; }
  MDB_dbi dbi() const { return environment_->dbi(); }
  MDB_txn* txn() const {
    HYDRA_ASSERT(txn_ != nullptr);  // the reader has ended
    return txn_;
  }
  bool ended() const { return txn_ == nullptr; }
  std::uint64_t writes() const { return writes_; }
  void count_write() { ++writes_; }
  void forget(LmdbCursor* cursor) { std::erase(cursors_, cursor); }

 private:
  std::shared_ptr<Environment> environment_;
  MDB_txn* txn_;
  std::uint64_t writes_ = 0;
  std::vector<LmdbCursor*> cursors_;
};

// One LMDB cursor that wanders through namespaces. namespaces_[i] holds the piece of key_ that
// starts at i * kPieceBytes; every piece but the last is full.
class LmdbCursor : public Cursor {
 public:
  explicit LmdbCursor(View* view) : view_(view) {}
  ~LmdbCursor() override {
    if (view_ != nullptr) view_->forget(this);
    close();
  }
  void close() {
    if (cursor_ != nullptr) mdb_cursor_close(std::exchange(cursor_, nullptr));
    view_ = nullptr;
    valid_ = false;
  }

  Result<bool> seek(ByteView key) override;
  Result<bool> next() override;
  Result<bool> seek_before(ByteView key) override;
  ByteView key() const override {
    HYDRA_ASSERT(valid_);
    return as_bytes(key_);
  }
  ByteView value() const override {
    HYDRA_ASSERT(valid_ && writes_ == view_->writes());
    return view_of(data_);
  }

 private:
  enum class Direction { kForward, kBackward };

  Status open();
  // Moves the LMDB cursor; false when there is no such row.
  Result<bool> move_to(const RowKey& at_or_after);
  Result<bool> move(MDB_cursor_op op);
  Result<bool> move_before(const RowKey& row);
  bool in_namespace() const;
  // Follows `key` down through namespaces as far as they exist: leaves the rest of it in `key` and
  // the LMDB cursor at or after the row of that rest; false when no row follows.
  Result<bool> descend(ByteView& key);
  Status enter(ByteView piece);
  // From a row of the innermost namespace (if `found`) to the nearest key in the direction.
  Result<bool> settle(bool found, Direction direction);

  View* view_;
  MDB_cursor* cursor_ = nullptr;
  MDB_val row_{};
  MDB_val data_{};
  std::vector<std::uint64_t> namespaces_;
  std::string key_;
  std::string target_;
  bool valid_ = false;
  std::uint64_t writes_ = 0;
};

Status LmdbCursor::open() {
  HYDRA_ASSERT(view_ != nullptr);  // the reader has ended
  valid_ = false;
  writes_ = view_->writes();
  if (cursor_ != nullptr) return {};
  int rc = mdb_cursor_open(view_->txn(), view_->dbi(), &cursor_);
  if (rc != 0) return fail(error_of(rc, "open cursor"));
  return {};
}

Result<bool> LmdbCursor::move(MDB_cursor_op op) {
  int rc = mdb_cursor_get(cursor_, &row_, &data_, op);
  if (rc == MDB_NOTFOUND) return false;
  if (rc != 0) return fail(error_of(rc, "move cursor"));
  return true;
}

Result<bool> LmdbCursor::move_to(const RowKey& at_or_after) {
  row_ = val_of(at_or_after.view());
  return move(MDB_SET_RANGE);
}

Result<bool> LmdbCursor::move_before(const RowKey& row) {
  HYDRA_TRY(bool found, move_to(row));
  return move(found ? MDB_PREV : MDB_LAST);
}

bool LmdbCursor::in_namespace() const {
  RowKey first = RowKey::first_of(namespaces_.back());
  return as_text(view_of(row_)).starts_with(as_text(first.view()));
}

Status LmdbCursor::enter(ByteView piece) {
  auto child = lmdb_format::decode_namespace(view_of(data_));
  if (!child) return fail(corrupt("bad namespace id"));
  key_.resize((namespaces_.size() - 1) * kPieceBytes);
  append(key_, piece);
  namespaces_.push_back(*child);
  return {};
}

Result<bool> LmdbCursor::descend(ByteView& key) {
  namespaces_.assign(1, kRootNamespace);
  key_.clear();
  for (;;) {
    RowKey row = RowKey::of(namespaces_.back(), key);
    HYDRA_TRY(bool found, move_to(row));
    bool exact = found && as_text(view_of(row_)) == as_text(row.view());
    if (!exact || key.size() <= kPieceBytes) return found;
    HYDRA_CHECK_OK(enter(key.first(kPieceBytes)));
    key = key.subspan(kPieceBytes);
  }
}

Result<bool> LmdbCursor::settle(bool found, Direction direction) {
  for (;;) {
    if (!found || !in_namespace()) {  // nothing more here: go on beside the parent's row
      namespaces_.pop_back();
      if (namespaces_.empty()) return false;
      ByteView piece =
          as_bytes(key_).subspan((namespaces_.size() - 1) * kPieceBytes).first(kPieceBytes);
      if (direction == Direction::kForward) {
        HYDRA_TRY(found, move_to(RowKey::after_continued(namespaces_.back(), piece)));
      } else {
        HYDRA_TRY(found, move_before(RowKey::continued(namespaces_.back(), piece)));
      }
      continue;
    }
    auto row = Row::parse(view_of(row_));
    if (!row || row->ns != namespaces_.back()) return fail(corrupt("bad row"));
    if (!row->continues) {
      key_.resize((namespaces_.size() - 1) * kPieceBytes);
      append(key_, row->piece);
      valid_ = true;
      return true;
    }
    HYDRA_CHECK_OK(enter(row->piece));
    std::uint64_t ns = namespaces_.back();
    if (direction == Direction::kForward) {
      HYDRA_TRY(found, move_to(RowKey::first_of(ns)));
    } else {
      HYDRA_TRY(found, move_before(RowKey::end_of(ns)));
    }
    if (!found || !in_namespace()) return fail(corrupt("empty namespace"));
  }
}

Result<bool> LmdbCursor::seek(ByteView key) {
  HYDRA_CHECK_OK(open());
  target_.assign(as_text(key));  // `key` may be a view of key_
  key = as_bytes(target_);
  HYDRA_TRY(bool found, descend(key));
  return settle(found, Direction::kForward);
}

Result<bool> LmdbCursor::seek_before(ByteView key) {
  HYDRA_CHECK_OK(open());
  target_.assign(as_text(key));  // `key` may be a view of key_
  key = as_bytes(target_);
  HYDRA_TRY(bool found, descend(key));
  HYDRA_TRY(found, move(found ? MDB_PREV : MDB_LAST));
  return settle(found, Direction::kBackward);
}

Result<bool> LmdbCursor::next() {
  if (!valid_) return false;
  if (writes_ != view_->writes()) {  // the pages may have moved: find the place again
    std::string after = key_;
    after.push_back('\0');
    return seek(as_bytes(after));
  }
  valid_ = false;
  HYDRA_TRY(bool found, move(MDB_NEXT));
  return settle(found, Direction::kForward);
}

Result<std::optional<ByteView>> View::get(ByteView key) {
  if (key.empty() || key.size() > kMaxKeyBytes) return std::nullopt;
  std::uint64_t ns = kRootNamespace;
  for (;;) {
    RowKey row = RowKey::of(ns, key);
    MDB_val row_val = val_of(row.view());
    MDB_val data{};
    int rc = mdb_get(txn(), dbi(), &row_val, &data);
    if (rc == MDB_NOTFOUND) return std::nullopt;
    if (rc != 0) return fail(error_of(rc, "get"));
    if (key.size() <= kPieceBytes) return view_of(data);
    auto child = lmdb_format::decode_namespace(view_of(data));
    if (!child) return fail(corrupt("bad namespace id"));
    ns = *child;
    key = key.subspan(kPieceBytes);
  }
}

std::unique_ptr<Cursor> View::cursor() {
  HYDRA_ASSERT(txn_ != nullptr);
  auto made = std::make_unique<LmdbCursor>(this);
  cursors_.push_back(made.get());
  return made;
}

MDB_txn* View::end() {
  for (LmdbCursor* cursor : cursors_) cursor->close();
  cursors_.clear();
  return std::exchange(txn_, nullptr);
}

class LmdbSnapshot : public Snapshot {
 public:
  LmdbSnapshot(std::shared_ptr<Environment> environment, MDB_txn* txn)
      : view_(std::move(environment), txn) {}
  ~LmdbSnapshot() override { view_.environment().release_reader(view_.end()); }

  Result<std::optional<ByteView>> get(ByteView key) override { return view_.get(key); }
  std::unique_ptr<Cursor> cursor() override { return view_.cursor(); }

 private:
  View view_;
};

class LmdbTransaction : public Transaction {
 public:
  LmdbTransaction(std::shared_ptr<Environment> environment, MDB_txn* txn)
      : view_(std::move(environment), txn) {}
  ~LmdbTransaction() override {
    if (!view_.ended()) view_.environment().abort_writer(view_.end());
  }

  Result<std::optional<ByteView>> get(ByteView key) override { return view_.get(key); }
  std::unique_ptr<Cursor> cursor() override { return view_.cursor(); }

  Status put(ByteView key, ByteView value) override {
    if (key.empty()) return fail(Code::kInvalidArgument, "empty key");
    if (key.size() > kMaxKeyBytes) return fail(Code::kTooLarge, "key too long");
    if (value.size() > kMaxValueBytes) return fail(Code::kTooLarge, "value too long");
    view_.count_write();
    return remember(do_put(key, value));
  }
  Status erase(ByteView key) override {
    if (key.empty() || key.size() > kMaxKeyBytes) return {};
    view_.count_write();
    return remember(do_erase(key));
  }
  Status commit() override {
    MDB_txn* txn = view_.txn();
    view_.end();
    if (writes_ok_) return view_.environment().commit_writer(txn);
    view_.environment().abort_writer(txn);
    return writes_ok_;
  }

 private:
  Status do_put(ByteView key, ByteView value);
  Status do_erase(ByteView key);
  Status put_row(const RowKey& row, ByteView value);
  Result<bool> erase_row(const RowKey& row);
  Result<bool> is_empty(std::uint64_t ns);
  Result<std::uint64_t> unused_namespace();
  // A write that failed may have done half of its work: the transaction can only be given up.
  Status remember(Status status) {
    if (!status && writes_ok_) writes_ok_ = status;
    return status;
  }

  View view_;
  Status writes_ok_;
};

Status LmdbTransaction::put_row(const RowKey& row, ByteView value) {
  MDB_val row_val = val_of(row.view());
  MDB_val data = val_of(value);
  int rc = mdb_put(view_.txn(), view_.dbi(), &row_val, &data, 0);
  if (rc != 0) return fail(error_of(rc, "put"));
  return {};
}

Result<bool> LmdbTransaction::erase_row(const RowKey& row) {
  MDB_val row_val = val_of(row.view());
  int rc = mdb_del(view_.txn(), view_.dbi(), &row_val, nullptr);
  if (rc == MDB_NOTFOUND) return false;
  if (rc != 0) return fail(error_of(rc, "erase"));
  return true;
}

// Ids of namespaces that are gone are taken again: no row and no snapshot of this transaction knows
// them.
Result<std::uint64_t> LmdbTransaction::unused_namespace() {
  MDB_cursor* cursor = nullptr;
  int rc = mdb_cursor_open(view_.txn(), view_.dbi(), &cursor);
  if (rc != 0) return fail(error_of(rc, "open cursor"));
  MDB_val row_val{};
  MDB_val data{};
  rc = mdb_cursor_get(cursor, &row_val, &data, MDB_LAST);
  mdb_cursor_close(cursor);
  if (rc == MDB_NOTFOUND) return lmdb_format::kFirstChildNamespace;
  if (rc != 0) return fail(error_of(rc, "move cursor"));
  auto row = Row::parse(view_of(row_val));
  if (!row || row->ns == kRootNamespace) return lmdb_format::kFirstChildNamespace;
  return row->ns + 1;
}

Status LmdbTransaction::do_put(ByteView key, ByteView value) {
  std::uint64_t ns = kRootNamespace;
  std::uint64_t unused = 0;
  for (; key.size() > kPieceBytes; key = key.subspan(kPieceBytes)) {
    RowKey row = RowKey::of(ns, key);
    MDB_val row_val = val_of(row.view());
    MDB_val data{};
    int rc = unused != 0 ? MDB_NOTFOUND : mdb_get(view_.txn(), view_.dbi(), &row_val, &data);
    if (rc == 0) {
      auto child = lmdb_format::decode_namespace(view_of(data));
      if (!child) return fail(corrupt("bad namespace id"));
      ns = *child;
      continue;
    }
    if (rc != MDB_NOTFOUND) return fail(error_of(rc, "get"));
    if (unused == 0) {
      HYDRA_TRY(unused, unused_namespace());
    }
    HYDRA_CHECK_OK(put_row(row, lmdb_format::encode_namespace(unused)));
    ns = unused++;
  }
  return put_row(RowKey::of(ns, key), value);
}

Result<bool> LmdbTransaction::is_empty(std::uint64_t ns) {
  MDB_cursor* cursor = nullptr;
  int rc = mdb_cursor_open(view_.txn(), view_.dbi(), &cursor);
  if (rc != 0) return fail(error_of(rc, "open cursor"));
  RowKey first = RowKey::first_of(ns);
  MDB_val row_val = val_of(first.view());
  MDB_val data{};
  rc = mdb_cursor_get(cursor, &row_val, &data, MDB_SET_RANGE);
  mdb_cursor_close(cursor);
  if (rc == MDB_NOTFOUND) return true;
  if (rc != 0) return fail(error_of(rc, "move cursor"));
  return !as_text(view_of(row_val)).starts_with(as_text(first.view()));
}

Status LmdbTransaction::do_erase(ByteView key) {
  std::vector<std::pair<std::uint64_t, ByteView>>
      path;  // each namespace, and the rest of the key in it
  std::uint64_t ns = kRootNamespace;
  for (; key.size() > kPieceBytes; key = key.subspan(kPieceBytes)) {
    path.emplace_back(ns, key);
    RowKey row = RowKey::of(ns, key);
    MDB_val row_val = val_of(row.view());
    MDB_val data{};
    int rc = mdb_get(view_.txn(), view_.dbi(), &row_val, &data);
    if (rc == MDB_NOTFOUND) return {};
    if (rc != 0) return fail(error_of(rc, "get"));
    auto child = lmdb_format::decode_namespace(view_of(data));
    if (!child) return fail(corrupt("bad namespace id"));
    ns = *child;
  }
  HYDRA_TRY(bool erased, erase_row(RowKey::of(ns, key)));
  if (!erased) return {};
  for (; !path.empty(); path.pop_back()) {
    HYDRA_TRY(bool empty, is_empty(ns));
    if (!empty) return {};
    ns = path.back().first;
    HYDRA_TRY(erased, erase_row(RowKey::of(ns, path.back().second)));
  }
  return {};
}

class LmdbStore : public Store {
 public:
  explicit LmdbStore(std::shared_ptr<Environment> environment)
      : environment_(std::move(environment)) {}

  Result<std::unique_ptr<Snapshot>> snapshot() override {
    HYDRA_TRY(MDB_txn * txn, environment_->acquire_reader());
    return std::make_unique<LmdbSnapshot>(environment_, txn);
  }
  Result<std::unique_ptr<Transaction>> begin() override {
    HYDRA_TRY(MDB_txn * txn, environment_->acquire_writer());
    return std::make_unique<LmdbTransaction>(environment_, txn);
  }
  Status sync() override { return environment_->sync(); }

 private:
  std::shared_ptr<Environment> environment_;
};

Status sync_directory(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail(error_of(errno, path.c_str()));
  int rc = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (rc != 0) return fail(error_of(rc, path.c_str()));
  return {};
}

Status make_directory(const std::string& path) {
  auto parent = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) return fail(error_of(error.value(), parent.c_str()));
  if (::mkdir(path.c_str(), 0700) == 0) return sync_directory(parent.empty() ? "." : parent);
  if (errno != EEXIST) return fail(error_of(errno, path.c_str()));
  return {};
}

struct EnvCloser {
  void operator()(MDB_env* env) const { mdb_env_close(env); }
};
using EnvHandle = std::unique_ptr<MDB_env, EnvCloser>;

Result<EnvHandle> open_environment(const std::string& directory, const Options& options) {
  MDB_env* raw = nullptr;
  int rc = mdb_env_create(&raw);
  if (rc != 0) return fail(error_of(rc, "create environment"));
  EnvHandle env(raw);
  std::uint64_t map_bytes = std::clamp(options.map_bytes, kMinMapBytes, kMaxMapBytes);
  map_bytes = map_bytes / kMinMapBytes * kMinMapBytes;  // whole pages
  rc = mdb_env_set_mapsize(raw, static_cast<std::size_t>(map_bytes));
  if (rc == 0) rc = mdb_env_set_maxreaders(raw, kMaxReaders);
  // Without MDB_WRITEMAP commits reach the page cache by pwrite: they survive a crash of the
  // process even where MDB_NOSYNC leaves their way to the device open.
  unsigned flags = MDB_NOTLS | (options.durable ? 0u : MDB_NOSYNC);
  if (rc == 0) rc = mdb_env_open(raw, directory.c_str(), flags, 0600);
  if (rc != 0) return fail(error_of(rc, directory.c_str()));
  int dead = 0;
  mdb_reader_check(raw, &dead);
  return env;
}

// Writes the version row of a new store, rejects an unknown one, and opens LMDB's main table.
Result<MDB_dbi> open_table(MDB_env* env, const std::string& directory) {
  MDB_txn* txn = nullptr;
  int rc = mdb_txn_begin(env, nullptr, 0, &txn);
  if (rc == MDB_MAP_RESIZED) {
    rc = mdb_env_set_mapsize(env, 0);
    if (rc == 0) rc = mdb_txn_begin(env, nullptr, 0, &txn);
  }
  if (rc != 0) return fail(error_of(rc, directory.c_str()));
  std::unique_ptr<MDB_txn, decltype(&mdb_txn_abort)> holder(txn, mdb_txn_abort);
  MDB_dbi dbi = 0;
  rc = mdb_dbi_open(txn, nullptr, 0, &dbi);
  if (rc != 0) return fail(error_of(rc, directory.c_str()));

  RowKey row = RowKey::version();
  MDB_val row_val = val_of(row.view());
  MDB_val data{};
  rc = mdb_get(txn, dbi, &row_val, &data);
  if (rc == 0) {
    if (data.mv_size != sizeof(std::uint32_t)) return fail(corrupt("bad version row"));
    auto version = load_le<std::uint32_t>(data.mv_data);
    if (version != lmdb_format::kVersion)
      return fail(Code::kUnsupported,
                  directory + ": key-value format version " + std::to_string(version));
  } else if (rc == MDB_NOTFOUND) {
    MDB_stat stat{};
    rc = mdb_stat(txn, dbi, &stat);
    if (rc == 0 && stat.ms_entries > 0) return fail(corrupt("no version row"));
    std::array<std::byte, sizeof(std::uint32_t)> version;
    store_le(version.data(), lmdb_format::kVersion);
    data = val_of(version);
    if (rc == 0) rc = mdb_put(txn, dbi, &row_val, &data, 0);
  }
  if (rc == 0) rc = mdb_txn_commit(holder.release());
  if (rc != 0) return fail(error_of(rc, directory.c_str()));
  return dbi;
}

Result<std::unique_ptr<Store>> open_registered(const std::string& directory, Options options,
                                               OpenDirectories::Id id) {
  HYDRA_TRY(UnsyncedMarker marker, UnsyncedMarker::open(directory));
  if (!options.durable) HYDRA_CHECK_OK(marker.set());
  HYDRA_TRY(EnvHandle env, open_environment(directory, options));
  HYDRA_TRY(MDB_dbi dbi, open_table(env.get(), directory));
  HYDRA_CHECK_OK(sync_directory(directory));
  if (options.durable &&
      marker.is_set()) {  // a process that did not sync has crashed, or still runs
    int rc = mdb_env_sync(env.get(), 1);
    if (rc != 0) return fail(error_of(rc, "sync"));
    HYDRA_CHECK_OK(marker.clear());
  }
  return std::make_unique<LmdbStore>(
      std::make_shared<Environment>(env.release(), dbi, id, options.durable, std::move(marker)));
}

}  // namespace

Result<std::unique_ptr<Store>> open_lmdb(const std::string& directory, Options options) {
  HYDRA_CHECK_OK(make_directory(directory));
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0) return fail(error_of(errno, directory.c_str()));
  OpenDirectories::Id id{status.st_dev, status.st_ino};
  if (!OpenDirectories::add(id))
    return fail(Code::kAlreadyExists, directory + " is already open in this process");
  auto store = open_registered(directory, options, id);
  if (!store) OpenDirectories::remove(id);
  return store;
}

}  // namespace hydra::kv
