#include "base/kv/lmdb_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/kv/lmdb_format.h"
#include "base/kv/lmdb_rows.h"

namespace hydra::kv {
namespace {

using lmdb_format::kPieceBytes;
using lmdb_format::kRootNamespace;
using lmdb_format::Row;
using lmdb_format::RowKey;

Error corrupt(const char* what) {
  return {Code::kCorrupt, std::string("key-value store: ") + what};
}

Result<std::uint64_t> child_of(ByteView value) {
  auto child = lmdb_format::decode_namespace(value);
  if (!child) return fail(corrupt("bad namespace id"));
  return *child;
}

// A cursor over rows that wanders through namespaces. namespaces_[i] holds the piece of key_ that
// starts at i * kPieceBytes; every piece but the last is full.
class LmdbCursor : public Cursor {
 public:
  explicit LmdbCursor(RowTransaction& rows) : rows_(rows) {}

  Result<bool> seek(ByteView key) override;
  Result<bool> next() override;
  Result<bool> seek_before(ByteView key) override;
  ByteView key() const override {
    HYDRA_ASSERT(valid_);
    return as_bytes(key_);
  }
  ByteView value() const override {
    HYDRA_ASSERT(valid_ && !rows_.stale());
    return rows_.value();
  }

 private:
  enum class Direction { kForward, kBackward };

  bool in_namespace() const {
    RowKey first = RowKey::first_of(namespaces_.back());
    return as_text(rows_.row()).starts_with(as_text(first.view()));
  }
  // Follows `key` down through namespaces as far as they exist: leaves the rest of it in `key` and
  // rows_ at or after the row of that rest; false when no row follows.
  Result<bool> descend(ByteView& key);
  // From a row where `piece` continues into its namespace.
  Status enter(ByteView piece);
  // Out of the innermost namespace, to the row beside its parent's.
  Result<bool> leave(Direction direction);
  // From a row of the innermost namespace (if `found`) to the nearest key in the direction.
  Result<bool> settle(bool found, Direction direction);

  RowCursor rows_;
  std::vector<std::uint64_t> namespaces_;
  std::string key_;
  std::string target_;
  bool valid_ = false;
};

Status LmdbCursor::enter(ByteView piece) {
  HYDRA_TRY(std::uint64_t child, child_of(rows_.value()));
  if (namespaces_.size() > kMaxKeyBytes / kPieceBytes) return fail(corrupt("namespaces too deep"));
  key_.resize((namespaces_.size() - 1) * kPieceBytes);
  append(key_, piece);
  namespaces_.push_back(child);
  return {};
}

Result<bool> LmdbCursor::leave(Direction direction) {
  namespaces_.pop_back();
  if (namespaces_.empty()) return false;
  std::uint64_t ns = namespaces_.back();
  ByteView piece = as_bytes(key_).subspan((namespaces_.size() - 1) * kPieceBytes, kPieceBytes);
  if (direction == Direction::kForward)
    return rows_.seek(RowKey::after_continued(ns, piece).view());
  return rows_.seek_before(RowKey::continued(ns, piece).view());
}

Result<bool> LmdbCursor::descend(ByteView& key) {
  valid_ = false;
  namespaces_.assign(1, kRootNamespace);
  key_.clear();
  for (;;) {
    RowKey row = RowKey::of(namespaces_.back(), key);
    HYDRA_TRY(bool found, rows_.seek(row.view()));
    bool exact = found && as_text(rows_.row()) == as_text(row.view());
    if (!exact || key.size() <= kPieceBytes) return found;
    HYDRA_CHECK_OK(enter(key.first(kPieceBytes)));
    key = key.subspan(kPieceBytes);
  }
}

Result<bool> LmdbCursor::settle(bool found, Direction direction) {
  for (;;) {
    if (!found || !in_namespace()) {
      HYDRA_TRY(found, leave(direction));
      if (namespaces_.empty()) return false;
      continue;
    }
    auto row = Row::parse(rows_.row());
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
      HYDRA_TRY(found, rows_.seek(RowKey::first_of(ns).view()));
    } else {
      HYDRA_TRY(found, rows_.seek_before(RowKey::end_of(ns).view()));
    }
    if (!found || !in_namespace()) return fail(corrupt("empty namespace"));
  }
}

Result<bool> LmdbCursor::seek(ByteView key) {
  target_.assign(as_text(key));  // `key` may be a view of key_
  key = as_bytes(target_);
  HYDRA_TRY(bool found, descend(key));
  return settle(found, Direction::kForward);
}

Result<bool> LmdbCursor::seek_before(ByteView key) {
  target_.assign(as_text(key));
  key = as_bytes(target_);
  HYDRA_TRY(bool found, descend(key));
  HYDRA_TRY(found, found ? rows_.previous() : rows_.last());
  return settle(found, Direction::kBackward);
}

Result<bool> LmdbCursor::next() {
  if (!valid_) return false;
  if (rows_.stale()) {  // rows may have moved or gone: find the place again
    std::string after = key_;
    after.push_back('\0');
    return seek(as_bytes(after));
  }
  valid_ = false;
  HYDRA_TRY(bool found, rows_.next());
  return settle(found, Direction::kForward);
}

Result<std::optional<ByteView>> get_key(RowTransaction& rows, ByteView key) {
  if (key.empty() || key.size() > kMaxKeyBytes) return std::nullopt;
  std::uint64_t ns = kRootNamespace;
  for (; key.size() > kPieceBytes; key = key.subspan(kPieceBytes)) {
    HYDRA_TRY(auto id, rows.get(RowKey::of(ns, key).view()));
    if (!id) return std::nullopt;
    HYDRA_TRY(ns, child_of(*id));
  }
  return rows.get(RowKey::of(ns, key).view());
}

class LmdbSnapshot : public Snapshot {
 public:
  explicit LmdbSnapshot(std::unique_ptr<RowTransaction> rows) : rows_(std::move(rows)) {}
  Result<std::optional<ByteView>> get(ByteView key) override { return get_key(*rows_, key); }
  std::unique_ptr<Cursor> cursor() override { return std::make_unique<LmdbCursor>(*rows_); }

 private:
  std::unique_ptr<RowTransaction> rows_;
};

class LmdbTransaction : public Transaction {
 public:
  explicit LmdbTransaction(std::unique_ptr<RowTransaction> rows) : rows_(std::move(rows)) {}
  Result<std::optional<ByteView>> get(ByteView key) override { return get_key(*rows_, key); }
  std::unique_ptr<Cursor> cursor() override { return std::make_unique<LmdbCursor>(*rows_); }

  Status put(ByteView key, ByteView value) override {
    if (key.empty()) return fail(Code::kInvalidArgument, "empty key");
    if (key.size() > kMaxKeyBytes) return fail(Code::kTooLarge, "key too long");
    if (value.size() > kMaxValueBytes) return fail(Code::kTooLarge, "value too long");
    return remember(put_key(key, value));
  }
  Status erase(ByteView key) override {
    if (key.empty() || key.size() > kMaxKeyBytes) return {};
    return remember(erase_key(key));
  }
  Status commit() override {
    if (writes_) return rows_->commit();
    rows_->abort();
    return writes_;
  }

 private:
  Status put_key(ByteView key, ByteView value);
  Status erase_key(ByteView key);
  Result<bool> is_empty(std::uint64_t ns);
  Result<std::uint64_t> unused_namespace();
  // A write that failed may have done half of its work: the transaction can only be given up.
  Status remember(Status status) {
    if (!status && writes_) writes_ = status;
    return status;
  }

  std::unique_ptr<RowTransaction> rows_;
  Status writes_;  // the first failure
};

// Ids of namespaces that are gone are taken again: nothing in this transaction's view knows them.
Result<std::uint64_t> LmdbTransaction::unused_namespace() {
  RowCursor cursor(*rows_);
  HYDRA_TRY(bool found, cursor.last());
  if (!found) return lmdb_format::kFirstChildNamespace;
  auto row = Row::parse(cursor.row());
  if (!row || row->ns == kRootNamespace) return lmdb_format::kFirstChildNamespace;
  return row->ns + 1;
}

Status LmdbTransaction::put_key(ByteView key, ByteView value) {
  std::uint64_t ns = kRootNamespace;
  std::uint64_t unused = 0;  // once set, all namespaces further down are new
  for (; key.size() > kPieceBytes; key = key.subspan(kPieceBytes)) {
    RowKey row = RowKey::of(ns, key);
    if (unused == 0) {
      HYDRA_TRY(auto id, rows_->get(row.view()));
      if (id) {
        HYDRA_TRY(ns, child_of(*id));
        continue;
      }
      HYDRA_TRY(unused, unused_namespace());
    }
    HYDRA_CHECK_OK(rows_->put(row.view(), lmdb_format::encode_namespace(unused)));
    ns = unused++;
  }
  return rows_->put(RowKey::of(ns, key).view(), value);
}

Result<bool> LmdbTransaction::is_empty(std::uint64_t ns) {
  RowCursor cursor(*rows_);
  RowKey first = RowKey::first_of(ns);
  HYDRA_TRY(bool found, cursor.seek(first.view()));
  return !found || !as_text(cursor.row()).starts_with(as_text(first.view()));
}

Status LmdbTransaction::erase_key(ByteView key) {
  struct Step {
    std::uint64_t ns;
    ByteView rest;
  };
  std::vector<Step> path;
  std::uint64_t ns = kRootNamespace;
  for (; key.size() > kPieceBytes; key = key.subspan(kPieceBytes)) {
    path.push_back({ns, key});
    HYDRA_TRY(auto id, rows_->get(RowKey::of(ns, key).view()));
    if (!id) return {};
    HYDRA_TRY(ns, child_of(*id));
  }
  HYDRA_TRY(bool erased, rows_->erase(RowKey::of(ns, key).view()));
  if (!erased) return {};
  for (; !path.empty(); path.pop_back()) {
    HYDRA_TRY(bool empty, is_empty(ns));
    if (!empty) return {};
    ns = path.back().ns;
    HYDRA_TRY(erased, rows_->erase(RowKey::of(ns, path.back().rest).view()));
  }
  return {};
}

class LmdbStore : public Store {
 public:
  explicit LmdbStore(std::shared_ptr<RowStore> rows) : rows_(std::move(rows)) {}

  Result<std::unique_ptr<Snapshot>> snapshot() override {
    HYDRA_TRY(auto rows, rows_->begin_read());
    return std::make_unique<LmdbSnapshot>(std::move(rows));
  }
  Result<std::unique_ptr<Transaction>> begin() override {
    HYDRA_TRY(auto rows, rows_->begin_write());
    return std::make_unique<LmdbTransaction>(std::move(rows));
  }
  Status sync() override { return rows_->sync(); }

 private:
  std::shared_ptr<RowStore> rows_;
};

Error system_failure(int number, const std::string& path) {
  Code code = number == ENOSPC || number == EDQUOT ? Code::kNoSpace : Code::kIo;
  return {code, path + ": " + std::generic_category().message(number)};
}

Status sync_directory(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail(system_failure(errno, path));
  int number = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (number != 0) return fail(system_failure(number, path));
  return {};
}

Status make_directory(const std::string& path) {
  std::string parent = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) return fail(system_failure(error.value(), parent));
  if (::mkdir(path.c_str(), 0700) == 0) return sync_directory(parent.empty() ? "." : parent);
  if (errno != EEXIST) return fail(system_failure(errno, path));
  return {};
}

// Writes the version row of a new store and rejects an unknown one.
Status check_version(RowStore& store, const std::string& directory) {
  HYDRA_TRY(auto rows, store.begin_write());
  RowKey row = RowKey::version();
  HYDRA_TRY(auto found, rows->get(row.view()));
  if (found) {
    if (found->size() != sizeof(std::uint32_t)) return fail(corrupt("bad version row"));
    auto version = load_le<std::uint32_t>(found->data());
    if (version == lmdb_format::kVersion) return {};
    return fail(Code::kUnsupported,
                directory + ": key-value format version " + std::to_string(version));
  }
  RowCursor cursor(*rows);
  HYDRA_TRY(bool any, cursor.last());
  if (any) return fail(corrupt("no version row"));
  std::array<std::byte, sizeof(std::uint32_t)> version;
  store_le(version.data(), lmdb_format::kVersion);
  HYDRA_CHECK_OK(rows->put(row.view(), version));
  HYDRA_CHECK_OK(rows->commit());
  return sync_directory(directory);
}

}  // namespace

Result<std::unique_ptr<Store>> open_lmdb(const std::string& directory, Options options) {
  HYDRA_CHECK_OK(make_directory(directory));
  HYDRA_TRY(auto rows, RowStore::open(directory, options));
  HYDRA_CHECK_OK(check_version(*rows, directory));
  return std::make_unique<LmdbStore>(std::move(rows));
}

}  // namespace hydra::kv
