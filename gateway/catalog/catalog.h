// Catalog: the transactional metadata of the grid. The only commit point (invariant 1).
//
// Reads are synchronous, on a snapshot, from any worker's thread. Writes are closures that run one
// after another on the one writer thread (a Sequencer); those that wait at the same moment share
// one durable commit. A closure that fails leaves nothing behind. Every change a closure makes is
// collected as one batch, which is what the journal carries. One instance a process, shared by all
// workers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/kv/kv.h"
#include "base/result.h"
#include "base/runtime/loop.h"
#include "gateway/catalog/held_extents.h"
#include "gateway/catalog/journal_sink.h"
#include "gateway/catalog/rows.h"

namespace hydra::catalog {

// Entity tags come without quotes; "*" means any. An absent object meets if_none_match and fails
// all others with kNoSuchKey. To writes, a key whose newest version is a delete marker is absent.
struct Preconditions {
  std::optional<std::string> if_match;
  std::optional<std::string> if_none_match;
  std::optional<std::int64_t>
      if_match_modified_ms;                     // DeleteObject's x-amz-if-match-last-modified-time
  std::optional<std::uint64_t> if_match_bytes;  // DeleteObject's x-amz-if-match-size
};

// Bodies and extents that a commit brings into the catalog; all of their shards are durable already
// (or are named in Extent::missing).
struct NewData {
  std::vector<Extent> extents;
  std::vector<Body> bodies;  // references are counted by the commit
};

struct ListRequest {
  std::string_view prefix;
  std::string_view delimiter;    // empty: none
  std::string_view start_after;  // exclusive; a common prefix here skips all keys below it
  std::size_t limit = 1000;      // keys and common prefixes together
};
struct ListEntry {  // views are valid during the call
  std::string_view key;
  std::string_view etag;
  std::uint64_t bytes = 0;
  std::int64_t modified_ms = 0;
  std::string_view storage_class;
  std::string_view owner_id;
  std::string_view owner_name;
  std::optional<DigestKind> checksum_kind;
  ChecksumType checksum_type = ChecksumType::kFullObject;
};
class ListVisitor {
 public:
  virtual ~ListVisitor() = default;
  virtual void object(const ListEntry& entry) = 0;
  virtual void common_prefix(std::string_view prefix) = 0;
};
struct ListEnd {
  bool truncated = false;
  std::string last;  // the last key or common prefix that was visited: the next start_after
};

struct VersionListRequest {
  std::string_view prefix;
  std::string_view delimiter;          // empty: none
  std::string_view key_marker;         // exclusive; a common prefix here skips all keys below it
  std::string_view version_id_marker;  // empty: all versions of key_marker are skipped
  std::size_t limit = 1000;            // versions and common prefixes together
};
struct VersionEntry {  // views are valid during the call
  ListEntry object;    // of a delete marker: only key, owner and time
  std::string_view version_id;
  bool delete_marker = false;
  bool latest = false;  // the newest of its key
};
class VersionVisitor {
 public:
  virtual ~VersionVisitor() = default;
  virtual void version(const VersionEntry& entry) = 0;
  virtual void common_prefix(std::string_view prefix) = 0;
};
struct VersionListEnd {
  bool truncated = false;
  // What was visited last: the next markers. Behind a common prefix there is no version id.
  std::string last_key, last_version_id;
};

struct UploadListRequest {
  std::string prefix, delimiter, key_marker, upload_id_marker;
  std::size_t limit = 1000;
};
struct UploadPage {
  std::vector<Upload> uploads;
  std::vector<std::string> common_prefixes;
  bool truncated = false;
  std::string next_key_marker, next_upload_id_marker;
};
struct OldUploads {
  std::vector<Upload> uploads;
  std::optional<Upload> next;  // what to go on after; none at the end
};
struct PartPage {
  std::vector<Part> parts;  // without slices
  bool truncated = false;
  std::uint32_t next_marker = 0;
};

struct CompletedPart {
  std::uint32_t number = 0;
  std::string etag;                  // without quotes
  std::optional<Checksum> checksum;  // when the client repeated it
};
struct CompleteRequest {
  std::vector<CompletedPart> parts;
  Preconditions preconditions;
  std::optional<Checksum> checksum;  // x-amz-checksum-* of the whole object, to be verified
  std::optional<std::uint64_t> object_bytes;  // x-amz-mp-object-size, to be verified
  std::int64_t now_ms = 0;
};

// What a reader needs to fetch slices: their bodies and extents, from one snapshot.
struct ReadPlan {
  struct Run {                       // consecutive plaintext, in the order asked for
    Slice slice;                     // cut to what was asked for
    std::uint64_t body_plain_bytes;  // of the whole body: tells which segment is the last
    std::vector<BodyPiece> pieces;   // of the whole body
  };
  std::vector<Run> runs;
  std::vector<Extent> extents;  // those that the runs touch, each once
};

struct ExtentPage {
  struct Item {
    Extent extent;
    Rank rank = kNoRank;  // in the queue
  };
  std::vector<Item> items;
  std::optional<ExtentId> next;  // what to go on after; none at the end
};

struct QueueItem {
  ExtentId extent;
  Rank rank = kNoRank;  // kNoRank: nothing needs to be done
};

struct ExtentUpdate {
  std::int64_t strays_due_ms = 0;  // when what it leaves behind may be freed
  Rank still = kNoRank;            // what remains to be done
};

// An extent and what of it is alive: in order, with gaps between.
struct LiveExtent {
  Extent extent;
  std::vector<ExtentRange> ranges;
};
struct Trimmed {
  std::size_t bodies = 0;   // taken from the queue
  std::uint64_t bytes = 0;  // of extents that died thereby
};

struct DeleteItem {
  std::string key;
  Preconditions preconditions;
  std::optional<std::string> version_id = {};  // removes this version for good
};
struct DeleteResult {
  bool existed = false;        // the named version; without a name, the current one
  std::string version_id;      // that was named, or of the delete marker; else empty
  bool delete_marker = false;  // one was made, or the named version was one
};

constexpr std::size_t kMaxFreshClaims = 1024;
constexpr std::int64_t kClaimMemoryMs = 3600 * 1000;  // after it expired, to tell why it is refused

class Catalog {
 public:
  // Opens the catalog in `store` (creating the cluster id on first use). The writer runs on a
  // sequencer of `loop`. Without a sink there is no journal.
  static Result<std::unique_ptr<Catalog>> open(Loop& loop, std::unique_ptr<kv::Store> store,
                                               std::shared_ptr<JournalSink> sink = nullptr);
  virtual ~Catalog() = default;
  virtual ClusterId cluster() const = 0;
  // What running reads need and dead_extents() and strays() therefore leave out. Any thread.
  HeldExtents& held() { return held_; }

  // Reads: any thread.
  virtual Result<Bucket> bucket(std::string_view name) = 0;  // kNoSuchBucket
  virtual Result<std::vector<Bucket>> buckets(std::string_view owner_id) = 0;
  // The current version, or the one of that id. kNoSuchKey, kNoSuchVersion; kMethodNotAllowed when
  // the version of that id is a delete marker.
  virtual Result<Version> object(BucketId bucket, std::string_view key,
                                 std::string_view version_id = {}) = 0;
  // The same without slices, for HEAD.
  virtual Result<Version> head(BucketId bucket, std::string_view key,
                               std::string_view version_id = {}) = 0;
  // The version of that id, or without one the newest, if it is a delete marker.
  virtual Result<std::optional<Version>> delete_marker(BucketId bucket, std::string_view key,
                                                       std::string_view version_id = {}) = 0;
  virtual Result<ReadPlan> plan(std::span<const Slice> slices, std::uint64_t offset,
                                std::uint64_t length) = 0;
  // `object` and the plan of the whole of it or of a range decided by `choose` (called with the
  // version; returns offset and length, or nullopt for none), in one snapshot.
  using Choose =
      std::function<std::optional<std::pair<std::uint64_t, std::uint64_t>>(const Version&)>;
  virtual Result<std::pair<Version, ReadPlan>> object_and_plan(
      BucketId bucket, std::string_view key, const Choose& choose,
      std::string_view version_id = {}) = 0;
  virtual Result<ListEnd> list(BucketId bucket, const ListRequest& request,
                               ListVisitor& visitor) = 0;
  // Newest first within a key. kInvalidArgument when the version id marker is none.
  virtual Result<VersionListEnd> list_versions(BucketId bucket, const VersionListRequest& request,
                                               VersionVisitor& visitor) = 0;
  virtual Result<Upload> upload(BucketId bucket, std::string_view key,
                                std::string_view upload_id) = 0;  // kNoSuchUpload
  virtual Result<UploadPage> uploads(BucketId bucket, const UploadListRequest& request) = 0;
  // Of all buckets, those that began before then. `limit` bounds the uploads looked at.
  virtual Result<OldUploads> old_uploads(std::int64_t initiated_before_ms, std::size_t limit,
                                         std::optional<Upload> after = {}) = 0;
  virtual Result<PartPage> parts(std::string_view upload_id, std::uint32_t after,
                                 std::size_t limit) = 0;
  virtual Result<Extent> extent(const ExtentId& id) = 0;
  // kNotFound when it is gone or dead.
  virtual Result<LiveExtent> live_extent(const ExtentId& id) = 0;
  virtual Result<std::vector<NodeRow>> nodes() = 0;
  // std::nullopt: there is no such token, or it is long past.
  virtual Result<std::optional<ClaimRow>> claim(const agent::ClaimId& id) = 0;
  // The newest ring's epoch and encoded bytes (placement/ring_format.h), or nullopt.
  virtual Result<std::optional<std::pair<std::uint64_t, std::string>>> ring() = 0;
  // Live extents in the order of their ids; dead ones are skipped. `limit` bounds the work too.
  virtual Result<ExtentPage> walk_extents(std::optional<ExtentId> after, std::size_t limit) = 0;
  // For each name that shards have on a node, the extent whose shards bear it now, if there is one.
  // It may be dead (no live bytes): then it is on its way to be freed.
  virtual Result<std::vector<std::optional<Extent>>> owners(
      std::span<const ExtentId> stored_as) = 0;
  // The healer's queue behind `after`, the most urgent first.
  virtual Result<std::vector<RepairRow>> repairs(std::size_t limit,
                                                 std::optional<RepairRow> after = {}) = 0;
  virtual Result<std::vector<DeadExtent>> dead_extents(std::int64_t died_before_ms,
                                                       std::size_t limit,
                                                       std::optional<DeadName> after = {}) = 0;
  virtual Result<std::vector<Stray>> strays(std::int64_t due_before_ms, std::size_t limit,
                                            std::optional<Stray> after = {}) = 0;
  virtual Result<std::optional<Lease>> lease(std::string_view name) = 0;
  virtual Result<std::optional<WalkRow>> walk(std::string_view name) = 0;
  virtual Result<std::vector<SnapshotRow>> snapshots() = 0;  // oldest first
  // All rows as they are now. For the thread that asks.
  virtual Result<std::unique_ptr<kv::Snapshot>> rows() = 0;
  // `objects` and `object_bytes` are of current versions only. `repairs` are the extents in the
  // healer's queue that are not what they should be, `moves` those that only go elsewhere or are
  // rewritten. `trims` are the bodies that wait to be trimmed; `half_dead_bytes` is what compaction
  // of the half-dead extents gives back.
  struct Totals {
    std::uint64_t buckets = 0, objects = 0, object_bytes = 0, extents = 0, extent_bytes = 0,
                  dead_extents = 0, repairs = 0, repair_bytes = 0, moves = 0, move_bytes = 0,
                  strays = 0, uploads = 0, trims = 0, half_dead = 0, half_dead_bytes = 0;
  };
  virtual Result<Totals> totals() = 0;  // kept as counters, not counted by walking

  // Writes: on the caller's loop; durable when they return, and in the journal, except for what the
  // grid itself changes in its membership (journal_sink.h). kUnavailable: the journal could not
  // take it, nothing was done. kInternal: it is done, but the journal has not taken it yet.
  // kNoSpace when the device of the catalog is full. Creating one's own bucket again returns it
  // unchanged; another's: kBucketAlreadyExists.
  virtual Task<Result<Bucket>> create_bucket(Loop& loop, Bucket bucket) = 0;
  virtual Task<Status> delete_bucket(Loop& loop, std::string name) = 0;  // kBucketNotEmpty
  // Enables or suspends it; it can never be off again (kInvalidArgument).
  virtual Task<Status> set_versioning(Loop& loop, BucketId bucket, Versioning versioning) = 0;
  // Makes a new version where versioning is enabled, else replaces the null one. Returns its id.
  // kPreconditionFailed, kNoSuchBucket, kConflict (a slice's body is gone).
  virtual Task<Result<std::string>> put_object(Loop& loop, BucketId bucket, Version version,
                                               NewData data, Preconditions preconditions) = 0;
  // A version that is named goes for good, and nothing is said when it was not there. Without a
  // name the key goes, by a delete marker unless versioning was never enabled.
  virtual Task<Result<DeleteResult>> delete_object(Loop& loop, BucketId bucket, DeleteItem item,
                                                   std::int64_t now_ms) = 0;
  // Each item decided by itself, in order, all in one commit.
  virtual Task<Result<std::vector<Result<DeleteResult>>>> delete_objects(
      Loop& loop, BucketId bucket, std::vector<DeleteItem> items, std::int64_t now_ms) = 0;

  virtual Task<Status> create_upload(Loop& loop, Upload upload) = 0;
  // Replaces an older part of that number. kNoSuchUpload.
  virtual Task<Status> put_part(Loop& loop, Upload upload, Part part, NewData data) = 0;
  // kInvalidPart, kInvalidPartOrder, kEntityTooSmall, kNoSuchUpload, kPreconditionFailed,
  // kBadDigest. Repeating a completion that succeeded returns the same version.
  virtual Task<Result<Version>> complete_upload(Loop& loop, BucketId bucket, std::string key,
                                                std::string upload_id, CompleteRequest request) = 0;
  virtual Task<Status> abort_upload(Loop& loop, BucketId bucket, std::string key,
                                    std::string upload_id, std::int64_t now_ms) = 0;

  // Gives a joining node its number, or finds it by identity and updates what it says of itself.
  // kUnauthenticated when it was removed, kConflict when it had another role.
  virtual Task<Result<NodeRow>> register_node(Loop& loop, NodeRow node) = 0;
  // Keeps a new claim token, and forgets those that are long past. kSlowDown when more than
  // kMaxFreshClaims have not expired yet, used ones counted.
  virtual Task<Status> put_claim(Loop& loop, ClaimRow claim) = 0;
  // Spends the token and registers the node, in one commit. kUnauthenticated when the token is
  // unknown, used by another node, or past its time.
  virtual Task<Result<NodeRow>> claim_node(Loop& loop, agent::ClaimId id, Sha256 hash,
                                           NodeRow node) = 0;
  // What an operator says of a node. kNotFound, kInvalidArgument (a weight out of range, a zone too
  // long), kConflict when it was removed. Removing it twice does no harm.
  virtual Task<Result<NodeRow>> set_node(Loop& loop, NodeId node, NodeChange change) = 0;
  // Compare-and-swap: kConflict unless `epoch` is the newest plus one.
  virtual Task<Status> put_ring(Loop& loop, std::uint64_t epoch, std::string encoded) = 0;
  // Replaces profile, wanted, missing, nodes and stored_as of an extent if nodes, profile, missing
  // and stored_as still are as `expected` says: kConflict otherwise, kNotFound when it is gone or
  // dead. Another profile asks for a stored_as that was never used. Shards where they were expected
  // but no longer are become strays.
  virtual Task<Status> update_extent(Loop& loop, Extent expected, Extent updated,
                                     ExtentUpdate terms) = 0;
  // Cuts some of the bodies that wait for it down to the segments that their slices need. What no
  // piece needs any more of an extent is dead from then on.
  virtual Task<Result<Trimmed>> trim_bodies(Loop& loop, std::size_t limit) = 0;
  // The bytes `kept` of extent `from`, in order, now are what the new extent `into` holds: bodies
  // point there, and `from` dies. kConflict when they point at more than was kept, kNotFound when
  // `from` is gone or dead.
  virtual Task<Status> compact_extent(Loop& loop, ExtentId from, std::vector<ExtentRange> kept,
                                      Extent into) = 0;
  // Shards are not, or are after all, on the nodes that should hold them; what the catalog expects
  // elsewhere by now is passed over. A missing shard puts its extent into the queue. Returns how
  // many reports were news.
  virtual Task<Result<std::size_t>> report_missing(Loop& loop, std::vector<ShardReport> shards) = 0;
  virtual Task<Result<std::size_t>> report_present(Loop& loop, std::vector<ShardReport> shards) = 0;
  // Sets the ranks of extents in the queue. What a row says of itself (missing shards, a profile
  // that is not the wanted one) keeps it in the queue at least that urgent. Those that are gone are
  // passed over.
  virtual Task<Status> enqueue(Loop& loop, std::vector<QueueItem> items) = 0;
  // Shards that were found where their extents do not live. Those that are there already are passed
  // over.
  virtual Task<Status> add_strays(Loop& loop, std::vector<Stray> strays) = 0;
  // These have been freed, or turned out to be no strays.
  virtual Task<Status> forget_strays(Loop& loop, std::vector<Stray> strays) = 0;
  // Takes or prolongs the lease of that name for `ttl_ms` from now if nobody else holds it. Returns
  // who does.
  virtual Task<Result<Lease>> acquire_lease(Loop& loop, std::string name, std::string holder,
                                            std::int64_t ttl_ms) = 0;
  virtual Task<Status> release_lease(Loop& loop, std::string name, std::string holder) = 0;
  // Remembers how far a walk has come. Who walks holds a lease.
  virtual Task<Status> put_walk(Loop& loop, std::string name, WalkRow row) = 0;
  // The shards of these extents have been freed.
  virtual Task<Status> forget_dead(Loop& loop, std::vector<ExtentId> extents) = 0;
  // Brings a snapshot's body in, not rooted. kAlreadyExists.
  virtual Task<Status> put_snapshot(Loop& loop, SnapshotRow row, NewData data) = 0;
  // Its root is durable: older snapshots are released. kNotFound.
  virtual Task<Status> root_snapshot(Loop& loop, std::uint64_t sequence) = 0;
  // Returns when all that was committed before is in the journal, too. To be awaited between
  // reading that shards are not wanted any more and freeing them: else a gateway that is lost in
  // between would be rebuilt as one that wants them.
  virtual Task<Status> settled(Loop& loop) = 0;

 private:
  HeldExtents held_;
};

}  // namespace hydra::catalog
