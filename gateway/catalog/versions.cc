#include "gateway/catalog/versions.h"

#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/lookups.h"
#include "gateway/catalog/rows_format.h"

namespace hydra::catalog {

namespace {

bool etag_matches(std::string_view wanted, const Subject& subject) {
  return wanted == "*" || wanted == subject.etag;
}

// Dates in headers have whole seconds.
std::int64_t seconds(std::int64_t ms) { return ms / 1000; }

template <typename Row>
Subject subject_of(const Row& row) {
  return {row.etag, row.bytes, row.modified_ms};
}

CurrentRow current_row(const Version& version, std::uint64_t sequence) {
  CurrentRow row;
  row.sequence = sequence;
  row.null_version = version.version_id == kNullVersionId;
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

CurrentRow current_row(const VersionRow& version, std::uint64_t sequence) {
  CurrentRow row;
  row.sequence = sequence;
  row.null_version = version.version_id == kNullVersionId;
  row.bytes = version.bytes;
  row.modified_ms = version.modified_ms;
  row.checksum_kind = version.checksum_kind;
  row.checksum_type = version.checksum_type;
  row.etag = version.etag;
  row.storage_class = version.storage_class;
  row.owner_id = version.owner_id;
  row.owner_name = version.owner_name;
  return row;
}

void count_current(StateRow& state, std::uint64_t bytes) {
  ++state.objects;
  state.object_bytes += bytes;
}
void uncount_current(StateRow& state, const CurrentRow& current) {
  --state.objects;
  state.object_bytes -= current.bytes;
}

// Erases a version's row and gives back what it held.
Status drop_version(Ledger& ledger, BucketId bucket, std::string_view key, std::uint64_t sequence) {
  HYDRA_TRY(const Version version,
            load_version(ledger.change(), bucket, key, sequence, Slices::kDecode));
  HYDRA_CHECK_OK(ledger.release(version.slices));
  ledger.change().erase(version_key(bucket, key, sequence));
  return {};
}

// The null version stays behind a newer one: where it is has to be remembered.
void remember_null_version(Ledger& ledger, BucketId bucket, std::string_view key,
                           const std::optional<CurrentRow>& current) {
  if (current && current->null_version)
    ledger.change().put(null_version_key(bucket, key), encode_sequence(current->sequence));
}

// Drops the null version of a key, if there is one, and forgets where it was. Whether there was.
Result<bool> drop_null_version(Ledger& ledger, const Bucket& bucket, std::string_view key,
                               const std::optional<CurrentRow>& current) {
  const bool is_current = current && current->null_version;
  // Only where versions were kept can it be anything but the current one.
  if (!is_current && bucket.versioning == Versioning::kOff) return false;
  HYDRA_TRY(const auto sequence, find_null_version(ledger.change(), bucket.id, key, current));
  if (!sequence) return false;
  HYDRA_CHECK_OK(drop_version(ledger, bucket.id, key, *sequence));
  if (!is_current) ledger.change().erase(null_version_key(bucket.id, key));
  return true;
}

// Makes the newest version of a key that has no current one its current version, unless that is a
// delete marker.
Status promote_newest(Ledger& ledger, BucketId bucket, std::string_view key) {
  HYDRA_TRY(const auto newest, find_newest(ledger.change(), bucket, key));
  if (!newest) return {};
  HYDRA_TRY(const VersionRow version, decode_version_row(as_bytes(newest->row)));
  if (version.delete_marker) return {};
  const CurrentRow current = current_row(version, newest->sequence);
  if (current.null_version) ledger.change().erase(null_version_key(bucket, key));
  count_current(ledger.state(), current.bytes);
  ledger.change().put(current_key(bucket, key), encode(current));
  return {};
}

bool asks_for_something(const Preconditions& preconditions) {
  return preconditions.if_match || preconditions.if_match_modified_ms ||
         preconditions.if_match_bytes;
}

// Of a deletion that names no version.
Status check_deletion(Ledger& ledger, const Bucket& bucket, std::string_view key,
                      const std::optional<CurrentRow>& current,
                      const Preconditions& preconditions) {
  if (!asks_for_something(preconditions) && !preconditions.if_none_match) return {};
  if (current) {
    const Subject subject = subject_of(*current);
    return check_preconditions(preconditions, &subject);
  }
  if (bucket.versioning == Versioning::kOff) return check_preconditions(preconditions, nullptr);
  HYDRA_TRY(const auto newest, find_newest(ledger.change(), bucket.id, key));
  if (!newest) return check_preconditions(preconditions, nullptr);
  HYDRA_TRY(const VersionRow marker, decode_version_row(as_bytes(newest->row)));
  const Subject subject = subject_of(marker);
  return check_preconditions(preconditions, &subject);
}

}  // namespace

Status check_preconditions(const Preconditions& preconditions, const Subject* subject) {
  if (subject == nullptr) {
    if (asks_for_something(preconditions)) return fail(Code::kNoSuchKey);
    return {};
  }
  if ((preconditions.if_match && !etag_matches(*preconditions.if_match, *subject)) ||
      (preconditions.if_none_match && etag_matches(*preconditions.if_none_match, *subject)) ||
      (preconditions.if_match_modified_ms &&
       seconds(*preconditions.if_match_modified_ms) != seconds(subject->modified_ms)) ||
      (preconditions.if_match_bytes && *preconditions.if_match_bytes != subject->bytes))
    return fail(Code::kPreconditionFailed);
  return {};
}

Result<std::string> insert_version(Ledger& ledger, const Bucket& bucket, Version& version,
                                   const Preconditions& preconditions, std::uint64_t random) {
  const std::string& key = version.key;
  if (key.empty() || key.size() > kMaxObjectKeyBytes) return fail(Code::kKeyTooLong);
  HYDRA_TRY(const auto current, find_current(ledger.change(), bucket.id, key));
  const Subject subject = current ? subject_of(*current) : Subject();
  HYDRA_CHECK_OK(check_preconditions(preconditions, current ? &subject : nullptr));

  StateRow& state = ledger.state();
  std::uint64_t sequence;
  if (bucket.versioning == Versioning::kEnabled) {
    remember_null_version(ledger, bucket.id, key, current);
    sequence = state.next_sequence++;
    version.version_id = make_version_id(sequence, random);
  } else {
    HYDRA_CHECK_OK(drop_null_version(ledger, bucket, key, current));
    // A null version that is current and replaced keeps its place in the order.
    sequence = current && current->null_version ? current->sequence : state.next_sequence++;
    version.version_id = kNullVersionId;
  }
  if (current) uncount_current(state, *current);
  count_current(state, version.bytes);
  ledger.change().put(version_key(bucket.id, key, sequence), encode(version));
  ledger.change().put(current_key(bucket.id, key), encode(current_row(version, sequence)));
  return version.version_id;
}

Result<DeleteResult> erase_key(Ledger& ledger, const Bucket& bucket, const std::string& key,
                               const Preconditions& preconditions, std::uint64_t random) {
  HYDRA_TRY(const auto current, find_current(ledger.change(), bucket.id, key));
  HYDRA_CHECK_OK(check_deletion(ledger, bucket, key, current, preconditions));
  DeleteResult result{.existed = current.has_value()};
  if (bucket.versioning == Versioning::kOff) {
    if (!current) return result;
    HYDRA_CHECK_OK(drop_null_version(ledger, bucket, key, current));
  } else {
    if (key.empty() || key.size() > kMaxObjectKeyBytes) return fail(Code::kKeyTooLong);
    const std::uint64_t sequence = ledger.state().next_sequence++;
    Version marker{.key = key, .delete_marker = true, .modified_ms = ledger.now_ms()};
    marker.owner = bucket.owner;
    if (bucket.versioning == Versioning::kEnabled) {
      remember_null_version(ledger, bucket.id, key, current);
      marker.version_id = make_version_id(sequence, random);
    } else {
      HYDRA_CHECK_OK(drop_null_version(ledger, bucket, key, current));
      ledger.change().put(null_version_key(bucket.id, key), encode_sequence(sequence));
    }
    ledger.change().put(version_key(bucket.id, key, sequence), encode(marker));
    result.version_id = marker.version_id;
    result.delete_marker = true;
  }
  if (current) {
    uncount_current(ledger.state(), *current);
    ledger.change().erase(current_key(bucket.id, key));
  }
  return result;
}

Result<DeleteResult> erase_version(Ledger& ledger, const Bucket& bucket, const std::string& key,
                                   const std::string& version_id,
                                   const Preconditions& preconditions) {
  DeleteResult result{.version_id = version_id};
  HYDRA_TRY(const auto current, find_current(ledger.change(), bucket.id, key));
  HYDRA_TRY(const auto named, find_named(ledger.change(), bucket.id, key, version_id, current));
  if (!named) {
    HYDRA_CHECK_OK(check_preconditions(preconditions, nullptr));
    return result;
  }
  HYDRA_TRY(const VersionRow version, decode_version_row(named->row));
  const Subject subject = subject_of(version);
  HYDRA_CHECK_OK(check_preconditions(preconditions, &subject));
  result.existed = true;
  result.delete_marker = version.delete_marker;

  const bool was_current = current && current->sequence == named->sequence;
  HYDRA_CHECK_OK(drop_version(ledger, bucket.id, key, named->sequence));
  if (was_current) {
    uncount_current(ledger.state(), *current);
    ledger.change().erase(current_key(bucket.id, key));
  } else if (version_id == kNullVersionId) {
    ledger.change().erase(null_version_key(bucket.id, key));
  }
  if (was_current || !current) HYDRA_CHECK_OK(promote_newest(ledger, bucket.id, key));
  return result;
}

}  // namespace hydra::catalog
