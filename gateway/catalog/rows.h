// What the catalog remembers, as plain data. rows_format.h encodes these; catalog.h reads and
// changes them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/ids.h"
#include "erasure/profile.h"
#include "nodeagent/protocol/node.h"
#include "nodeagent/protocol/secrets.h"

namespace hydra::catalog {

using BucketId = std::uint64_t;  // never reused, so a re-created bucket never meets old rows

// Plaintext is sealed in segments; each grows by its tag. Sealed segment i of a body begins at i *
// the latter.
constexpr std::uint64_t kSegmentBytes = 64u << 10;
constexpr std::uint64_t kSealedSegmentBytes = kSegmentBytes + 16;

// Longer names are refused with kKeyTooLong, or are known not to exist.
constexpr std::size_t kMaxObjectKeyBytes = 1024;

// A data key sealed under a key-encryption key: nonce (12), ciphertext (32), tag (16).
struct WrappedKey {
  std::uint32_t kek_id = 0;
  std::array<std::byte, 60> sealed{};
  bool operator==(const WrappedKey&) const = default;
};

// An erasure-coded run of ciphertext. `nodes[i]` holds shard i, also where bit i of `missing` says
// that it does not yet. `wanted` differs from `profile` when too few nodes lived: it is to be
// re-encoded. `id` is its name for good, to bodies and to its place on the ring; `stored_as` is the
// name of its shards on the nodes: the same one at birth, a fresh one each time it is re-encoded.
struct Extent {
  ExtentId id;
  ExtentId stored_as;
  erasure::Profile profile{};
  erasure::Profile wanted{};
  std::uint32_t length = 0;      // bytes of ciphertext, before padding
  std::uint32_t live_bytes = 0;  // of those, referenced by bodies
  std::uint32_t missing = 0;
  std::vector<NodeId> nodes;

  ShardId shard(std::size_t index) const { return {stored_as, static_cast<std::uint8_t>(index)}; }
  bool lacks(std::size_t index) const { return (missing >> index & 1) != 0; }
  // So much of it is dead that what lives is to be written anew: at least as much space comes back
  // as has to be written.
  bool half_dead() const { return live_bytes > 0 && live_bytes <= length / kCompactionGain; }
  static constexpr std::uint32_t kCompactionGain = 2;
};

// A run of an extent's ciphertext.
struct ExtentRange {
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  bool operator==(const ExtentRange&) const = default;
};

// Where a run of a body's sealed bytes lies; in order, the pieces make the whole. What no slice
// needs any more lies nowhere: then the piece is a hole.
struct BodyPiece {
  ExtentId extent;  // all zeros: a hole
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  bool hole() const { return extent == ExtentId(); }
  bool operator==(const BodyPiece&) const = default;
};

struct Body {
  BodyId id;
  std::uint64_t plain_bytes = 0;
  std::uint32_t references = 0;  // slices of versions and parts that point here
  std::uint32_t whole = 0;       // of these, slices of all of it
  bool to_trim = false;          // it is in `trims`
  std::vector<BodyPiece> pieces;
};

// Plaintext [offset, offset+length) of a body, with its data key wrapped for this use.
struct Slice {
  BodyId body;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  WrappedKey key;
  bool operator==(const Slice&) const = default;
};

enum class ChecksumType : std::uint8_t { kFullObject = 1, kComposite };
struct Checksum {
  DigestKind kind = DigestKind::kCrc32;
  ChecksumType type = ChecksumType::kFullObject;
  std::string value;  // raw bytes
  bool operator==(const Checksum&) const = default;
};

struct Owner {
  std::string id;
  std::string display_name;
  bool operator==(const Owner&) const = default;
};

// Headers that are stored and returned as given (Content-Type, Cache-Control, x-amz-meta-*,
// x-amz-website-…): lower-case name to value.
using Fields = std::map<std::string, std::string>;

struct PartSummary {  // of a completed upload: answers partNumber and GetObjectAttributes
  std::uint32_t number = 0;
  std::uint64_t bytes = 0;
  std::optional<Checksum> checksum;
};

// The id of versions that were made while their bucket did not keep versions. A key has at most
// one.
constexpr std::string_view kNullVersionId = "null";

struct Version {
  std::string key;
  std::string version_id{kNullVersionId};
  bool delete_marker = false;
  std::string etag;  // without quotes
  std::uint64_t bytes = 0;
  std::int64_t modified_ms = 0;
  Owner owner;
  std::string storage_class = "STANDARD";
  Fields fields;
  std::optional<Checksum> checksum;
  std::vector<PartSummary> parts;  // empty unless it came from an upload
  std::vector<Slice> slices;       // last in the row: HEAD need not decode them
};

enum class Versioning : std::uint8_t {
  kOff = 0,    // never enabled: a key has one version, the null one
  kEnabled,    // each write makes a new version
  kSuspended,  // a write replaces the null version, and keeps the others
};

struct Bucket {
  BucketId id = 0;
  std::string name;
  std::int64_t created_ms = 0;
  Owner owner;
  std::string location;  // LocationConstraint as it was given, may be empty
  Versioning versioning = Versioning::kOff;
};

struct Upload {
  BucketId bucket = 0;
  std::string key;
  std::string upload_id;
  std::int64_t initiated_ms = 0;
  Owner owner;
  std::string storage_class = "STANDARD";
  Fields fields;
  std::optional<DigestKind> checksum_kind;
  ChecksumType checksum_type = ChecksumType::kComposite;
};

struct Part {
  std::uint32_t number = 0;  // 1..10000
  std::string etag;          // hex MD5 of the part
  std::uint64_t bytes = 0;
  std::int64_t modified_ms = 0;
  std::optional<Checksum> checksum;
  std::vector<Slice> slices;
};

struct NodeRow {
  NodeId id = 0;
  NodeIdentity identity;
  std::string name;
  std::string zone;
  std::uint64_t capacity_bytes = 0;
  double weight = 1.0;      // an operator's factor on the capacity
  bool draining = false;    // takes no new shards, and is being emptied
  bool removed = false;     // for good: its identity is refused, and its shards count as lost
  bool zone_fixed = false;  // an operator said the zone, so the node's own word does not count
  agent::NodeRole role = agent::NodeRole::kStorage;

  // It holds shards that count.
  bool stores() const { return !removed && role == agent::NodeRole::kStorage; }
};

// A claim token that was made: what tells a right one, never the token itself.
struct ClaimRow {
  agent::ClaimId id{};
  Sha256 hash{};
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;
  std::int64_t used_ms = 0;  // 0: not yet
  // Who has used it, and may repeat that until its first link: an answer may have been lost. All
  // zeros: nobody.
  NodeIdentity used_by;
};

// What an operator changes of a node; absent: as it is.
struct NodeChange {
  std::optional<double> weight;
  std::optional<std::string> zone;
  std::optional<bool> draining;
  bool remove = false;
};

// How urgent the work on an extent is; less is more urgent. Below kRankReencode: shards are lost,
// and so many more may be. Moves begin at kRankDrain: these extents are as safe as they should be.
using Rank = std::uint8_t;
constexpr Rank kRankReencode = 0x40;   // not of the profile that is wanted
constexpr Rank kRankDrain = 0x80;      // on a node that is to be emptied
constexpr Rank kRankRebalance = 0x90;  // not where the ring wants it
constexpr Rank kRankCompact = 0x98;    // half dead
constexpr Rank kRankReprofile = 0xa0;  // wanted in another profile than the configured one
constexpr Rank kNoRank = 0xff;         // nothing to do

// The healer's work queue.
struct RepairRow {
  ExtentId extent;
  Rank rank = 0;
  std::int64_t since_ms = 0;  // in the queue, whatever the rank was meanwhile
  bool operator==(const RepairRow&) const = default;
};

// A shard that a node may hold of an extent that has moved away from it. It is freed when it is
// due, if the catalog then still says so.
struct Stray {
  std::int64_t due_ms = 0;
  NodeId node = 0;
  ShardId shard;
  bool operator==(const Stray&) const = default;
};

// What was found out about a shard: it is, or is not, on the node that should hold it.
struct ShardReport {
  NodeId node = 0;
  ShardId shard;
};

// Who may do what only one at a time may do, until when.
struct Lease {
  std::string holder;
  std::int64_t until_ms = 0;
};

// What a walk over all extents has looked at and found.
struct WalkCounts {
  std::uint64_t shards = 0;
  std::uint64_t bytes = 0;        // of them
  std::uint64_t broken = 0;       // not where they should be, or damaged
  std::uint64_t unreachable = 0;  // nobody could say
  std::uint64_t returned = 0;     // counted as missing, and there after all
  std::uint64_t strays = 0;       // of extents that live elsewhere
  std::uint64_t orphans = 0;      // of extents that the catalog does not know
  bool operator==(const WalkCounts&) const = default;
};

// A walk over all extents in the order of their ids, which goes on where it was.
struct WalkRow {
  std::optional<ExtentId> cursor;   // of the pass under way: all up to here was looked at
  std::int64_t started_ms = 0;      // of the pass under way; 0: none is
  bool hurried = false;             // somebody asked for it: it does not spread over its time
  std::uint64_t planned_bytes = 0;  // lengths of the extents when it started
  std::uint64_t done_bytes = 0;     // of those, looked at
  WalkCounts counts;
  // The last whole pass; zeros: there was none.
  std::int64_t last_started_ms = 0;
  std::int64_t last_finished_ms = 0;
  WalkCounts last_counts;
  bool operator==(const WalkRow&) const = default;
};

// A copy of all rows up to a commit of the journal, kept on the grid as a body of its own. Its
// extents keep the ids under which they were written: the journal's root names them
// (docs/FORMAT-journal.md).
struct SnapshotRow {
  std::uint64_t sequence = 0;  // of the last commit that is in it
  bool rooted = false;         // its root is durable on the grid
  std::int64_t made_ms = 0;
  std::uint64_t journal_bytes = 0;  // of all records up to there
  std::uint64_t plain_bytes = 0;
  Slice slice;  // the whole body
  bool operator==(const SnapshotRow&) const = default;
};

// An extent no body refers to any more, whose shards are freed on the agents after the grace time.
struct DeadName {
  std::int64_t died_ms = 0;
  ExtentId extent;
};
struct DeadExtent {
  std::int64_t died_ms = 0;
  Extent extent;
};

}  // namespace hydra::catalog
