// Putting and deleting objects.

#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/lookups.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/store_catalog.h"
#include "gateway/catalog/versions.h"

namespace hydra::catalog {

namespace {

bool etag_matches(std::string_view wanted, const CurrentRow& current) {
  return wanted == "*" || wanted == current.etag;
}

// Dates in headers have whole seconds.
std::int64_t seconds(std::int64_t ms) { return ms / 1000; }

CurrentRow current_row(const Version& version, std::uint64_t sequence) {
  CurrentRow row;
  row.sequence = sequence;
  row.bytes = version.bytes;
  row.modified_ms = version.modified_ms;
  if (version.checksum) {
    row.checksum_kind = version.checksum->kind;
    row.checksum_type = version.checksum->type;
  }
  row.etag = version.etag;
  row.storage_class = version.storage_class;
  row.owner_id = version.owner.id;
  row.owner_name = version.owner.display_name;
  return row;
}

Status release_version(Ledger& ledger, BucketId bucket, std::string_view key,
                       const CurrentRow& current) {
  HYDRA_TRY(const Version version,
            load_version(ledger.change(), bucket, key, current.sequence, Slices::kDecode));
  return ledger.release(version.slices);
}

// Whether a deletion of one key may fail while the others of the request go on.
bool is_refusal(Code code) { return code == Code::kPreconditionFailed || code == Code::kNoSuchKey; }

}  // namespace

Status check_preconditions(const Preconditions& preconditions, const CurrentRow* current) {
  if (preconditions.if_match) {
    if (current == nullptr) return fail(Code::kNoSuchKey);
    if (!etag_matches(*preconditions.if_match, *current)) return fail(Code::kPreconditionFailed);
  }
  if (current == nullptr) return {};
  if (preconditions.if_none_match && etag_matches(*preconditions.if_none_match, *current))
    return fail(Code::kPreconditionFailed);
  if (preconditions.if_match_modified_ms &&
      seconds(*preconditions.if_match_modified_ms) != seconds(current->modified_ms))
    return fail(Code::kPreconditionFailed);
  if (preconditions.if_match_bytes && *preconditions.if_match_bytes != current->bytes)
    return fail(Code::kPreconditionFailed);
  return {};
}

Status replace_current(Ledger& ledger, BucketId bucket, const Version& version,
                       const Preconditions& preconditions) {
  if (version.key.empty() || version.key.size() > kMaxObjectKeyBytes)
    return fail(Code::kKeyTooLong);
  HYDRA_TRY(const auto current, find_current(ledger.change(), bucket, version.key));
  HYDRA_CHECK_OK(check_preconditions(preconditions, current ? &*current : nullptr));
  StateRow& state = ledger.state();
  std::uint64_t sequence;
  if (current) {
    // A null version that is replaced keeps its place in the order.
    sequence = current->sequence;
    state.object_bytes -= current->bytes;
    HYDRA_CHECK_OK(release_version(ledger, bucket, version.key, *current));
  } else {
    sequence = state.next_sequence++;
    ++state.objects;
  }
  state.object_bytes += version.bytes;
  ledger.change().put(version_key(bucket, version.key, sequence), encode(version));
  ledger.change().put(current_key(bucket, version.key), encode(current_row(version, sequence)));
  return {};
}

Result<DeleteResult> erase_current(Ledger& ledger, BucketId bucket, const std::string& key,
                                   const Preconditions& preconditions) {
  HYDRA_TRY(const auto current, find_current(ledger.change(), bucket, key));
  HYDRA_CHECK_OK(check_preconditions(preconditions, current ? &*current : nullptr));
  if (!current) return DeleteResult();
  HYDRA_CHECK_OK(release_version(ledger, bucket, key, *current));
  --ledger.state().objects;
  ledger.state().object_bytes -= current->bytes;
  ledger.change().erase(version_key(bucket, key, current->sequence));
  ledger.change().erase(current_key(bucket, key));
  return DeleteResult{.existed = true};
}

Task<Status> StoreCatalog::put_object(Loop& loop, BucketId bucket, Version version, NewData data,
                                      Preconditions preconditions) {
  return write(loop, loop.wall_ms(),
               [bucket, version = std::move(version), data = std::move(data),
                preconditions = std::move(preconditions)](Ledger& ledger) -> Status {
                 HYDRA_CHECK_OK(check_bucket(ledger.change(), bucket));
                 // Counted first: the new version may share bodies with the one it replaces.
                 HYDRA_CHECK_OK(ledger.adopt(version.slices, data));
                 return replace_current(ledger, bucket, version, preconditions);
               });
}

Task<Result<DeleteResult>> StoreCatalog::delete_object(Loop& loop, BucketId bucket, std::string key,
                                                       Preconditions preconditions,
                                                       std::int64_t now_ms) {
  return write(loop, now_ms,
               [bucket, key = std::move(key),
                preconditions = std::move(preconditions)](Ledger& ledger) -> Result<DeleteResult> {
                 HYDRA_CHECK_OK(check_bucket(ledger.change(), bucket));
                 return erase_current(ledger, bucket, key, preconditions);
               });
}

Task<Result<std::vector<Result<DeleteResult>>>> StoreCatalog::delete_objects(
    Loop& loop, BucketId bucket, std::vector<DeleteItem> items, std::int64_t now_ms) {
  using Results = std::vector<Result<DeleteResult>>;
  return write(loop, now_ms, [bucket, items = std::move(items)](Ledger& ledger) -> Result<Results> {
    HYDRA_CHECK_OK(check_bucket(ledger.change(), bucket));
    Results results;
    results.reserve(items.size());
    for (const DeleteItem& item : items) {
      results.push_back(erase_current(ledger, bucket, item.key, item.preconditions));
      // Anything else may have stopped half-way.
      if (!results.back() && !is_refusal(results.back().error().code))
        return fail(results.back().error());
    }
    return results;
  });
}

}  // namespace hydra::catalog
