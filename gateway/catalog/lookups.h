// Reading single rows by their names, from a snapshot (reads) or a Change (closures): both have
// get(). Templates, because Change keeps its keys as strings. Any thread that may use the reader.
#pragma once

#include <string>
#include <string_view>

#include "base/kv/kv.h"
#include "base/result.h"
#include "gateway/catalog/change.h"
#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/rows_format.h"

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

}  // namespace hydra::catalog
