// Reading single rows by their names, from a snapshot (reads) or a Change (closures): both have
// get(). Templates, because Change keeps its keys as strings. Any thread that may use the reader.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/kv/kv.h"
#include "base/result.h"
#include "gateway/catalog/change.h"
#include "gateway/catalog/coverage.h"
#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/version_id.h"

namespace hydra::catalog {

// Ids of uploads come from clients, too; ours are shorter.
constexpr std::size_t kMaxUploadIdBytes = 256;
constexpr std::size_t kMaxBucketNameBytes = 255;

inline Result<std::optional<ByteView>> get_row(kv::Reader& reader, const std::string& key) {
  return reader.get(as_bytes(key));
}
inline Result<std::optional<ByteView>> get_row(Change& change, const std::string& key) {
  return change.get(key);
}

// The first row at or after a key: its key and value.
using OwnedRow = std::pair<std::string, std::string>;
inline Result<std::optional<OwnedRow>> first_row(kv::Reader& reader, const std::string& from) {
  const auto cursor = reader.cursor();
  HYDRA_TRY(const bool found, cursor->seek(as_bytes(from)));
  if (!found) return std::optional<OwnedRow>();
  return std::optional<OwnedRow>(std::in_place, as_text(cursor->key()), as_text(cursor->value()));
}
inline Result<std::optional<OwnedRow>> first_row(Change& change, const std::string& from) {
  return change.first_from(from);
}

template <typename Rows>
Result<Bucket> find_bucket(Rows& rows, std::string_view name) {
  if (name.empty() || name.size() > kMaxBucketNameBytes) return fail(Code::kNoSuchBucket);
  HYDRA_TRY(const auto row, get_row(rows, bucket_key(name)));
  if (!row) return fail(Code::kNoSuchBucket);
  return decode_bucket(name, *row);
}

// kNoSuchBucket when no bucket has this id (any more).
template <typename Rows>
Status check_bucket(Rows& rows, BucketId bucket) {
  HYDRA_TRY(const auto row, get_row(rows, bucket_name_key(bucket)));
  if (!row) return fail(Code::kNoSuchBucket);
  return {};
}
template <typename Rows>
Result<Bucket> load_bucket(Rows& rows, BucketId bucket) {
  HYDRA_TRY(const auto row, get_row(rows, bucket_name_key(bucket)));
  if (!row) return fail(Code::kNoSuchBucket);
  HYDRA_TRY(const std::string_view name, decode_name(*row));
  return find_bucket(rows, name);
}

// std::nullopt: there is no such object. Views into the row, as long as get()'s.
template <typename Rows>
Result<std::optional<CurrentRow>> find_current(Rows& rows, BucketId bucket, std::string_view key) {
  if (key.size() > kMaxObjectKeyBytes) return std::optional<CurrentRow>();
  HYDRA_TRY(const auto row, get_row(rows, current_key(bucket, key)));
  if (!row) return std::optional<CurrentRow>();
  HYDRA_TRY(const CurrentRow current, decode_current(*row));
  return std::optional<CurrentRow>(current);
}

// The version that `sequence` of a current row names.
template <typename Rows>
Result<Version> load_version(Rows& rows, BucketId bucket, std::string_view key,
                             std::uint64_t sequence, Slices slices) {
  HYDRA_TRY(const auto row, get_row(rows, version_key(bucket, key, sequence)));
  if (!row) return fail(Code::kCorrupt, "catalog: a current version has no row");
  return decode_version(key, *row, slices);
}

// The newest version of a key, delete marker or not: its sequence and row (VersionRow).
struct NewestVersion {
  std::uint64_t sequence;
  std::string row;
};
template <typename Rows>
Result<std::optional<NewestVersion>> find_newest(Rows& rows, BucketId bucket,
                                                 std::string_view key) {
  if (key.size() > kMaxObjectKeyBytes) return std::optional<NewestVersion>();
  const std::string scope = versions_of(bucket, key);
  HYDRA_TRY(auto row, first_row(rows, scope));
  if (!row || !row->first.starts_with(scope)) return std::optional<NewestVersion>();
  const auto name = parse_version_key(as_bytes(row->first));
  if (!name) return fail(Code::kCorrupt, "catalog: damaged key of a version");
  return std::optional(NewestVersion{name->sequence, std::move(row->second)});
}

// Where the null version of a key is. `current` is the key's current row, if it has one.
template <typename Rows>
Result<std::optional<std::uint64_t>> find_null_version(Rows& rows, BucketId bucket,
                                                       std::string_view key,
                                                       const std::optional<CurrentRow>& current) {
  if (current && current->null_version) return std::optional(current->sequence);
  if (key.size() > kMaxObjectKeyBytes) return std::optional<std::uint64_t>();
  HYDRA_TRY(const auto row, get_row(rows, null_version_key(bucket, key)));
  if (!row) return std::optional<std::uint64_t>();
  HYDRA_TRY(const std::uint64_t sequence, decode_sequence(*row));
  return std::optional(sequence);
}

// The row of the version that an id names, with its sequence. std::nullopt: there is none.
struct NamedVersion {
  std::uint64_t sequence;
  ByteView row;  // as long as get()'s
};
template <typename Rows>
Result<std::optional<NamedVersion>> find_named(Rows& rows, BucketId bucket, std::string_view key,
                                               std::string_view version_id,
                                               const std::optional<CurrentRow>& current) {
  if (key.size() > kMaxObjectKeyBytes) return std::optional<NamedVersion>();
  std::optional<std::uint64_t> sequence;
  if (version_id == kNullVersionId) {
    HYDRA_TRY(sequence, find_null_version(rows, bucket, key, current));
  } else {
    sequence = sequence_of_version_id(version_id);
  }
  if (!sequence) return std::optional<NamedVersion>();
  HYDRA_TRY(const auto row, get_row(rows, version_key(bucket, key, *sequence)));
  if (!row) return std::optional<NamedVersion>();
  HYDRA_TRY(const VersionRow version, decode_version_row(*row));
  if (version.version_id != version_id) return std::optional<NamedVersion>();
  return std::optional(NamedVersion{*sequence, *row});
}

template <typename Rows>
Result<Upload> find_upload(Rows& rows, BucketId bucket, std::string_view key,
                           std::string_view upload_id) {
  if (key.size() > kMaxObjectKeyBytes || upload_id.size() > kMaxUploadIdBytes)
    return fail(Code::kNoSuchUpload);
  HYDRA_TRY(const auto row, get_row(rows, upload_key(bucket, key, upload_id)));
  if (!row) return fail(Code::kNoSuchUpload);
  return decode_upload(bucket, key, upload_id, *row);
}

template <typename Rows>
Result<Body> load_body(Rows& rows, const BodyId& id) {
  HYDRA_TRY(const auto row, get_row(rows, body_key(id)));
  if (!row) return fail(Code::kNotFound, "no body " + id.to_string());
  return decode_body(id, *row);
}

// The bodies in a live extent that is not all alive. kCorrupt when they do not account for its live
// bytes. From a Change, as the closure found them.
template <typename Rows>
Result<std::vector<Body>> find_residents(Rows& rows, const Extent& extent) {
  if (extent.live_bytes == extent.length)
    return fail(Code::kConflict, "all of extent " + extent.id.to_string() + " is alive");
  std::vector<Body> bodies;
  std::uint64_t bytes = 0;
  const auto cursor = rows.cursor();
  const std::string prefix = residents_of(extent.id);
  HYDRA_TRY(bool more, cursor->seek(as_bytes(prefix)));
  while (more && as_text(cursor->key()).starts_with(prefix)) {
    const auto id = parse_resident_key(cursor->key());
    if (!id) return fail(Code::kCorrupt, "catalog: damaged key in residents");
    HYDRA_TRY(bodies.emplace_back(), load_body(rows, *id));
    bytes += bytes_by_extent(bodies.back().pieces)[extent.id];
    HYDRA_TRY(more, cursor->next());
  }
  if (bytes != extent.live_bytes)
    return fail(Code::kCorrupt, "catalog: residents of extent " + extent.id.to_string());
  return bodies;
}

}  // namespace hydra::catalog
