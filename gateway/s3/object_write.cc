// PutObject and CopyObject.
#include "base/encoding.h"
#include "gateway/s3/copy_source.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/version_ids.h"
#include "gateway/s3/xml.h"

namespace hydra::s3 {

namespace {

constexpr std::uint64_t kMaxCopyBytes = 5ull << 30;
constexpr int kCopyAttempts = 5;

// Tells a client early what the commit would refuse, before it sends its body. The commit decides.
Status expect_preconditions(Call& call, const catalog::Bucket& bucket,
                            const catalog::Preconditions& preconditions) {
  if (!preconditions.if_match && !preconditions.if_none_match) return {};
  const auto current = call.catalog().head(bucket.id, call.key);
  if (!current && current.error().code != Code::kNoSuchKey) return fail(current.error());
  if (preconditions.if_none_match && current &&
      (*preconditions.if_none_match == "*" || *preconditions.if_none_match == current->etag))
    return fail(Code::kPreconditionFailed);
  if (preconditions.if_match && !current) return fail(Code::kNoSuchKey);
  if (preconditions.if_match && *preconditions.if_match != "*" &&
      *preconditions.if_match != current->etag)
    return fail(Code::kPreconditionFailed);
  return {};
}

}  // namespace

Task<Status> put_object(Call& call) {
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  HYDRA_CO_TRY(auto preconditions, write_preconditions(call));
  HYDRA_CO_CHECK_OK(expect_preconditions(call, bucket, preconditions));
  catalog::Version version;
  version.key = call.key;
  version.owner = call.owner();
  HYDRA_CO_TRY(version.fields, stored_fields(call.request()));
  HYDRA_CO_TRY(version.storage_class, storage_class(call.request()));
  HYDRA_CO_TRY(auto payload, open_payload(call.http, call.who));
  version.bytes = payload->length();
  HYDRA_CO_TRY(auto body, co_await call.store.receive(*payload, version.bytes));
  version.etag = hex_encode(payload->md5());
  version.checksum = stored_checksum(*payload);
  version.modified_ms = call.loop().wall_ms();

  http::ResponseHead head = call.answer(200);
  head.add("ETag", quoted(version.etag));
  head.add("x-amz-server-side-encryption", "AES256");
  if (version.checksum) add_checksum_fields(*version.checksum, 0, head);
  HYDRA_CO_TRY(const std::string version_id,
               co_await call.store.commit_object(bucket.id, std::move(version), std::move(body),
                                                 std::move(preconditions)));
  add_new_version_id(version_id, head);
  co_return co_await call.respond_empty(std::move(head));
}

namespace {

// The copy's metadata: the source's, or what the request brings with x-amz-metadata-directive:
// REPLACE.
Result<catalog::Version> copied_version(Call& call, const CopySource& source, bool same_object) {
  const std::string directive = call.header("x-amz-metadata-directive").value_or("COPY");
  if (directive != "COPY" && directive != "REPLACE")
    return fail(Code::kInvalidArgument, "Unknown metadata directive.");
  const bool replace = directive == "REPLACE";
  if (same_object && !replace && !call.header("x-amz-storage-class") &&
      !call.header("x-amz-website-redirect-location") &&
      !call.header("x-amz-server-side-encryption"))
    return fail(Code::kInvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself "
                "without changing the object's metadata, storage class, website redirect location "
                "or encryption attributes.");
  if (source.version.bytes > kMaxCopyBytes)
    return fail(Code::kInvalidRequest,
                "The specified copy source is larger than the maximum allowable size for a copy "
                "source: 5368709120");
  catalog::Version version = source.version;
  version.key = call.key;
  version.owner = call.owner();
  version.modified_ms = call.loop().wall_ms();
  if (replace) {
    HYDRA_TRY(version.fields, stored_fields(call.request()));
  } else {
    version.fields.erase("x-amz-website-redirect-location");
  }
  HYDRA_TRY(version.storage_class, storage_class(call.request()));
  return version;
}

// A copy keeps its source's checksum; another algorithm has the data read once more.
Task<Status> set_copy_checksum(Call& call, catalog::Version& version) {
  HYDRA_CO_TRY(const auto kind, checksum_algorithm(call.request()));
  if (!kind || (version.checksum && version.checksum->kind == *kind)) co_return Status();
  HYDRA_CO_TRY(std::string value, co_await digest_slices(call, version.slices, *kind));
  version.checksum = catalog::Checksum{*kind, catalog::ChecksumType::kFullObject, std::move(value)};
  co_return Status();
}

std::string copy_result(const catalog::Version& version) {
  std::string body;
  XmlWriter xml(body);
  xml.declaration();
  xml.open_root("CopyObjectResult");
  xml.element("LastModified", format_iso8601(version.modified_ms));
  xml.element("ETag", quoted(version.etag));
  if (version.checksum) {
    xml.element(checksum_element(version.checksum->kind),
                shown_checksum(*version.checksum, part_count(version)));
    xml.element("ChecksumType", checksum_type_name(version.checksum->type));
  }
  xml.close("CopyObjectResult");
  return body;
}

}  // namespace

Task<Status> copy_object(Call& call) {
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  HYDRA_CO_TRY(const auto preconditions, write_preconditions(call));
  Error error;
  for (int attempt = 0; attempt < kCopyAttempts; ++attempt) {
    HYDRA_CO_TRY(const CopySource source, open_copy_source(call));
    const bool same_object =
        source.bucket.id == bucket.id && source.key == call.key && source.version_id.empty();
    HYDRA_CO_TRY(catalog::Version version, copied_version(call, source, same_object));
    HYDRA_CO_CHECK_OK(co_await set_copy_checksum(call, version));
    const std::string body = copy_result(version);
    auto version_id = co_await call.catalog().put_object(call.loop(), bucket.id, std::move(version),
                                                         {}, preconditions);
    if (version_id) {
      http::ResponseHead head = call.answer(200);
      add_new_version_id(*version_id, head);
      add_source_version_id(source, head);
      head.add("Content-Type", "application/xml");
      head.add("x-amz-server-side-encryption", "AES256");
      co_return co_await call.http.respond(std::move(head), body);
    }
    // The source was replaced between reading it and the commit: take the new one.
    error = std::move(version_id).error();
    if (error.code != Code::kConflict) break;
  }
  co_return fail(std::move(error));
}

}  // namespace hydra::s3
