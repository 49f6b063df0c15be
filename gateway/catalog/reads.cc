// Opening the catalog, and its reads of single objects and of the grid's rows.

#include <algorithm>
#include <unordered_set>

#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/lookups.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/store_catalog.h"

namespace hydra::catalog {

namespace {

// The cluster of the catalog in `store`; a new one is founded in an empty store.
Result<ClusterId> open_cluster(Loop& loop, kv::Store& store) {
  HYDRA_TRY(const auto transaction, store.begin());
  HYDRA_TRY(const auto row, transaction->get(as_bytes(table_key(Table::kMeta))));
  if (row) {
    HYDRA_TRY(const MetaRow meta, decode_meta(*row));
    if (meta.format != kCatalogFormat)
      return fail(Code::kUnsupported, "catalog of format " + std::to_string(meta.format));
    return meta.cluster;
  }
  HYDRA_TRY(const bool occupied, transaction->cursor()->seek(as_bytes(std::string_view("\0", 1))));
  if (occupied) return fail(Code::kCorrupt, "the store holds something that is not a catalog");
  MetaRow meta;
  loop.random(meta.cluster.bytes);
  HYDRA_CHECK_OK(transaction->put(as_bytes(table_key(Table::kMeta)), as_bytes(encode(meta))));
  HYDRA_CHECK_OK(
      transaction->put(as_bytes(table_key(Table::kState)), as_bytes(encode(StateRow{}))));
  HYDRA_CHECK_OK(transaction->commit());
  return meta.cluster;
}

Result<Version> find_version(kv::Reader& reader, BucketId bucket, std::string_view key,
                             std::string_view version_id, Slices slices) {
  HYDRA_TRY(const auto current, find_current(reader, bucket, key));
  if (version_id.empty()) {
    if (!current) return fail(Code::kNoSuchKey);
    return load_version(reader, bucket, key, current->sequence, slices);
  }
  HYDRA_TRY(const auto named, find_named(reader, bucket, key, version_id, current));
  if (!named) return fail(Code::kNoSuchVersion);
  HYDRA_TRY(Version version, decode_version(key, named->row, slices));
  if (version.delete_marker) return fail(Code::kMethodNotAllowed);
  return version;
}

// Collects a ReadPlan slice by slice.
class Planner {
 public:
  explicit Planner(kv::Reader& reader) : reader_(reader) {}

  Result<ReadPlan> plan(std::span<const Slice> slices, std::uint64_t offset, std::uint64_t length) {
    std::uint64_t begin = 0;  // of the slice in the object
    for (const Slice& slice : slices) {
      if (length == 0) break;
      if (offset < begin + slice.length) {
        Slice cut = slice;
        cut.offset += offset - begin;
        cut.length = std::min(begin + slice.length - offset, length);
        HYDRA_CHECK_OK(add_run(cut));
        offset += cut.length;
        length -= cut.length;
      }
      begin += slice.length;
    }
    if (length != 0) return fail(Code::kInvalidArgument, "range reaches beyond the slices");
    return std::move(plan_);
  }

 private:
  Status add_run(const Slice& cut) {
    HYDRA_TRY(Body body, load_body(reader_, cut.body));
    const SealedRange range = segments_of(cut.offset, cut.length, body.plain_bytes);
    if (!covers(body.pieces, range))
      return fail(Code::kCorrupt, "catalog: body " + body.id.to_string() + " lacks bytes");
    std::uint64_t begin = 0;  // of the piece in the sealed body
    for (const BodyPiece& piece : body.pieces) {
      if (begin < range.end && begin + piece.length > range.begin)
        HYDRA_CHECK_OK(add_extent(piece.extent));
      begin += piece.length;
    }
    plan_.runs.push_back({cut, body.plain_bytes, std::move(body.pieces)});
    return {};
  }

  Status add_extent(const ExtentId& id) {
    if (!seen_.insert(id).second) return {};
    HYDRA_TRY(const auto row, reader_.get(as_bytes(extent_key(id))));
    if (!row) return fail(Code::kCorrupt, "catalog: no row for extent " + id.to_string());
    HYDRA_TRY(ExtentRow extent, decode_extent(id, *row));
    plan_.extents.push_back(std::move(extent.extent));
    return {};
  }

  kv::Reader& reader_;
  ReadPlan plan_;
  std::unordered_set<ExtentId> seen_;
};

}  // namespace

Result<std::unique_ptr<Catalog>> Catalog::open(Loop& loop, std::unique_ptr<kv::Store> store,
                                               std::shared_ptr<JournalSink> sink) {
  HYDRA_TRY(const ClusterId cluster, open_cluster(loop, *store));
  return std::unique_ptr<Catalog>(
      new StoreCatalog(loop, std::move(store), cluster, std::move(sink)));
}

Result<Version> StoreCatalog::object(BucketId bucket, std::string_view key,
                                     std::string_view version_id) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  return find_version(*snapshot, bucket, key, version_id, Slices::kDecode);
}

Result<Version> StoreCatalog::head(BucketId bucket, std::string_view key,
                                   std::string_view version_id) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  return find_version(*snapshot, bucket, key, version_id, Slices::kSkip);
}

Result<std::optional<Version>> StoreCatalog::delete_marker(BucketId bucket, std::string_view key,
                                                           std::string_view version_id) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  HYDRA_TRY(const auto current, find_current(*snapshot, bucket, key));
  std::optional<Version> found;
  if (!version_id.empty()) {
    HYDRA_TRY(const auto named, find_named(*snapshot, bucket, key, version_id, current));
    if (!named) return found;
    HYDRA_TRY(found, decode_version(key, named->row, Slices::kSkip));
  } else if (!current) {
    HYDRA_TRY(const auto newest, find_newest(*snapshot, bucket, key));
    if (!newest) return found;
    HYDRA_TRY(found, decode_version(key, as_bytes(newest->row), Slices::kSkip));
  }
  if (found && !found->delete_marker) found.reset();
  return found;
}

Result<ReadPlan> StoreCatalog::plan(std::span<const Slice> slices, std::uint64_t offset,
                                    std::uint64_t length) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  return Planner(*snapshot).plan(slices, offset, length);
}

Result<std::pair<Version, ReadPlan>> StoreCatalog::object_and_plan(BucketId bucket,
                                                                   std::string_view key,
                                                                   const Choose& choose,
                                                                   std::string_view version_id) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  HYDRA_TRY(Version version, find_version(*snapshot, bucket, key, version_id, Slices::kDecode));
  const auto range = choose(version);
  if (!range) return std::pair(std::move(version), ReadPlan());
  HYDRA_TRY(ReadPlan plan, Planner(*snapshot).plan(version.slices, range->first, range->second));
  return std::pair(std::move(version), std::move(plan));
}

}  // namespace hydra::catalog
