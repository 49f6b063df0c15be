// Keys and values of the store's index (a kv::Store), a checkpoint of what the logs say.
// docs/FORMAT-log.md, "Index".
//
// Pure; any thread. Every value carries its version and a CRC32C: kCorrupt, kUnsupported.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "erasure/layout.h"

namespace hydra::agent {

constexpr std::uint8_t kIndexVersion = 1;

// Where a live shard lies; in memory also the memory of a dead one (a tombstone: generation 0).
struct IndexEntry {
  std::uint64_t generation = 0;  // of its log; they begin at 1
  std::uint64_t offset = 0;      // of its record there
  std::uint64_t record_bytes = 0;
  erasure::Layout layout;
  std::uint64_t order = 0;
  std::uint64_t sequence = 0;
  std::vector<std::uint32_t> block_crcs;

  bool tombstone() const { return generation == 0; }
  bool at(std::uint64_t log, std::uint64_t record) const {
    return generation == log && offset == record;
  }
  // Whether this one wins over the other.
  bool newer_than(const IndexEntry& other) const {
    return order != other.order ? order > other.order : sequence > other.sequence;
  }
};

// What the checkpoint knows of one log.
struct LogState {
  std::uint64_t generation = 0;
  std::uint64_t log_bytes = 0;      // size of the file
  std::uint64_t scan_from = 0;      // everything before is in the index
  std::uint64_t tail = 0;           // where the next record would begin
  std::uint64_t live_bytes = 0;     // of records the index refers to
  std::uint64_t punched_bytes = 0;  // given back to the file system
  bool sealed = false;
};

// The checkpoint as a whole. Absent: the index is not complete and is rebuilt.
struct IndexMeta {
  NodeIdentity node;
  std::uint64_t sequence = 0;       // commits up to this one are in the index, or dead
  std::uint64_t last_sequence = 0;  // the greatest given out
  std::uint64_t next_generation = 1;
  bool clean = false;  // written by close(): nothing follows it in the logs
};

std::string shard_key(const ShardId& id);
std::optional<ShardId> parse_shard_key(ByteView key);  // nothing when it is another kind of key
std::string log_key(std::uint64_t generation);
std::optional<std::uint64_t> parse_log_key(ByteView key);
std::string meta_key();
// The smallest keys of all shards and of all logs.
std::string first_shard_key();
std::string first_log_key();

std::string encode_index_entry(const IndexEntry& entry);
Result<IndexEntry> decode_index_entry(ByteView value);
std::string encode_log_state(const LogState& state);
Result<LogState> decode_log_state(std::uint64_t generation, ByteView value);
std::string encode_index_meta(const IndexMeta& meta);
Result<IndexMeta> decode_index_meta(ByteView value);

}  // namespace hydra::agent
