#include "gateway/s3/router.h"

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "gateway/http/head_parser.h"
#include "gateway/s3/auth/query_auth.h"

namespace hydra::s3 {

namespace {

constexpr std::size_t kMaxKeyBytes = 1024;

// Subresources that S3 knows and that are not supported: asking for one is answered, not ignored.
constexpr std::array<std::string_view, 29> kUnsupportedQueries = {"accelerate",
                                                                  "analytics",
                                                                  "cors",
                                                                  "encryption",
                                                                  "intelligent-tiering",
                                                                  "inventory",
                                                                  "legal-hold",
                                                                  "lifecycle",
                                                                  "logging",
                                                                  "metadataConfiguration",
                                                                  "metadataTable",
                                                                  "metrics",
                                                                  "notification",
                                                                  "object-lock",
                                                                  "ownershipControls",
                                                                  "policy",
                                                                  "policyStatus",
                                                                  "publicAccessBlock",
                                                                  "renameObject",
                                                                  "replication",
                                                                  "requestPayment",
                                                                  "restore",
                                                                  "retention",
                                                                  "select",
                                                                  "session",
                                                                  "tagging",
                                                                  "torrent",
                                                                  "website",
                                                                  "append"};

// Headers whose meaning would be lost if they were ignored. x-amz-bypass-governance-retention is
// none: nothing is retained.
constexpr std::string_view kAmzPrefix = "x-amz-";
constexpr std::array<std::string_view, 17> kUnsupportedHeaders = {
    "x-amz-tagging",
    "x-amz-tagging-directive",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
    "x-amz-mfa",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-write-offset-bytes",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-security-token"};

struct Route {
  std::string_view method;
  std::string_view subresource;  // a query parameter that must be there; empty: none is asked for
  Operation operation;
};

constexpr Route kServiceRoutes[] = {{"GET", "", list_buckets}};

// Asking for one of these with another method is refused, not taken for the bucket or object
// itself.
constexpr std::array<std::string_view, 8> kSubresources = {
    "acl", "attributes", "delete", "location", "uploads", "uploadId", "versioning", "versions"};

constexpr Route kBucketRoutes[] = {
    {"GET", "acl", get_bucket_acl},
    {"PUT", "acl", put_bucket_acl},
    {"GET", "versioning", get_bucket_versioning},
    {"PUT", "versioning", put_bucket_versioning},
    {"GET", "versions", list_object_versions},
    {"GET", "location", get_bucket_location},
    {"GET", "uploads", list_uploads},
    {"GET", "", nullptr},  // ListObjects, by list-type
    {"HEAD", "", head_bucket},
    {"PUT", "", create_bucket},
    {"DELETE", "", delete_bucket},
    {"POST", "delete", delete_objects},
};

constexpr Route kObjectRoutes[] = {
    {"GET", "acl", get_object_acl},
    {"GET", "tagging", get_object_tagging},
    {"PUT", "acl", put_object_acl},
    {"GET", "attributes", get_object_attributes},
    {"GET", "uploadId", list_parts},
    {"GET", "", get_object},
    {"HEAD", "", get_object},
    {"PUT", "uploadId", nullptr},  // UploadPart or UploadPartCopy
    {"PUT", "", nullptr},          // PutObject or CopyObject
    {"POST", "uploads", create_upload},
    {"POST", "uploadId", complete_upload},
    {"DELETE", "uploadId", abort_upload},
    {"DELETE", "", delete_object},
};

struct OperationName {
  Operation operation;
  std::string_view name;
};

constexpr OperationName kOperationNames[] = {
    {get_object, "GetObject"},
    {put_object, "PutObject"},
    {upload_part, "UploadPart"},
    {list_objects_v2, "ListObjectsV2"},
    {list_objects_v1, "ListObjects"},
    {delete_object, "DeleteObject"},
    {delete_objects, "DeleteObjects"},
    {copy_object, "CopyObject"},
    {get_object_attributes, "GetObjectAttributes"},
    {create_upload, "CreateMultipartUpload"},
    {upload_part_copy, "UploadPartCopy"},
    {complete_upload, "CompleteMultipartUpload"},
    {abort_upload, "AbortMultipartUpload"},
    {list_parts, "ListParts"},
    {list_uploads, "ListMultipartUploads"},
    {list_buckets, "ListBuckets"},
    {create_bucket, "CreateBucket"},
    {head_bucket, "HeadBucket"},
    {delete_bucket, "DeleteBucket"},
    {get_bucket_location, "GetBucketLocation"},
    {get_bucket_versioning, "GetBucketVersioning"},
    {put_bucket_versioning, "PutBucketVersioning"},
    {list_object_versions, "ListObjectVersions"},
    {get_bucket_acl, "GetBucketAcl"},
    {put_bucket_acl, "PutBucketAcl"},
    {get_object_acl, "GetObjectAcl"},
    {get_object_tagging, "GetObjectTagging"},
    {put_object_acl, "PutObjectAcl"},
};

Status check_supported(const Call& call) {
  for (const auto& [name, value] : call.query.all())
    if (std::find(kUnsupportedQueries.begin(), kUnsupportedQueries.end(), name) !=
        kUnsupportedQueries.end()) {
      // Tags cannot be set, but an object can be asked for those it does not have.
      if (name == "tagging" && call.request().method == "GET" && !call.key.empty()) continue;
      return fail(Code::kNotImplemented, "The subresource " + name + " is not implemented.");
    }
  for (const auto& field : call.request().fields) {
    if (!http::equal_ignoring_case(field.name.substr(0, kAmzPrefix.size()), kAmzPrefix)) continue;
    std::string name(field.name);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (std::find(kUnsupportedHeaders.begin(), kUnsupportedHeaders.end(), name) !=
        kUnsupportedHeaders.end())
      return fail(Code::kNotImplemented, "The header " + name + " is not implemented.");
    const auto only = [&](std::initializer_list<std::string_view> accepted) -> Status {
      if (std::find(accepted.begin(), accepted.end(), field.value) != accepted.end()) return {};
      return fail(Code::kNotImplemented,
                  "The value " + std::string(field.value) + " of " + name + " is not implemented.");
    };
    if (name == "x-amz-acl" && !only({"private", "bucket-owner-full-control", "bucket-owner-read"}))
      return fail(Code::kAccessControlListNotSupported);
    if (name == "x-amz-server-side-encryption") HYDRA_CHECK_OK(only({"AES256"}));
    if (name == "x-amz-object-ownership") HYDRA_CHECK_OK(only({"BucketOwnerEnforced"}));
    if (name == "x-amz-bucket-object-lock-enabled") HYDRA_CHECK_OK(only({"false", "False"}));
  }
  return {};
}

Operation choose_by_header_or_query(const Call& call, const Route& route) {
  if (route.method == "GET")
    return call.query.get("list-type") == "2" ? list_objects_v2 : list_objects_v1;
  const bool copy = call.request().field("x-amz-copy-source").has_value();
  if (route.subresource == "uploadId") return copy ? upload_part_copy : upload_part;
  return copy ? copy_object : put_object;
}

bool names_subresource(const Call& call) {
  return std::ranges::any_of(kSubresources,
                             [&](std::string_view name) { return call.query.has(name); });
}

// A version can be read and deleted, and nothing else be done to it.
Status check_version_use(const Call& call) {
  const std::string_view method = call.request().method;
  if (!call.query.has("versionId") || method == "GET" || method == "HEAD" || method == "DELETE" ||
      call.query.has("acl"))
    return {};
  return fail(Code::kInvalidArgument, "This operation does not accept a version-id.");
}

template <std::size_t N>
Result<Operation> find_in(const Route (&routes)[N], const Call& call) {
  for (const Route& route : routes) {
    if (route.method != call.request().method) continue;
    if (route.subresource.empty() ? names_subresource(call) : !call.query.has(route.subresource))
      continue;
    return route.operation != nullptr ? route.operation : choose_by_header_or_query(call, route);
  }
  return fail(Code::kMethodNotAllowed);
}

std::string_view host_without_port(std::string_view host) {
  const auto colon = host.rfind(':');
  return colon == std::string_view::npos || host.ends_with(']') ? host : host.substr(0, colon);
}

bool looks_like_ipv4(std::string_view name) {
  return std::count(name.begin(), name.end(), '.') == 3 &&
         name.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

Result<Query> Query::parse(std::string_view text) {
  Query query;
  query.parameters_.reserve(static_cast<std::size_t>(std::ranges::count(text, '&')) + 1);
  while (!text.empty()) {
    const auto end = text.find('&');
    const std::string_view item = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (item.empty()) continue;
    const auto equals = item.find('=');
    auto name = percent_decode(item.substr(0, equals), true);
    auto value = percent_decode(
        equals == std::string_view::npos ? std::string_view() : item.substr(equals + 1), true);
    if (!name || !value) return fail(Code::kInvalidUri);
    if (belongs_to_signature(*name)) continue;
    query.parameters_.emplace_back(std::move(*name), std::move(*value));
  }
  return query;
}

const std::string* Query::find(std::string_view name) const {
  for (const auto& [key, value] : parameters_)
    if (key == name) return &value;
  return nullptr;
}

Result<Target> find_target(const http::Request& request, const std::vector<std::string>& domains) {
  Target target;
  std::string_view path = request.path;
  if (path.starts_with('/')) path.remove_prefix(1);
  const std::string_view host = host_without_port(request.field("host").value_or(""));
  for (const auto& domain : domains)
    if (host.size() > domain.size() + 1 && host.ends_with(domain) &&
        host[host.size() - domain.size() - 1] == '.')
      target.bucket = host.substr(0, host.size() - domain.size() - 1);
  if (target.bucket.empty()) {
    const auto slash = path.find('/');
    auto bucket = percent_decode(path.substr(0, slash));
    if (!bucket) return fail(Code::kInvalidUri);
    target.bucket = std::move(*bucket);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  auto key = percent_decode(path);
  if (!key || !is_valid_utf8(*key)) return fail(Code::kInvalidUri);
  if (key->size() > kMaxKeyBytes) return fail(Code::kKeyTooLong);
  target.key = std::move(*key);
  return target;
}

Result<Operation> route(const Call& call) {
  HYDRA_CHECK_OK(check_supported(call));
  HYDRA_CHECK_OK(check_version_use(call));
  if (call.bucket.empty()) return find_in(kServiceRoutes, call);
  if (call.key.empty()) return find_in(kBucketRoutes, call);
  return find_in(kObjectRoutes, call);
}

std::string_view operation_name(Operation operation, const Call& call) {
  if (operation == get_object && call.head()) return "HeadObject";
  const auto found = std::ranges::find(kOperationNames, operation, &OperationName::operation);
  return found == std::end(kOperationNames) ? "other" : found->name;
}

bool is_valid_bucket_name(std::string_view name) {
  const auto is_edge = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (name.size() < 3 || name.size() > 63 || !is_edge(name.front()) || !is_edge(name.back()))
    return false;
  if (!std::all_of(name.begin(), name.end(),
                   [&](char c) { return is_edge(c) || c == '-' || c == '.'; }))
    return false;
  for (std::string_view prefix : {"xn--", "sthree-", "amzn-s3-demo-"})
    if (name.starts_with(prefix)) return false;
  for (std::string_view suffix : {"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"})
    if (name.ends_with(suffix)) return false;
  return name.find("..") == std::string_view::npos && !looks_like_ipv4(name);
}

}  // namespace hydra::s3
