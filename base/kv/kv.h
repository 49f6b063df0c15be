// An ordered key-value store: one keyspace in byte order, snapshots, and atomic durable
// transactions.
//
// Backends: lmdb_store (the embedded default) and memory_store (tests and simulation); one test
// suite runs over both. Keys are 1 to kMaxKeyBytes bytes, values up to kMaxValueBytes; the backend
// hides any smaller limit.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace hydra::kv {

constexpr std::size_t kMaxKeyBytes = 4096;
constexpr std::size_t kMaxValueBytes = 64u << 20;

struct Options {
  std::uint64_t map_bytes = 64ull << 30;  // address space reserved, not memory or disk
  // false: commits survive a process crash but perhaps not a power loss. LMDB may then lose the
  // whole store: it is refused with kCorrupt and must be rebuilt. Only for what can be rebuilt.
  bool durable = true;
};

// Walks keys in byte order. key() and value() are valid until the cursor moves or its reader ends,
// value() also only until the transaction's next write. After a move that found nothing, next()
// finds nothing either.
class Cursor {
 public:
  virtual ~Cursor() = default;
  // To the first key >= `key`, which may be empty (the very first) or too long to exist. True when
  // there is one.
  virtual Result<bool> seek(ByteView key) = 0;
  // To the first key after key(), whatever was written meanwhile. True when there is one.
  virtual Result<bool> next() = 0;
  // To the last key < `key`. True when there is one.
  virtual Result<bool> seek_before(ByteView key) = 0;
  virtual ByteView key() const = 0;
  virtual ByteView value() const = 0;
};

// A view that may be read: a snapshot, or a transaction that also sees its own writes.
class Reader {
 public:
  virtual ~Reader() = default;
  // The view is valid until the reader ends or (in a transaction) the next write.
  virtual Result<std::optional<ByteView>> get(ByteView key) = 0;
  virtual std::unique_ptr<Cursor> cursor() = 0;
};

// A consistent view of the moment it was taken. Used on the thread that took it. Keep it
// short-lived: it pins old pages.
class Snapshot : public Reader {};

// One at a time per store (begin() blocks the second). Used and ended on the thread that began it.
// Destroying it without commit() undoes it. After a put or an erase has failed, commit() fails too.
class Transaction : public Reader {
 public:
  // kTooLarge, kNoSpace. `value` must not be a view that this transaction or its cursors gave out.
  virtual Status put(ByteView key, ByteView value) = 0;
  virtual Status erase(ByteView key) = 0;  // no error when absent
  // Durable when it returns, if Options.durable. kNoSpace, kIo. Ends the transaction either way.
  virtual Status commit() = 0;
};

// Thread-safe.
class Store {
 public:
  virtual ~Store() = default;
  virtual Result<std::unique_ptr<Snapshot>> snapshot() = 0;
  virtual Result<std::unique_ptr<Transaction>> begin() = 0;
  // Makes earlier non-durable commits durable.
  virtual Status sync() = 0;
};

}  // namespace hydra::kv
