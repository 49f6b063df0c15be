// StoreCatalog: the Catalog over a kv::Store. Reads decode rows from a snapshot taken for the call;
// writes are closures on the Writer. Threads as in catalog.h. Its parts live in reads.cc,
// listing.cc, version_listing.cc, buckets.cc, objects.cc, uploads.cc, complete_upload.cc,
// extents.cc, queues.cc, space.cc, grid_rows.cc, snapshots.cc and walks.cc.
#pragma once

#include <memory>
#include <utility>

#include "gateway/catalog/catalog.h"
#include "gateway/catalog/ledger.h"
#include "gateway/catalog/writer.h"

namespace hydra::catalog {

class StoreCatalog final : public Catalog {
 public:
  StoreCatalog(Loop& loop, std::unique_ptr<kv::Store> store, ClusterId cluster,
               std::shared_ptr<JournalSink> sink)
      : store_(std::move(store)), cluster_(cluster), writer_(loop, *store_, std::move(sink)) {}

  ClusterId cluster() const override { return cluster_; }

  Result<Bucket> bucket(std::string_view name) override;
  Result<std::vector<Bucket>> buckets(std::string_view owner_id) override;
  Result<Version> object(BucketId bucket, std::string_view key,
                         std::string_view version_id) override;
  Result<Version> head(BucketId bucket, std::string_view key, std::string_view version_id) override;
  Result<std::optional<Version>> delete_marker(BucketId bucket, std::string_view key,
                                               std::string_view version_id) override;
  Result<ReadPlan> plan(std::span<const Slice> slices, std::uint64_t offset,
                        std::uint64_t length) override;
  Result<std::pair<Version, ReadPlan>> object_and_plan(BucketId bucket, std::string_view key,
                                                       const Choose& choose,
                                                       std::string_view version_id) override;
  Result<ListEnd> list(BucketId bucket, const ListRequest& request, ListVisitor& visitor) override;
  Result<VersionListEnd> list_versions(BucketId bucket, const VersionListRequest& request,
                                       VersionVisitor& visitor) override;
  Result<Upload> upload(BucketId bucket, std::string_view key, std::string_view upload_id) override;
  Result<UploadPage> uploads(BucketId bucket, const UploadListRequest& request) override;
  Result<OldUploads> old_uploads(std::int64_t initiated_before_ms, std::size_t limit,
                                 std::optional<Upload> after) override;
  Result<PartPage> parts(std::string_view upload_id, std::uint32_t after,
                         std::size_t limit) override;
  Result<Extent> extent(const ExtentId& id) override;
  Result<LiveExtent> live_extent(const ExtentId& id) override;
  Result<std::vector<NodeRow>> nodes() override;
  Result<std::optional<ClaimRow>> claim(const agent::ClaimId& id) override;
  Result<std::optional<std::pair<std::uint64_t, std::string>>> ring() override;
  Result<ExtentPage> walk_extents(std::optional<ExtentId> after, std::size_t limit) override;
  Result<std::vector<std::optional<Extent>>> owners(std::span<const ExtentId> stored_as) override;
  Result<std::vector<RepairRow>> repairs(std::size_t limit,
                                         std::optional<RepairRow> after) override;
  Result<std::vector<DeadExtent>> dead_extents(std::int64_t died_before_ms, std::size_t limit,
                                               std::optional<DeadName> after) override;
  Result<std::vector<Stray>> strays(std::int64_t due_before_ms, std::size_t limit,
                                    std::optional<Stray> after) override;
  Result<std::optional<Lease>> lease(std::string_view name) override;
  Result<std::optional<WalkRow>> walk(std::string_view name) override;
  Result<std::vector<SnapshotRow>> snapshots() override;
  Result<std::unique_ptr<kv::Snapshot>> rows() override;
  Result<Totals> totals() override;

  Task<Result<Bucket>> create_bucket(Loop& loop, Bucket bucket) override;
  Task<Status> delete_bucket(Loop& loop, std::string name) override;
  Task<Status> set_versioning(Loop& loop, BucketId bucket, Versioning versioning) override;
  Task<Result<std::string>> put_object(Loop& loop, BucketId bucket, Version version, NewData data,
                                       Preconditions preconditions) override;
  Task<Result<DeleteResult>> delete_object(Loop& loop, BucketId bucket, DeleteItem item,
                                           std::int64_t now_ms) override;
  Task<Result<std::vector<Result<DeleteResult>>>> delete_objects(Loop& loop, BucketId bucket,
                                                                 std::vector<DeleteItem> items,
                                                                 std::int64_t now_ms) override;
  Task<Status> create_upload(Loop& loop, Upload upload) override;
  Task<Status> put_part(Loop& loop, Upload upload, Part part, NewData data) override;
  Task<Result<Version>> complete_upload(Loop& loop, BucketId bucket, std::string key,
                                        std::string upload_id, CompleteRequest request) override;
  Task<Status> abort_upload(Loop& loop, BucketId bucket, std::string key, std::string upload_id,
                            std::int64_t now_ms) override;
  Task<Result<NodeRow>> register_node(Loop& loop, NodeRow node) override;
  Task<Status> put_claim(Loop& loop, ClaimRow claim) override;
  Task<Result<NodeRow>> claim_node(Loop& loop, agent::ClaimId id, Sha256 hash,
                                   NodeRow node) override;
  Task<Result<NodeRow>> set_node(Loop& loop, NodeId node, NodeChange change) override;
  Task<Status> put_ring(Loop& loop, std::uint64_t epoch, std::string encoded) override;
  Task<Status> update_extent(Loop& loop, Extent expected, Extent updated,
                             ExtentUpdate terms) override;
  Task<Result<Trimmed>> trim_bodies(Loop& loop, std::size_t limit) override;
  Task<Status> compact_extent(Loop& loop, ExtentId from, std::vector<ExtentRange> kept,
                              Extent into) override;
  Task<Result<std::size_t>> report_missing(Loop& loop, std::vector<ShardReport> shards) override;
  Task<Result<std::size_t>> report_present(Loop& loop, std::vector<ShardReport> shards) override;
  Task<Status> enqueue(Loop& loop, std::vector<QueueItem> items) override;
  Task<Status> forget_dead(Loop& loop, std::vector<ExtentId> extents) override;
  Task<Status> add_strays(Loop& loop, std::vector<Stray> strays) override;
  Task<Status> forget_strays(Loop& loop, std::vector<Stray> strays) override;
  Task<Status> put_walk(Loop& loop, std::string name, WalkRow row) override;
  Task<Result<Lease>> acquire_lease(Loop& loop, std::string name, std::string holder,
                                    std::int64_t ttl_ms) override;
  Task<Status> release_lease(Loop& loop, std::string name, std::string holder) override;
  Task<Status> put_snapshot(Loop& loop, SnapshotRow row, NewData data) override;
  Task<Status> root_snapshot(Loop& loop, std::uint64_t sequence) override;
  Task<Status> settled(Loop& loop) override;

 private:
  // Runs work(Ledger&) -> Result<T> on the writer.
  template <typename Work>
  auto write(Loop& loop, std::int64_t now_ms, Work work, Origin origin = Origin::kClient) {
    return writer_.run(
        loop,
        [now_ms,
         work = std::move(work)](Change& change) mutable -> std::invoke_result_t<Work&, Ledger&> {
          HYDRA_TRY(Ledger ledger, Ledger::open(change, now_ms));
          auto result = work(ledger);
          if (result) ledger.close();
          return result;
        },
        origin);
  }
  // The same for changes that must not wait for the journal.
  template <typename Work>
  auto write_internal(Loop& loop, std::int64_t now_ms, Work work) {
    return write(loop, now_ms, std::move(work), Origin::kInternal);
  }

  std::unique_ptr<kv::Store> store_;
  ClusterId cluster_;
  Writer writer_;  // last: it uses the store
};

}  // namespace hydra::catalog
