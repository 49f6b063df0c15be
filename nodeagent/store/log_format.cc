#include "nodeagent/store/log_format.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/endian.h"

namespace hydra::agent {
namespace {

// Offsets of the log header's fields.
constexpr std::size_t kLogVersionAt = 4;
constexpr std::size_t kLogNodeAt = 8;
constexpr std::size_t kLogClusterAt = 24;
constexpr std::size_t kLogGenerationAt = 40;
constexpr std::size_t kLogCrcAt = 60;
static_assert(kLogGenerationAt + 8 <= kLogCrcAt && kLogCrcAt + 4 == kLogHeaderBytes);

// Offsets of the record header's fields.
constexpr std::size_t kVersionAt = 4;
constexpr std::size_t kTypeAt = 6;
constexpr std::size_t kClusterAt = 8;
constexpr std::size_t kNodeAt = 24;
constexpr std::size_t kGenerationAt = 40;
constexpr std::size_t kOffsetAt = 48;
constexpr std::size_t kExtentAt = 56;
constexpr std::size_t kIndexAt = 72;
constexpr std::size_t kDataShardsAt = 73;
constexpr std::size_t kParityShardsAt = 74;
constexpr std::size_t kBlockBytesAt = 76;
constexpr std::size_t kExtentLengthAt = 80;
constexpr std::size_t kShardBytesAt = 88;
constexpr std::size_t kRecordBytesAt = 96;
constexpr std::size_t kSequenceAt = 104;
constexpr std::size_t kHeaderCrcAt = 124;
static_assert(kExtentAt + 16 == kIndexAt && kSequenceAt + 8 <= kHeaderCrcAt);
static_assert(kHeaderCrcAt + 4 == kRecordHeaderBytes);

// Offsets of the trailer's fields.
constexpr std::size_t kTrailerVersionAt = 4;
constexpr std::size_t kTrailerBlocksAt = 8;
constexpr std::size_t kTrailerCrcAt = 12;
constexpr std::size_t kTrailerOrderAt = 16;
constexpr std::size_t kTrailerSequenceAt = 24;
constexpr std::size_t kTrailerDurableAt = 32;
static_assert(kTrailerDurableAt + 8 == kTrailerFixedBytes);

Status check_version(ByteView bytes, std::uint32_t magic, std::size_t version_at) {
  if (load_le<std::uint32_t>(bytes.data()) != magic) return fail(Code::kCorrupt, "no magic number");
  const auto version = load_le<std::uint16_t>(bytes.data() + version_at);
  if (version != kLogVersion)
    return fail(Code::kUnsupported, fmt::format("log format version {}", version));
  return {};
}

// The checksum of a trailer: seeded with its header's, skipping its own field.
std::uint32_t trailer_crc(ByteView header, ByteView trailer) {
  const auto seed = load_le<std::uint32_t>(header.data() + kHeaderCrcAt);
  const std::uint32_t crc = crc32c(trailer.first(kTrailerCrcAt), seed);
  return crc32c(trailer.subspan(kTrailerCrcAt + 4), crc);
}

Status check_shard_geometry(const RecordHeader& header) {
  const erasure::Layout& layout = header.layout;
  if (!layout.profile.valid() || header.shard.index >= layout.profile.shards())
    return fail(Code::kCorrupt, "a record of an impossible profile");
  if (layout.length == 0 || layout.length > erasure::kMaxExtentBytes)
    return fail(Code::kCorrupt, "a record of an impossible extent length");
  if (layout.block_bytes == 0 || layout.block_bytes % erasure::kBlockAlignment != 0 ||
      layout.block_bytes > erasure::kMaxExtentBytes)
    return fail(Code::kCorrupt, "a record of an impossible block size");
  const std::uint64_t stripe = std::uint64_t{layout.block_bytes} * layout.profile.k;
  if ((layout.length + stripe - 1) / stripe > kMaxBlocks)
    return fail(Code::kCorrupt, "a record of too many blocks");
  if (layout.shard_bytes() != header.shard_bytes)
    return fail(Code::kCorrupt, "a record whose lengths disagree");
  if (header.record_bytes != shard_record_bytes(layout, header.offset))
    return fail(Code::kCorrupt, "a record of the wrong length");
  return {};
}

Status check_record(const RecordHeader& header) {
  if (header.offset % kRecordAlignment != 0 || header.record_bytes % kRecordAlignment != 0 ||
      header.record_bytes < kRecordHeaderBytes || header.offset > (1ull << 62) ||
      header.record_bytes > (1ull << 62))
    return fail(Code::kCorrupt, "a record out of alignment");
  switch (header.type) {
    case RecordType::kShard:
      return check_shard_geometry(header);
    case RecordType::kPad:
      return {};
    case RecordType::kTombstone:
    case RecordType::kSeal:
      if (header.record_bytes != kRecordHeaderBytes)
        return fail(Code::kCorrupt, "a tombstone or seal of the wrong length");
      return {};
  }
  return fail(Code::kUnsupported, "an unknown record type");
}

}  // namespace

std::uint64_t shard_record_bytes(const erasure::Layout& layout, std::uint64_t offset) {
  const std::uint64_t payload = layout.shard_bytes();
  const std::uint64_t end = offset + kRecordHeaderBytes + payload + trailer_bytes(layout.stripes());
  return round_up(end, payload >= kPunchableBytes ? kPageBytes : kRecordAlignment) - offset;
}

bool punchable_range(std::uint64_t offset, std::uint64_t record_bytes, std::uint64_t* first,
                     std::uint64_t* last) {
  if (record_bytes < kPunchableBytes) return false;
  *first = round_up(offset + kRecordHeaderBytes, kPageBytes);
  *last = (offset + record_bytes) / kPageBytes * kPageBytes;
  return *first < *last;
}

std::array<std::byte, kLogHeaderBytes> encode_log_header(const LogHeader& header) {
  std::array<std::byte, kLogHeaderBytes> out{};
  store_le<std::uint32_t>(out.data(), kLogMagic);
  store_le<std::uint16_t>(out.data() + kLogVersionAt, kLogVersion);
  std::memcpy(out.data() + kLogNodeAt, header.node.bytes.data(), 16);
  std::memcpy(out.data() + kLogClusterAt, header.cluster.bytes.data(), 16);
  store_le<std::uint64_t>(out.data() + kLogGenerationAt, header.generation);
  store_le<std::uint32_t>(out.data() + kLogCrcAt, crc32c(ByteView(out).first(kLogCrcAt)));
  return out;
}

Result<LogHeader> decode_log_header(ByteView bytes) {
  if (bytes.size() < kLogHeaderBytes) return fail(Code::kCorrupt, "a log header cut short");
  HYDRA_CHECK_OK(check_version(bytes, kLogMagic, kLogVersionAt));
  if (load_le<std::uint32_t>(bytes.data() + kLogCrcAt) != crc32c(bytes.first(kLogCrcAt)))
    return fail(Code::kCorrupt, "a log header fails its checksum");
  LogHeader header;
  header.node = NodeIdentity::from(bytes.subspan(kLogNodeAt, 16));
  header.cluster = ClusterId::from(bytes.subspan(kLogClusterAt, 16));
  header.generation = load_le<std::uint64_t>(bytes.data() + kLogGenerationAt);
  return header;
}

RecordHeaderBytes encode_record_header(const RecordHeader& header) {
  RecordHeaderBytes out{};
  std::byte* at = out.data();
  store_le<std::uint32_t>(at, kRecordMagic);
  store_le<std::uint16_t>(at + kVersionAt, kLogVersion);
  store_le<std::uint8_t>(at + kTypeAt, static_cast<std::uint8_t>(header.type));
  std::memcpy(at + kClusterAt, header.cluster.bytes.data(), 16);
  std::memcpy(at + kNodeAt, header.node.bytes.data(), 16);
  store_le<std::uint64_t>(at + kGenerationAt, header.generation);
  store_le<std::uint64_t>(at + kOffsetAt, header.offset);
  std::memcpy(at + kExtentAt, header.shard.extent.bytes.data(), 16);
  store_le<std::uint8_t>(at + kIndexAt, header.shard.index);
  store_le<std::uint8_t>(at + kDataShardsAt, header.layout.profile.k);
  store_le<std::uint8_t>(at + kParityShardsAt, header.layout.profile.m);
  store_le<std::uint32_t>(at + kBlockBytesAt, header.layout.block_bytes);
  store_le<std::uint64_t>(at + kExtentLengthAt, header.layout.length);
  store_le<std::uint64_t>(at + kShardBytesAt, header.shard_bytes);
  store_le<std::uint64_t>(at + kRecordBytesAt, header.record_bytes);
  store_le<std::uint64_t>(at + kSequenceAt, header.sequence);
  store_le<std::uint32_t>(at + kHeaderCrcAt, crc32c(ByteView(out).first(kHeaderCrcAt)));
  return out;
}

Result<RecordHeader> decode_record_header(ByteView bytes) {
  if (bytes.size() < kRecordHeaderBytes) return fail(Code::kCorrupt, "a record header cut short");
  HYDRA_CHECK_OK(check_version(bytes, kRecordMagic, kVersionAt));
  const std::byte* at = bytes.data();
  if (load_le<std::uint32_t>(at + kHeaderCrcAt) != crc32c(bytes.first(kHeaderCrcAt)))
    return fail(Code::kCorrupt, "a record header fails its checksum");
  RecordHeader header;
  header.type = static_cast<RecordType>(load_le<std::uint8_t>(at + kTypeAt));
  header.cluster = ClusterId::from(bytes.subspan(kClusterAt, 16));
  header.node = NodeIdentity::from(bytes.subspan(kNodeAt, 16));
  header.generation = load_le<std::uint64_t>(at + kGenerationAt);
  header.offset = load_le<std::uint64_t>(at + kOffsetAt);
  header.shard.extent = ExtentId::from(bytes.subspan(kExtentAt, 16));
  header.shard.index = load_le<std::uint8_t>(at + kIndexAt);
  header.layout.profile.k = load_le<std::uint8_t>(at + kDataShardsAt);
  header.layout.profile.m = load_le<std::uint8_t>(at + kParityShardsAt);
  header.layout.block_bytes = load_le<std::uint32_t>(at + kBlockBytesAt);
  header.layout.length = load_le<std::uint64_t>(at + kExtentLengthAt);
  header.shard_bytes = load_le<std::uint64_t>(at + kShardBytesAt);
  header.record_bytes = load_le<std::uint64_t>(at + kRecordBytesAt);
  header.sequence = load_le<std::uint64_t>(at + kSequenceAt);
  HYDRA_CHECK_OK(check_record(header));
  return header;
}

void encode_trailer(const RecordHeaderBytes& header, const Trailer& trailer, MutableBytes out) {
  const auto blocks = static_cast<std::uint32_t>(trailer.block_crcs.size());
  HYDRA_ASSERT(out.size() == trailer_bytes(blocks));
  std::fill(out.begin(), out.end(), std::byte{0});
  store_le<std::uint32_t>(out.data(), kTrailerMagic);
  store_le<std::uint16_t>(out.data() + kTrailerVersionAt, kLogVersion);
  store_le<std::uint32_t>(out.data() + kTrailerBlocksAt, blocks);
  store_le<std::uint64_t>(out.data() + kTrailerOrderAt, trailer.order);
  store_le<std::uint64_t>(out.data() + kTrailerSequenceAt, trailer.sequence);
  store_le<std::uint64_t>(out.data() + kTrailerDurableAt, trailer.durable);
  for (std::uint32_t i = 0; i < blocks; ++i)
    store_le<std::uint32_t>(out.data() + kTrailerFixedBytes + 4 * i, trailer.block_crcs[i]);
  store_le<std::uint32_t>(out.data() + kTrailerCrcAt, trailer_crc(header, out));
}

Result<Trailer> decode_trailer(ByteView header, std::uint32_t blocks, ByteView bytes) {
  if (header.size() < kRecordHeaderBytes || bytes.size() != trailer_bytes(blocks))
    return fail(Code::kCorrupt, "a trailer cut short");
  HYDRA_CHECK_OK(check_version(bytes, kTrailerMagic, kTrailerVersionAt));
  if (load_le<std::uint32_t>(bytes.data() + kTrailerBlocksAt) != blocks)
    return fail(Code::kCorrupt, "a trailer of another record");
  if (load_le<std::uint32_t>(bytes.data() + kTrailerCrcAt) != trailer_crc(header, bytes))
    return fail(Code::kCorrupt, "a trailer fails its checksum");
  Trailer trailer;
  trailer.order = load_le<std::uint64_t>(bytes.data() + kTrailerOrderAt);
  trailer.sequence = load_le<std::uint64_t>(bytes.data() + kTrailerSequenceAt);
  trailer.durable = load_le<std::uint64_t>(bytes.data() + kTrailerDurableAt);
  trailer.block_crcs.resize(blocks);
  for (std::uint32_t i = 0; i < blocks; ++i)
    trailer.block_crcs[i] = load_le<std::uint32_t>(bytes.data() + kTrailerFixedBytes + 4 * i);
  return trailer;
}

}  // namespace hydra::agent
