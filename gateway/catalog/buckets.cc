// Buckets.

#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/lookups.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/store_catalog.h"
#include "gateway/catalog/upload_rows.h"

namespace hydra::catalog {

namespace {

Result<Bucket> insert_bucket(Ledger& ledger, Bucket bucket) {
  if (bucket.name.empty() || bucket.name.size() > kMaxBucketNameBytes)
    return fail(Code::kInvalidBucketName);
  auto known = find_bucket(ledger.change(), bucket.name);
  if (known) {
    if (known->owner.id != bucket.owner.id) return fail(Code::kBucketAlreadyExists);
    return known;
  }
  if (known.error().code != Code::kNoSuchBucket) return known;
  bucket.id = ledger.state().next_bucket++;
  ++ledger.state().buckets;
  ledger.change().put(bucket_key(bucket.name), encode(bucket));
  ledger.change().put(bucket_name_key(bucket.id), encode_name(bucket.name));
  return bucket;
}

Status change_versioning(Ledger& ledger, BucketId id, Versioning versioning) {
  if (versioning == Versioning::kOff)
    return fail(Code::kInvalidArgument, "versioning cannot be switched off");
  HYDRA_TRY(Bucket bucket, load_bucket(ledger.change(), id));
  if (bucket.versioning == versioning) return {};
  bucket.versioning = versioning;
  ledger.change().put(bucket_key(bucket.name), encode(bucket));
  return {};
}

// Current or not, and delete markers.
Result<bool> has_versions(Change& change, BucketId bucket) {
  const std::string prefix = versions_prefix(bucket);
  const auto cursor = change.cursor();
  HYDRA_TRY(const bool found, cursor->seek(as_bytes(prefix)));
  return found && as_text(cursor->key()).starts_with(prefix);
}

// One step of a deletion. True: the bucket is gone. False: uploads were aborted and more may be
// left.
Result<bool> erase_bucket(Ledger& ledger, const std::string& name) {
  HYDRA_TRY(const Bucket bucket, find_bucket(ledger.change(), name));
  HYDRA_TRY(const bool occupied, has_versions(ledger.change(), bucket.id));
  if (occupied) return fail(Code::kBucketNotEmpty);
  HYDRA_TRY(const bool aborted, abort_some_uploads(ledger, bucket.id));
  if (aborted) return false;
  --ledger.state().buckets;
  ledger.change().erase(bucket_key(bucket.name));
  ledger.change().erase(bucket_name_key(bucket.id));
  return true;
}

}  // namespace

Result<Bucket> StoreCatalog::bucket(std::string_view name) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  return find_bucket(*snapshot, name);
}

Result<std::vector<Bucket>> StoreCatalog::buckets(std::string_view owner_id) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  const auto cursor = snapshot->cursor();
  std::vector<Bucket> out;
  HYDRA_TRY(bool more, cursor->seek(as_bytes(table_key(Table::kBuckets))));
  while (more) {
    const auto name = parse_bucket_key(cursor->key());
    if (!name) break;
    HYDRA_TRY(Bucket bucket, decode_bucket(*name, cursor->value()));
    if (bucket.owner.id == owner_id) out.push_back(std::move(bucket));
    HYDRA_TRY(more, cursor->next());
  }
  return out;
}

Task<Result<Bucket>> StoreCatalog::create_bucket(Loop& loop, Bucket bucket) {
  return write(loop, loop.wall_ms(),
               [bucket = std::move(bucket)](Ledger& ledger) -> Result<Bucket> {
                 return insert_bucket(ledger, bucket);
               });
}

Task<Status> StoreCatalog::set_versioning(Loop& loop, BucketId bucket, Versioning versioning) {
  return write(loop, loop.wall_ms(), [bucket, versioning](Ledger& ledger) -> Status {
    return change_versioning(ledger, bucket, versioning);
  });
}

Task<Status> StoreCatalog::delete_bucket(Loop& loop, std::string name) {
  for (;;) {
    HYDRA_CO_TRY(const bool gone,
                 co_await write(loop, loop.wall_ms(), [name](Ledger& ledger) -> Result<bool> {
                   return erase_bucket(ledger, name);
                 }));
    if (gone) co_return Status();
  }
}

}  // namespace hydra::catalog
