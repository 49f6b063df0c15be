#include "gateway/s3/version_ids.h"

#include "base/encoding.h"
#include "gateway/catalog/version_id.h"

namespace hydra::s3 {

Status check_version_id(std::string_view version_id) {
  if (catalog::is_version_id(version_id)) return {};
  return fail(Code::kInvalidArgument, "Invalid version id specified");
}

Result<std::string> version_id_of(const Call& call) {
  const std::string* version_id = call.query.find("versionId");
  if (version_id == nullptr) return std::string();
  if (version_id->empty())
    return fail(Code::kInvalidArgument, "Version id cannot be the empty string");
  HYDRA_CHECK_OK(check_version_id(*version_id));
  return *version_id;
}

void add_version_id(const catalog::Bucket& bucket, std::string_view version_id,
                    http::ResponseHead& head) {
  if (bucket.versioning != catalog::Versioning::kOff)
    head.add("x-amz-version-id", std::string(version_id));
}

void add_new_version_id(std::string_view version_id, http::ResponseHead& head) {
  if (version_id != catalog::kNullVersionId) head.add("x-amz-version-id", std::string(version_id));
}

Error explain_missing(Call& call, const catalog::Bucket& bucket, const std::string& version_id,
                      Error error) {
  if (error.code != Code::kNoSuchKey && error.code != Code::kMethodNotAllowed) return error;
  const auto marker = call.catalog().delete_marker(bucket.id, call.key, version_id);
  if (!marker) return marker.error();
  call.error_fields.emplace_back("x-amz-delete-marker", *marker ? "true" : "false");
  if (!*marker) return error;
  call.error_fields.emplace_back("x-amz-version-id", (*marker)->version_id);
  call.error_fields.emplace_back("Last-Modified", format_http_date((*marker)->modified_ms));
  if (error.code == Code::kMethodNotAllowed) call.error_fields.emplace_back("Allow", "DELETE");
  return error;
}

}  // namespace hydra::s3
