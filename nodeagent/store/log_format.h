// The bytes of a log: file header, record headers, trailers. docs/FORMAT-log.md has the tables and
// an example.
//
// Pure functions between structs and bytes; any thread. Decoding trusts nothing: kCorrupt for bytes
// that are not a valid header or trailer, kUnsupported for a version from the future.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "erasure/layout.h"

namespace hydra::agent {

constexpr std::uint16_t kLogVersion = 1;

constexpr std::uint32_t kLogMagic = 0x474f4c48;      // "HLOG"
constexpr std::uint32_t kRecordMagic = 0x43455248;   // "HREC"
constexpr std::uint32_t kTrailerMagic = 0x54504348;  // "HCPT"

constexpr std::uint64_t kLogHeaderBytes = 64;
constexpr std::uint64_t kFirstRecord = 4096;  // offset of the first record in a log
constexpr std::uint64_t kRecordAlignment = 64;
constexpr std::uint64_t kRecordHeaderBytes = 128;
constexpr std::uint64_t kTrailerFixedBytes = 40;
constexpr std::uint64_t kPageBytes = 4096;
// Records with at least this much payload end on a page, so that they can be punched out with their
// trailer.
constexpr std::uint64_t kPunchableBytes = 256u << 10;
constexpr std::uint32_t kMaxBlocks = 1000;  // keeps a trailer within one page

struct LogHeader {
  NodeIdentity node;
  ClusterId cluster;  // zeros before the device joined one
  std::uint64_t generation = 0;
};

enum class RecordType : std::uint8_t {
  kShard = 1,      // header, payload, trailer; live only with a valid trailer
  kTombstone = 2,  // a header alone: the shard is forgotten
  kPad = 3,        // a header and bytes without meaning
  kSeal = 4,       // a header alone: the log ends here
};

struct RecordHeader {
  RecordType type = RecordType::kPad;
  ClusterId cluster;
  NodeIdentity node;
  std::uint64_t generation = 0;
  std::uint64_t offset = 0;        // of this record in its log
  ShardId shard;                   // kShard, kTombstone
  erasure::Layout layout;          // kShard
  std::uint64_t shard_bytes = 0;   // kShard: of the payload
  std::uint64_t record_bytes = 0;  // from this header to the next
  std::uint64_t sequence = 0;      // kTombstone: its order; kSeal: the last one given out before

  std::uint64_t end() const { return offset + record_bytes; }
  std::uint64_t payload() const { return offset + kRecordHeaderBytes; }
};

// Written by commit. Of two records of a shard the one with the greater (order, sequence) wins.
struct Trailer {
  std::uint64_t order =
      0;  // the sequence of the first commit; kept when compaction copies the record
  std::uint64_t sequence = 0;  // of this commit, unique in the store
  std::uint64_t durable = 0;   // every commit with a sequence up to this one had been synced before
  std::vector<std::uint32_t> block_crcs;
};

using RecordHeaderBytes = std::array<std::byte, kRecordHeaderBytes>;

static_assert(kRecordHeaderBytes % kRecordAlignment == 0);
static_assert(kFirstRecord % kPageBytes == 0 && kLogHeaderBytes <= kFirstRecord);
static_assert(kTrailerFixedBytes + 4 * kMaxBlocks <= kPageBytes);
static_assert(kPunchableBytes >= 4 * kPageBytes);

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

// Bytes of a trailer with the checksums of so many blocks; a multiple of kRecordAlignment.
constexpr std::uint64_t trailer_bytes(std::uint32_t blocks) {
  return round_up(kTrailerFixedBytes + 4ull * blocks, kRecordAlignment);
}

// Bytes of the record of such a shard when it begins at `offset`.
std::uint64_t shard_record_bytes(const erasure::Layout& layout, std::uint64_t offset);

// Whether [first, last) of the log is all that may be punched out of the dead record; false when
// nothing is.
bool punchable_range(std::uint64_t offset, std::uint64_t record_bytes, std::uint64_t* first,
                     std::uint64_t* last);

std::array<std::byte, kLogHeaderBytes> encode_log_header(const LogHeader& header);
Result<LogHeader> decode_log_header(ByteView bytes);

RecordHeaderBytes encode_record_header(const RecordHeader& header);
// `bytes` begins with the header. Also checks that its numbers agree with each other.
Result<RecordHeader> decode_record_header(ByteView bytes);

// The trailer of the record with this header. `out` has trailer_bytes(block_crcs.size()) bytes.
void encode_trailer(const RecordHeaderBytes& header, const Trailer& trailer, MutableBytes out);
// kCorrupt also when the trailer belongs to another header.
Result<Trailer> decode_trailer(ByteView header, std::uint32_t blocks, ByteView bytes);

}  // namespace hydra::agent
