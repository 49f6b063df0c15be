// Values of the catalog's rows. docs/FORMAT-catalog.md is the page for people. Pure functions; any
// thread.
//
// Every row begins with its format version; numbers are little-endian, text is length-prefixed.
// What the key says already (names, ids, numbers) is not repeated in the value, so decoding takes
// it from the caller. Decoding never reads past the row and allocates no more than a small multiple
// of its size: kCorrupt for damage, kUnsupported for a version that we do not know.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "gateway/catalog/rows.h"

namespace hydra::catalog {

constexpr std::uint8_t kRowVersion = 1;

// The store as a whole. kCatalogFormat changes when tables or keys do.
constexpr std::uint16_t kCatalogFormat = 2;
struct MetaRow {
  std::uint16_t format = kCatalogFormat;
  ClusterId cluster;
};

// Counters that every commit keeps in step with the rows, and the next numbers to give out.
// `objects` and `object_bytes` count current versions only; `extent_bytes` is what all versions,
// parts and uploads hold together. `repairs` are the rows of the queue that come before the moves.
// `half_dead_bytes` are the dead ones of the half-dead extents.
struct StateRow {
  std::uint64_t buckets = 0, objects = 0, object_bytes = 0, extents = 0, extent_bytes = 0,
                dead_extents = 0, repairs = 0, repair_bytes = 0, moves = 0, move_bytes = 0,
                strays = 0, uploads = 0, trims = 0, half_dead = 0, half_dead_bytes = 0;
  std::uint64_t next_bucket = 1;
  std::uint64_t next_sequence = 1;
  std::uint64_t next_node = 1;
  bool operator==(const StateRow&) const = default;
};

// What LIST and preconditions need of a key's current version. The texts are views into the row.
struct CurrentRow {
  std::uint64_t sequence = 0;  // of the version's key
  bool null_version = true;    // its id is kNullVersionId
  std::uint64_t bytes = 0;
  std::int64_t modified_ms = 0;
  std::optional<DigestKind> checksum_kind;
  ChecksumType checksum_type = ChecksumType::kFullObject;
  std::string_view etag, storage_class, owner_id, owner_name;
};

// What listings and conditions need of any version. The texts are views into the row.
struct VersionRow {
  bool delete_marker = false;
  std::uint64_t bytes = 0;
  std::int64_t modified_ms = 0;
  std::optional<DigestKind> checksum_kind;
  ChecksumType checksum_type = ChecksumType::kFullObject;
  std::string_view version_id, etag, storage_class, owner_id, owner_name;
};

// An extent's row also says where it is in `repairs`, or in `dead`. An extent is dead when
// live_bytes is 0; it keeps its row until its shards have been freed.
struct ExtentRow {
  Extent extent;
  Rank rank = kNoRank;
  std::int64_t repair_since_ms = 0;
  std::int64_t died_ms = 0;
};

struct CompletedRow {
  BucketId bucket = 0;
  std::int64_t completed_ms = 0;
  Version version;  // without fields, parts and slices
};

enum class Slices : std::uint8_t { kDecode, kSkip };

std::string encode(const MetaRow& row);
std::string encode(const StateRow& row);
std::string encode(const Bucket& row);
std::string encode(const CurrentRow& row);
std::string encode(const Version& row);
std::string encode(const Upload& row);
std::string encode(const Part& row);
std::string encode(const CompletedRow& row);
std::string encode(const Body& row);
std::string encode(const ExtentRow& row);
std::string encode(const ClaimRow& row);
std::string encode(const NodeRow& row);
std::string encode(const Lease& row);
std::string encode(const WalkRow& row);
std::string encode(const SnapshotRow& row);

Result<MetaRow> decode_meta(ByteView row);
Result<StateRow> decode_state(ByteView row);
Result<Bucket> decode_bucket(std::string_view name, ByteView row);
Result<CurrentRow> decode_current(ByteView row);
Result<Version> decode_version(std::string_view key, ByteView row, Slices slices);
// Reads no further than it needs to, so damage behind that is not seen.
Result<VersionRow> decode_version_row(ByteView row);
Result<Upload> decode_upload(BucketId bucket, std::string_view key, std::string_view upload_id,
                             ByteView row);
Result<Part> decode_part(std::uint32_t number, ByteView row, Slices slices);
Result<CompletedRow> decode_completed(ByteView row);
Result<Body> decode_body(const BodyId& id, ByteView row);
Result<ExtentRow> decode_extent(const ExtentId& id, ByteView row);
Result<ClaimRow> decode_claim(const agent::ClaimId& id, ByteView row);
Result<NodeRow> decode_node(NodeId id, ByteView row);
Result<Lease> decode_lease(ByteView row);
Result<WalkRow> decode_walk(ByteView row);
Result<SnapshotRow> decode_snapshot(std::uint64_t sequence, ByteView row);

// The rows of `bucket names`, `null versions`, `node identities`, `aliases` and `partials`: only a
// name, a sequence, a number, an id, a count.
std::string encode_name(std::string_view name);
Result<std::string_view> decode_name(ByteView row);
std::string encode_sequence(std::uint64_t sequence);
Result<std::uint64_t> decode_sequence(ByteView row);
std::string encode_node_number(NodeId id);
Result<NodeId> decode_node_number(ByteView row);
std::string encode_extent_id(const ExtentId& id);
Result<ExtentId> decode_extent_id(ByteView row);
std::string encode_count(std::uint32_t count);
Result<std::uint32_t> decode_count(ByteView row);

}  // namespace hydra::catalog
