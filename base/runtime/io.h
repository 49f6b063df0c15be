// Streams, network and disk as a Loop offers them. Every object belongs to the loop it was made on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/kv/kv.h"
#include "base/result.h"
#include "base/runtime/loop.h"

namespace hydra {

// A byte stream in both directions: TCP, unix socket, TLS over either, or simulated.
// One reader and one writer at a time. Destroying it closes it.
class Stream {
 public:
  virtual ~Stream() = default;

  // Reads at least one byte unless the peer ended its side (then 0). kTimeout, kClosed, kIo.
  virtual Task<Result<std::size_t>> read(MutableBytes into, Deadline deadline) = 0;
  // Writes all pieces in order. The views must stay valid until it returns.
  virtual Task<Status> write(std::span<const ByteView> pieces, Deadline deadline) = 0;
  // Ends both directions now; pending and later calls fail with kClosed.
  virtual void close() = 0;

  // Moves the stream to another loop of the process; `then` runs there with it. Call while no read
  // or write is pending. `self` must be the owner of this very stream.
  virtual void move_to(Loop& target, std::unique_ptr<Stream> self,
                       std::function<void(std::unique_ptr<Stream>)> then) = 0;

  // The peer's address, for logs ("127.0.0.1:50412", "unix").
  virtual std::string peer() const = 0;
  virtual bool encrypted() const { return false; }
};

// "HOST:PORT" (also "[::1]:9000") or "unix:/path".
struct Address {
  std::string text;
  bool is_unix() const { return text.starts_with("unix:"); }
};

using AcceptHandler = std::function<void(std::unique_ptr<Stream>)>;

// A listening socket; destroying it stops listening.
class Acceptor {
 public:
  virtual ~Acceptor() = default;
  virtual Address local() const = 0;  // with the real port when 0 was asked for
};

class Net {
 public:
  virtual ~Net() = default;
  virtual Task<Result<std::unique_ptr<Stream>>> connect(Address to, Deadline deadline) = 0;
  // kAlreadyExists when the address is in use; the handler runs on this loop.
  virtual Result<std::unique_ptr<Acceptor>> listen(Address at, AcceptHandler handler) = 0;
};

// An open file. Reads may run side by side; so may writes to disjoint ranges.
class File {
 public:
  virtual ~File() = default;
  // Fills `into` from `offset`; returns fewer bytes only at the end of the file.
  virtual Task<Result<std::size_t>> read(MutableBytes into, std::uint64_t offset) = 0;
  virtual Task<Status> write(std::span<const ByteView> pieces, std::uint64_t offset) = 0;
  // Makes all finished writes durable (fdatasync). A failure is final: fence the device (invariant
  // 8).
  virtual Task<Status> sync() = 0;
  // Reserves space, kNoSpace when there is none. Extends the file with zeros.
  virtual Task<Status> allocate(std::uint64_t offset, std::uint64_t length) = 0;
  virtual Task<Status> punch_hole(std::uint64_t offset, std::uint64_t length) = 0;
  virtual Task<Result<std::uint64_t>> size() = 0;
};

enum class OpenMode {
  kRead,
  kReadWrite,
  kCreateNew,  // fails if it exists
  kLocked,  // read and write, created if absent; kConflict while another opener holds it (flock):
            // ends with the File, and with the process
};

struct DiskSpace {
  std::uint64_t total_bytes;
  std::uint64_t free_bytes;  // that an unprivileged writer may still take
};

// The file system below one process. Paths are absolute.
class Disk {
 public:
  virtual ~Disk() = default;
  virtual Task<Result<std::unique_ptr<File>>> open(std::string path, OpenMode mode) = 0;
  virtual Task<Status> remove(std::string path) = 0;
  virtual Task<Status> rename(std::string from, std::string to) = 0;  // replaces `to`
  virtual Task<Status> make_directories(std::string path) = 0;
  // Makes creations, renames and removals in this directory durable.
  virtual Task<Status> sync_directory(std::string path) = 0;
  virtual Task<Result<std::vector<std::string>>> list(std::string path) = 0;  // names, sorted
  virtual Task<Result<DiskSpace>> space(std::string path) = 0;
  // Opens or creates the key-value store kept under `path` (a directory). Blocks: call at start.
  virtual Result<std::unique_ptr<kv::Store>> open_kv(std::string path, kv::Options options) = 0;
};

}  // namespace hydra
