// Call: one S3 request on its way through an operation: who calls, on which bucket and key, with
// which query, and the means to answer. Lives on the connection's coroutine; an operation borrows
// it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/catalog/catalog.h"
#include "gateway/http/http.h"
#include "gateway/object/object_store.h"
#include "gateway/s3/auth/payload.h"
#include "gateway/s3/auth/verifier.h"

namespace hydra::s3 {

// A query's parameters but for those of a signature, decoded, in order.
class Query {
 public:
  // kInvalidUri on a broken escape.
  static Result<Query> parse(std::string_view query);
  bool has(std::string_view name) const { return find(name) != nullptr; }
  // The first value of that name, or nullptr.
  const std::string* find(std::string_view name) const;
  std::string get(std::string_view name) const {
    const std::string* value = find(name);
    return value == nullptr ? std::string() : *value;
  }
  const std::vector<std::pair<std::string, std::string>>& all() const { return parameters_; }

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

struct ServiceOptions {
  std::string region = "us-east-1";  // what GetBucketLocation and x-amz-bucket-region say
  std::vector<std::string> domains;  // virtual-host style: BUCKET.domain
};

struct Call {
  http::Exchange& http;
  object::ObjectStore& store;
  const ServiceOptions& options;
  Authenticated who;
  Query query;
  std::string bucket;  // empty for the service itself
  std::string key;     // empty for a bucket
  std::string request_id;
  std::int64_t now_ms = 0;
  // Headers that the answer has besides, if the operation returns an error.
  std::vector<std::pair<std::string, std::string>> error_fields = {};

  const http::Request& request() const { return http.request(); }
  catalog::Catalog& catalog() { return store.catalog(); }
  Loop& loop() { return store.loop(); }
  bool head() const { return request().method == "HEAD"; }
  std::optional<std::string> header(std::string_view name) const {
    const auto value = request().field(name);
    if (!value) return std::nullopt;
    return std::string(*value);
  }
  catalog::Owner owner() const { return {who.principal.user_id, who.principal.display_name}; }

  // The bucket of this call, if the caller may use it: kNoSuchBucket, kAccessDenied.
  Result<catalog::Bucket> open_bucket() { return open_bucket(bucket); }
  Result<catalog::Bucket> open_bucket(std::string_view name);

  // A response head with the request id.
  http::ResponseHead answer(int status) const;
  Task<Status> respond_xml(std::string body, int status = 200);
  Task<Status> respond_empty(http::ResponseHead head) { return http.respond(std::move(head), {}); }

  // The whole payload, verified; for requests that carry a small document.
  // kMaxMessageLengthExceeded.
  Task<Result<std::string>> document(std::size_t limit = 8u << 20, PayloadChecks checks = {});
};

// What every operation is: answers the call, or returns why not before an answer has begun.
using Operation = Task<Status> (*)(Call&);

// service_ops.cc
Task<Status> list_buckets(Call& call);
// bucket_ops.cc
Task<Status> create_bucket(Call& call);
Task<Status> head_bucket(Call& call);
Task<Status> delete_bucket(Call& call);
Task<Status> get_bucket_location(Call& call);
// versioning_ops.cc
Task<Status> put_bucket_versioning(Call& call);
Task<Status> get_bucket_versioning(Call& call);
Task<Status> list_object_versions(Call& call);
// acl_ops.cc
Task<Status> get_bucket_acl(Call& call);
Task<Status> put_bucket_acl(Call& call);
Task<Status> get_object_acl(Call& call);
Task<Status> get_object_tagging(Call& call);  // object_read.cc; always empty: tags cannot be set
Task<Status> put_object_acl(Call& call);
// list_objects.cc
Task<Status> list_objects_v1(Call& call);
Task<Status> list_objects_v2(Call& call);
// object_read.cc
Task<Status> get_object(Call& call);  // and HeadObject
Task<Status> get_object_attributes(Call& call);
// object_write.cc
Task<Status> put_object(Call& call);
Task<Status> copy_object(Call& call);
// object_delete.cc
Task<Status> delete_object(Call& call);
Task<Status> delete_objects(Call& call);
// multipart.cc
Task<Status> create_upload(Call& call);
Task<Status> upload_part(Call& call);
Task<Status> upload_part_copy(Call& call);
Task<Status> complete_upload(Call& call);
Task<Status> abort_upload(Call& call);
// multipart_list.cc
Task<Status> list_parts(Call& call);
Task<Status> list_uploads(Call& call);

}  // namespace hydra::s3
