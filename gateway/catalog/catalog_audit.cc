#include "gateway/catalog/catalog_audit.h"

#include <functional>
#include <map>
#include <set>
#include <utility>

#include "base/endian.h"
#include "gateway/catalog/coverage.h"
#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/ledger.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/version_id.h"

namespace hydra::catalog {

namespace {

class Audit {
 public:
  explicit Audit(kv::Reader& reader) : reader_(reader) {}

  std::vector<std::string> run() {
    count_buckets();
    count_uploads();
    count_objects();
    count_completions();
    count_snapshots();
    check_bodies();
    check_extents();
    check_state();
    return std::move(faults_);
  }

 private:
  void expect(bool holds, std::string fault) {
    if (!holds) faults_.push_back(std::move(fault));
  }

  void each(Table table, const std::function<void(std::string_view key, ByteView row)>& visit) {
    const auto cursor = reader_.cursor();
    const std::string prefix = table_key(table);
    auto more = cursor->seek(as_bytes(prefix));
    while (more && *more && as_text(cursor->key()).starts_with(prefix)) {
      visit(as_text(cursor->key()), cursor->value());
      more = cursor->next();
    }
    expect(more.has_value(), "a scan failed");
  }

  template <typename T>
  const T* good(const Result<T>& row, const char* what) {
    expect(row.has_value(), std::string("undecodable ") + what);
    return row ? &*row : nullptr;
  }

  void count_buckets() {
    std::set<std::string> names;
    each(Table::kBuckets, [&](std::string_view key, ByteView row) {
      const auto decoded = decode_bucket(*parse_bucket_key(as_bytes(key)), row);
      const Bucket* bucket = good(decoded, "bucket");
      if (bucket == nullptr) return;
      ++state_.buckets;
      buckets_.insert(bucket->id);
      names.insert(bucket_name_key(bucket->id) + bucket->name);
    });
    std::size_t by_id = 0;
    each(Table::kBucketNames, [&](std::string_view key, ByteView row) {
      const auto name = decode_name(row);
      ++by_id;
      expect(name && names.contains(std::string(key) + std::string(*name)), "stray bucket name");
    });
    expect(by_id == names.size(), "a bucket without its name row");
  }

  void count_uploads() {
    std::set<std::string> scopes;
    each(Table::kUploads, [&](std::string_view key, ByteView row) {
      const auto name = parse_upload_key(as_bytes(key));
      expect(name && buckets_.contains(name->bucket), "upload without a bucket");
      good(decode_upload(name->bucket, name->key, name->upload_id, row), "upload");
      scopes.insert(parts_prefix(name->upload_id));
      ++state_.uploads;
    });
    each(Table::kParts, [&](std::string_view key, ByteView row) {
      expect(scopes.contains(std::string(key.substr(0, key.size() - 4))), "part without an upload");
      const auto decoded = decode_part(1, row, Slices::kDecode);
      if (const Part* part = good(decoded, "part")) count_slices(part->slices);
    });
  }

  void count_objects() {
    std::map<std::string, std::uint64_t> current;  // versions_of to the sequence in `current`
    std::set<std::string> null_keys;               // of current rows that are null versions
    each(Table::kCurrent, [&](std::string_view key, ByteView row) {
      const BucketId bucket = load_be<BucketId>(key.data() + 1);
      expect(buckets_.contains(bucket), "object without a bucket");
      const auto decoded = decode_current(row);
      const CurrentRow* entry = good(decoded, "current row");
      if (entry == nullptr) return;
      ++state_.objects;
      state_.object_bytes += entry->bytes;
      const std::string_view name = key.substr(kCurrentPrefixBytes);
      current.emplace(versions_of(bucket, name), entry->sequence);
      if (entry->null_version) null_keys.insert(null_version_key(bucket, name));
    });
    count_versions(current, null_keys);
  }

  void count_versions(std::map<std::string, std::uint64_t>& current,
                      const std::set<std::string>& current_nulls) {
    std::map<std::string, std::uint64_t> nulls;  // null_version_key to the sequence
    std::string previous;                        // versions_of
    each(Table::kVersions, [&](std::string_view key, ByteView row) {
      const auto name = parse_version_key(as_bytes(key));
      const auto decoded = decode_version("", row, Slices::kDecode);
      const Version* version = good(decoded, "version");
      expect(name.has_value(), "damaged key of a version");
      if (version == nullptr || !name) return;
      expect(buckets_.contains(name->bucket), "version without a bucket");
      count_slices(version->slices);
      if (version->version_id == kNullVersionId) {
        const std::string null_key = null_version_key(name->bucket, name->key);
        expect(nulls.emplace(null_key, name->sequence).second, "two null versions of a key");
      } else {
        expect(sequence_of_version_id(version->version_id) == name->sequence,
               "version id of another sequence");
      }
      const std::string scope = versions_of(name->bucket, name->key);
      if (std::exchange(previous, scope) == scope) return;
      const auto entry = current.find(scope);
      const bool is_current = entry != current.end() && entry->second == name->sequence;
      expect(is_current != version->delete_marker, "the newest version of a key is not current");
      if (is_current) {
        current.erase(entry);
        expect(current_nulls.contains(null_version_key(name->bucket, name->key)) ==
                   (version->version_id == kNullVersionId),
               "current row of another kind of version");
      }
    });
    expect(current.empty(), "current row without its version");
    for (const std::string& key : current_nulls) nulls.erase(key);
    each(Table::kNullVersions, [&](std::string_view key, ByteView row) {
      const auto found = nulls.find(std::string(key));
      const auto sequence = decode_sequence(row);
      expect(sequence && found != nulls.end() && found->second == *sequence,
             "stray row in null versions");
      if (found != nulls.end()) nulls.erase(found);
    });
    expect(nulls.empty(), "null version that cannot be found");
  }

  void count_slices(const std::vector<Slice>& slices) {
    for (const Slice& slice : slices) slices_[slice.body].push_back({slice.offset, slice.length});
  }

  void count_completions() {
    std::set<std::string> expected;
    std::size_t completions = 0;
    each(Table::kCompletedByTime, [&](std::string_view key, ByteView) {
      expected.insert(completed_key(parse_completed_by_time_key(as_bytes(key))->upload_id));
    });
    each(Table::kCompleted, [&](std::string_view key, ByteView row) {
      ++completions;
      good(decode_completed(row), "completed upload");
      expect(expected.contains(std::string(key)), "completion that is never forgotten");
    });
    expect(completions == expected.size(), "completion without a row");
  }

  void count_snapshots() {
    each(Table::kSnapshots, [&](std::string_view key, ByteView row) {
      const auto sequence = parse_snapshot_key(as_bytes(key));
      expect(sequence.has_value(), "damaged key of a snapshot");
      const auto decoded = decode_snapshot(sequence.value_or(0), row);
      if (const SnapshotRow* snapshot = good(decoded, "snapshot")) count_slices({snapshot->slice});
    });
  }

  void check_bodies() {
    each(Table::kBodies, [&](std::string_view key, ByteView row) {
      const BodyId id = BodyId::from(as_bytes(key.substr(1)));
      const auto decoded = decode_body(id, row);
      const Body* body = good(decoded, "body");
      if (body == nullptr) return;
      check_slices(*body);
      slices_.erase(id);
      for (const auto& [extent, bytes] : bytes_by_extent(body->pieces))
        residents_[extent].push_back({id, bytes});
    });
    for (const auto& [id, slices] : slices_) expect(false, "no body " + id.to_string());
    expect_rows(Table::kPartials, partials_, "partials");
    expect_rows(Table::kTrims, trims_, "trims");
    state_.trims = trims_.size();
  }

  // The body's counts, and that it has the bytes that its slices need: these and no others, unless
  // it waits for being trimmed.
  void check_slices(const Body& body) {
    const std::string name = " of body " + body.id.to_string();
    std::uint32_t whole = 0;
    std::map<std::string, std::uint32_t> partial;
    std::vector<SealedRange> needed;
    for (const auto& [offset, length] : slices_[body.id]) {
      needed.push_back(segments_of(offset, length, body.plain_bytes));
      if (offset == 0 && length == body.plain_bytes)
        ++whole;
      else
        ++partial[partial_key(body.id, offset, length)];
    }
    expect(body.references == slices_[body.id].size() && body.references > 0, "references" + name);
    expect(body.whole == whole, "whole references" + name);
    for (const auto& [key, count] : partial) partials_.emplace(key, encode_count(count));
    if (body.to_trim) trims_.emplace(trim_key(body.id), std::string());

    needed = unite(std::move(needed));
    std::uint64_t bytes = 0;
    std::vector<SealedRange> there;
    for (const BodyPiece& piece : body.pieces) {
      if (!piece.hole()) there.push_back({bytes, bytes + piece.length});
      bytes += piece.length;
    }
    there = unite(std::move(there));
    expect(bytes == sealed_bytes(body.plain_bytes), "bytes" + name);
    for (const SealedRange& range : needed)
      expect(covers(body.pieces, range), "a slice needs a hole" + name);
    expect(body.to_trim || there == needed, "nobody needs all" + name);
  }

  // The table holds these rows and no others.
  void expect_rows(Table table, const std::map<std::string, std::string>& rows, const char* name) {
    std::size_t seen = 0;
    each(table, [&](std::string_view key, ByteView row) {
      const auto found = rows.find(std::string(key));
      ++seen;
      expect(found != rows.end() && found->second == as_text(row),
             std::string("stray or wrong row in ") + name);
    });
    expect(seen == rows.size(), std::string("a row is missing in ") + name);
  }

  void check_extents() {
    std::set<std::string> queued;
    for (const Table table : {Table::kRepairs, Table::kDead, Table::kAliases})
      each(table, [&](std::string_view key, ByteView) { queued.insert(std::string(key)); });
    each(Table::kWalks, [&](std::string_view, ByteView row) { good(decode_walk(row), "walk"); });
    each(Table::kStrays, [&](std::string_view key, ByteView) {
      expect(parse_stray_key(as_bytes(key)).has_value(), "damaged key of a stray");
      ++state_.strays;
    });
    each(Table::kExtents, [&](std::string_view key, ByteView row) {
      const ExtentId id = ExtentId::from(as_bytes(key.substr(1)));
      const auto decoded = decode_extent(id, row);
      const ExtentRow* extent = good(decoded, "extent");
      if (extent == nullptr) return;
      std::uint64_t live = 0;
      for (const auto& [body, bytes] : residents_[id]) {
        live += bytes;
        if (bytes < extent->extent.length) named_.emplace(resident_key(id, body), std::string());
      }
      expect(extent->extent.live_bytes == live, "live bytes of " + id.to_string());
      residents_.erase(id);
      if (extent->extent.stored_as != id) {
        const auto named = reader_.get(as_bytes(alias_key(extent->extent.stored_as)));
        expect(named && *named && decode_extent_id(**named) == id,
               "the shards of " + id.to_string() + " do not name it");
        expect(queued.erase(alias_key(extent->extent.stored_as)) == 1,
               "not in aliases: " + id.to_string());
      }
      if (extent->extent.live_bytes == 0) {
        ++state_.dead_extents;
        expect(queued.erase(dead_key(extent->died_ms, id)) == 1, "not in dead: " + id.to_string());
        return;
      }
      ++state_.extents;
      state_.extent_bytes += extent->extent.length;
      if (extent->extent.half_dead()) {
        ++state_.half_dead;
        state_.half_dead_bytes += extent->extent.length - extent->extent.live_bytes;
      }
      expect(extent->rank <= own_rank(extent->extent), "not urgent enough: " + id.to_string());
      if (extent->rank == kNoRank) return;
      const bool move = extent->rank >= kRankDrain;
      ++(move ? state_.moves : state_.repairs);
      (move ? state_.move_bytes : state_.repair_bytes) += extent->extent.length;
      const RepairRow repair{id, extent->rank, extent->repair_since_ms};
      expect(queued.erase(repair_key(repair)) == 1, "not in repairs: " + id.to_string());
    });
    expect(queued.empty(), "stray row in repairs, dead or aliases");
    for (const auto& [id, bodies] : residents_) expect(false, "no extent " + id.to_string());
    expect_rows(Table::kResidents, named_, "residents");
  }

  void check_state() {
    const auto row = reader_.get(as_bytes(table_key(Table::kState)));
    if (!row || !*row) return expect(false, "no state row");
    const auto decoded = decode_state(**row);
    const StateRow* kept = good(decoded, "state");
    if (kept == nullptr) return;
    state_.next_bucket = kept->next_bucket;
    state_.next_sequence = kept->next_sequence;
    state_.next_node = kept->next_node;
    expect(state_ == *kept, "totals differ from what is there");
  }

  kv::Reader& reader_;
  std::vector<std::string> faults_;
  StateRow state_;
  std::set<BucketId> buckets_;
  // Offsets and lengths of all slices of a body.
  std::map<BodyId, std::vector<std::pair<std::uint64_t, std::uint64_t>>> slices_;
  // The bodies in an extent, and how much of it each takes up.
  std::map<ExtentId, std::vector<std::pair<BodyId, std::uint64_t>>> residents_;
  // What rows of these tables there should be.
  std::map<std::string, std::string> partials_, trims_, named_;
};

}  // namespace

std::vector<std::string> audit(kv::Reader& reader) { return Audit(reader).run(); }

}  // namespace hydra::catalog
