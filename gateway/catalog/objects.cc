// Putting and deleting objects.

#include "gateway/catalog/lookups.h"
#include "gateway/catalog/store_catalog.h"
#include "gateway/catalog/versions.h"

namespace hydra::catalog {

namespace {

using Random = std::uint64_t;  // for a version's id; drawn on the caller's loop

Result<DeleteResult> erase(Ledger& ledger, const Bucket& bucket, const DeleteItem& item,
                           Random random) {
  if (item.version_id)
    return erase_version(ledger, bucket, item.key, *item.version_id, item.preconditions);
  return erase_key(ledger, bucket, item.key, item.preconditions, random);
}

// Whether a deletion of one key may fail while the others of the request go on.
bool is_refusal(Code code) {
  return code == Code::kPreconditionFailed || code == Code::kNoSuchKey || code == Code::kKeyTooLong;
}

}  // namespace

Task<Result<std::string>> StoreCatalog::put_object(Loop& loop, BucketId bucket, Version version,
                                                   NewData data, Preconditions preconditions) {
  return write(loop, loop.wall_ms(),
               [bucket, version = std::move(version), data = std::move(data),
                preconditions = std::move(preconditions),
                random = loop.random_u64()](Ledger& ledger) mutable -> Result<std::string> {
                 HYDRA_TRY(const Bucket row, load_bucket(ledger.change(), bucket));
                 // Counted first: the new version may share bodies with the one it replaces.
                 HYDRA_CHECK_OK(ledger.adopt(version.slices, data));
                 return insert_version(ledger, row, version, preconditions, random);
               });
}

Task<Result<DeleteResult>> StoreCatalog::delete_object(Loop& loop, BucketId bucket, DeleteItem item,
                                                       std::int64_t now_ms) {
  return write(loop, now_ms,
               [bucket, item = std::move(item),
                random = loop.random_u64()](Ledger& ledger) -> Result<DeleteResult> {
                 HYDRA_TRY(const Bucket row, load_bucket(ledger.change(), bucket));
                 return erase(ledger, row, item, random);
               });
}

Task<Result<std::vector<Result<DeleteResult>>>> StoreCatalog::delete_objects(
    Loop& loop, BucketId bucket, std::vector<DeleteItem> items, std::int64_t now_ms) {
  using Results = std::vector<Result<DeleteResult>>;
  std::vector<Random> randoms(items.size());
  loop.random(std::as_writable_bytes(std::span(randoms)));
  return write(loop, now_ms,
               [bucket, items = std::move(items),
                randoms = std::move(randoms)](Ledger& ledger) -> Result<Results> {
                 HYDRA_TRY(const Bucket row, load_bucket(ledger.change(), bucket));
                 Results results;
                 results.reserve(items.size());
                 for (std::size_t i = 0; i < items.size(); ++i) {
                   results.push_back(erase(ledger, row, items[i], randoms[i]));
                   // Anything else may have stopped half-way.
                   if (!results.back() && !is_refusal(results.back().error().code))
                     return fail(results.back().error());
                 }
                 return results;
               });
}

}  // namespace hydra::catalog
