// Keys of the catalog's rows. docs/FORMAT-catalog.md is the page for people. Pure functions; any
// thread.
//
// The first byte names the table; numbers are big-endian, so that byte order is numeric order. Text
// that is not the last field is escaped (00 -> 00 ff) and ended by 00 01, which keeps its order and
// lets a prefix of the text be a prefix of the key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "gateway/catalog/rows.h"

namespace hydra::catalog {

enum class Table : std::uint8_t {
  kMeta = 0x01,             // format version and cluster id; one row
  kState = 0x02,            // counters and the next numbers; one row
  kBuckets = 0x10,          // name
  kBucketNames = 0x11,      // bucket id
  kCurrent = 0x20,          // bucket id, raw key
  kVersions = 0x21,         // bucket id, key, inverted sequence
  kNullVersions = 0x22,     // bucket id, raw key
  kUploads = 0x30,          // bucket id, key, raw upload id
  kParts = 0x31,            // upload id, number
  kCompleted = 0x32,        // raw upload id
  kCompletedByTime = 0x33,  // completed_ms, raw upload id
  kBodies = 0x40,           // body id
  kExtents = 0x41,          // extent id
  kRepairs = 0x42,          // rank, since_ms, extent id
  kDead = 0x43,             // died_ms, extent id
  kStrays = 0x44,           // due_ms, node number, stored_as, index
  kAliases = 0x45,          // stored_as
  kPartials = 0x46,         // body id, offset, length
  kTrims = 0x47,            // body id
  kResidents = 0x48,        // extent id, body id
  kNodes = 0x50,            // node number
  kNodeIdentities = 0x51,   // identity
  kClaims = 0x52,           // claim id
  kRings = 0x60,            // epoch
  kLeases = 0x61,           // name
  kWalks = 0x62,            // name
  kOutbox = 0x70,           // sequence; of this machine only
  kSnapshots = 0x71,        // sequence
  kJournal = 0x72,          // one row; of this machine only
};

// The key of a table's only row, or the least key of the table.
std::string table_key(Table table);
// The least key that is greater than all that begin with `prefix`. Empty when there is none.
std::string after_prefix(std::string_view prefix);

std::string bucket_key(std::string_view name);
std::string bucket_name_key(BucketId bucket);
// With an empty key: the prefix of all of the bucket. Likewise with a prefix of keys.
std::string current_key(BucketId bucket, std::string_view key);
// All versions of the bucket whose key begins with `key_prefix`; all versions of one key.
std::string versions_prefix(BucketId bucket, std::string_view key_prefix = {});
std::string versions_of(BucketId bucket, std::string_view key);
std::string version_key(BucketId bucket, std::string_view key, std::uint64_t sequence);
std::string null_version_key(BucketId bucket, std::string_view key);
// All uploads of the bucket whose key begins with `key_prefix`.
std::string uploads_prefix(BucketId bucket, std::string_view key_prefix = {});
std::string upload_key(BucketId bucket, std::string_view key, std::string_view upload_id);
std::string parts_prefix(std::string_view upload_id);
std::string part_key(std::string_view upload_id, std::uint32_t number);
std::string completed_key(std::string_view upload_id);
std::string completed_by_time_key(std::int64_t completed_ms, std::string_view upload_id);
std::string body_key(const BodyId& body);
std::string extent_key(const ExtentId& extent);
std::string repair_key(const RepairRow& repair);
std::string dead_key(std::int64_t died_ms, const ExtentId& extent);
std::string stray_key(const Stray& stray);
std::string alias_key(const ExtentId& stored_as);
// All partial slices of a body; one of them.
std::string partials_of(const BodyId& body);
std::string partial_key(const BodyId& body, std::uint64_t offset, std::uint64_t length);
std::string trim_key(const BodyId& body);
// All bodies that are known to lie in an extent; one of them.
std::string residents_of(const ExtentId& extent);
std::string resident_key(const ExtentId& extent, const BodyId& body);
std::string node_key(NodeId node);
std::string node_identity_key(const NodeIdentity& identity);
std::string claim_key(const agent::ClaimId& id);
std::string ring_key(std::uint64_t epoch);
std::string lease_key(std::string_view name);
std::string walk_key(std::string_view name);
std::string outbox_key(std::uint64_t sequence);
std::string snapshot_key(std::uint64_t sequence);

// The other way round. std::nullopt: not a key of that table.
constexpr std::size_t kCurrentPrefixBytes = 1 + 8;
std::optional<std::string_view> parse_bucket_key(ByteView key);  // the name
struct VersionName {
  BucketId bucket;
  std::string key;
  std::uint64_t sequence;
};
std::optional<VersionName> parse_version_key(ByteView key);
struct UploadName {
  BucketId bucket;
  std::string key;
  std::string_view upload_id;
};
std::optional<UploadName> parse_upload_key(ByteView key);
std::optional<std::uint32_t> parse_part_key(ByteView key);  // the number
struct CompletedName {
  std::int64_t completed_ms;
  std::string_view upload_id;
};
std::optional<CompletedName> parse_completed_by_time_key(ByteView key);
std::optional<RepairRow> parse_repair_key(ByteView key);
std::optional<DeadName> parse_dead_key(ByteView key);
std::optional<Stray> parse_stray_key(ByteView key);
std::optional<ExtentId> parse_extent_key(ByteView key);
struct PartialName {
  BodyId body;
  std::uint64_t offset;
  std::uint64_t length;
};
std::optional<PartialName> parse_partial_key(ByteView key);
std::optional<BodyId> parse_trim_key(ByteView key);
std::optional<BodyId> parse_resident_key(ByteView key);
std::optional<NodeId> parse_node_key(ByteView key);
std::optional<agent::ClaimId> parse_claim_key(ByteView key);
std::optional<std::uint64_t> parse_ring_key(ByteView key);      // the epoch
std::optional<std::uint64_t> parse_outbox_key(ByteView key);    // the sequence
std::optional<std::uint64_t> parse_snapshot_key(ByteView key);  // the sequence

}  // namespace hydra::catalog
