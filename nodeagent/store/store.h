// ShardStore: what one agent keeps on its device: append-only logs of shard records, and an index
// of them.
//
// Owned by the agent, used on its one loop. docs/FORMAT-log.md is the format; docs/ARCHITECTURE.md
// the design. A shard becomes visible to reads, and survives power loss, when PendingShard::commit
// has returned OK.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/runtime/file_sending.h"
#include "base/runtime/io.h"
#include "erasure/layout.h"

namespace hydra::agent {

struct StoreOptions {
  std::string directory;                    // absolute; created if absent
  std::uint64_t log_bytes = 1u << 30;       // preallocated size of one log
  std::uint64_t capacity_bytes = 0;         // 0: what the file system has
  std::uint64_t reserve_bytes = 64u << 20;  // kept free for deletes, index and compaction
  // The index is written after so many bytes of log, so many changes, or so long; a crash costs
  // replaying them.
  std::uint64_t checkpoint_bytes = 256u << 20;
  std::size_t checkpoint_changes = 16384;
  Nanos checkpoint_interval = 30 * kSecond;
};

// Bytes of a log that are not what was durably written there, found when the log was replayed.
struct LogDamage {
  std::uint64_t generation;  // of the log
  std::uint64_t offset;
  std::uint64_t bytes;
};

struct StoreSpace {
  std::uint64_t capacity_bytes;
  std::uint64_t used_bytes;  // live shards with their overhead
  std::uint64_t free_bytes;  // that new shards may still take
};

// A verified piece of one block of a shard.
struct BlockPiece {
  std::uint32_t offset;  // within `ShardPieces::bytes`
  std::uint32_t length;
  std::uint32_t crc32c;  // of these bytes; the stored one where the piece is the whole block
};
struct ShardPieces {
  Buffer bytes;
  std::vector<BlockPiece> pieces;  // in order, covering `bytes`
};

// Whole blocks as they lie in a file, unverified: the receiver has their stored checksums.
struct ShardRun {
  FileRun run;
  std::vector<BlockPiece> pieces;
};

struct ShardInfo {
  ShardId id;
  erasure::Layout layout;
  std::uint64_t shard_bytes;
};

// A shard being written. Space is reserved from the start. Destroying it without commit abandons
// the shard.
class PendingShard {
 public:
  virtual ~PendingShard() = default;
  // The next block, in stripe order; its CRC was computed by the sender and is checked here:
  // kCorrupt.
  virtual Task<Status> append(ByteView block, std::uint32_t crc32c) = 0;
  // After the last block: durable and visible when it returns. Joins the batch of whoever commits
  // now, which shares one sync. kFenced when the device failed.
  virtual Task<Status> commit() = 0;
};

class ShardStore {
 public:
  // Opens or creates the store, replaying the tail of the log. The identity is created with it.
  static Task<Result<std::unique_ptr<ShardStore>>> open(Loop& loop, StoreOptions options);
  virtual ~ShardStore() = default;

  virtual NodeIdentity identity() const = 0;
  // The grid this device belongs to. Set once, durably; kConflict when it already belongs to
  // another.
  virtual std::optional<ClusterId> cluster() const = 0;
  virtual Task<Status> set_cluster(ClusterId cluster) = 0;

  // kNoSpace, kFenced. Writing a shard that exists already is allowed (a repeated repair): the
  // newer one wins at commit.
  virtual Task<Result<std::unique_ptr<PendingShard>>> begin(ShardId id, erasure::Layout layout) = 0;
  // Bytes [offset, offset+length) of a shard, clamped to its end. Every block touched is verified
  // against its stored CRC unless returned whole (then the reader verifies it). kNotFound,
  // kCorrupt, kIo.
  virtual Task<Result<ShardPieces>> read(ShardId id, std::uint64_t offset,
                                         std::uint64_t length) = 0;
  // The same bytes to be sent from where they lie. Nothing when that cannot be done at once: they
  // are not whole blocks, not all in memory, or the shard is not there. Then read() tells.
  virtual std::optional<ShardRun> run_of(ShardId, std::uint64_t /*offset*/,
                                         std::uint64_t /*length*/) {
    return std::nullopt;
  }
  virtual Result<ShardInfo> info(ShardId id) = 0;
  // Forgets a shard and gives its space back. OK when it does not exist.
  virtual Task<Status> free(ShardId id) = 0;
  // Shards in id order after `after`, for the inventory.
  virtual Result<std::vector<ShardInfo>> list(std::optional<ShardId> after, std::size_t limit) = 0;
  // Reads and verifies every block of one shard: the deep scrub's unit.
  virtual Task<Status> verify(ShardId id) = 0;

  virtual StoreSpace space() const = 0;
  virtual bool fenced() const = 0;
  // What open() found broken; the shards that lay there are gone from the index and must be
  // repaired.
  virtual std::vector<LogDamage> damage() const { return {}; }
  virtual std::uint64_t syncs() const = 0;          // fdatasyncs since open
  virtual Nanos sync_time() const { return 0; }     // that one takes lately; 0: unknown
  virtual std::uint64_t bytes_written() const = 0;  // since open, headers and trailers included
  // Writes the index checkpoint and stops. Not needed for safety.
  virtual Task<Status> close() = 0;
};

}  // namespace hydra::agent
