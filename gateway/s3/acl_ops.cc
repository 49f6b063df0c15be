// GetBucketAcl, GetObjectAcl, PutBucketAcl, PutObjectAcl. Access control lists are disabled, as
// they are where AWS has the setting BucketOwnerEnforced: the owner has full control, and no list
// can say anything else.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
#include "gateway/s3/version_ids.h"
#include "gateway/s3/xml.h"

namespace hydra::s3 {

namespace {

std::string owner_policy(const catalog::Owner& owner) {
  std::string body;
  XmlWriter xml(body);
  const auto identity = [&] {
    xml.element("ID", owner.id);
    xml.element("DisplayName", owner.display_name);
  };
  xml.declaration();
  xml.open_root("AccessControlPolicy");
  xml.open("Owner");
  identity();
  xml.close("Owner");
  xml.open("AccessControlList");
  xml.open("Grant");
  xml.open(
      "Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
      "xsi:type=\"CanonicalUser\"");
  identity();
  xml.close("Grantee");
  xml.element("Permission", "FULL_CONTROL");
  xml.close("Grant");
  xml.close("AccessControlList");
  xml.close("AccessControlPolicy");
  return body;
}

// Whether a policy grants full control to the owner, and nothing to anybody else.
Result<bool> is_owner_policy(std::string_view document, const catalog::Owner& owner) {
  HYDRA_TRY(const XmlElement root, parse_xml(document));
  const XmlElement* list = root.child("AccessControlList");
  if (root.name != "AccessControlPolicy" || list == nullptr) return fail(Code::kMalformedXml);
  bool owned = false;
  for (const XmlElement& grant : list->children) {
    const XmlElement* grantee = grant.child("Grantee");
    if (grant.name != "Grant" || grantee == nullptr) return fail(Code::kMalformedXml);
    if (grantee->child_text("ID") != owner.id || grant.child_text("Permission") != "FULL_CONTROL")
      return false;
    owned = true;
  }
  return owned;
}

// What the request asks for, either as a canned list or as a document.
Task<Status> accept_acl(Call& call, catalog::Owner owner) {
  HYDRA_CO_TRY(const std::string document, co_await call.document(64 << 10));
  if (const auto canned = call.header("x-amz-acl")) {
    if (!document.empty())
      co_return fail(Code::kInvalidRequest, "Conflicting ACL headers and body");
    if (*canned != "private" && *canned != "bucket-owner-full-control")
      co_return fail(Code::kAccessControlListNotSupported);
    co_return Status();
  }
  HYDRA_CO_TRY(const bool owned, is_owner_policy(document, owner));
  if (!owned) co_return fail(Code::kAccessControlListNotSupported);
  co_return Status();
}

struct Target {
  catalog::Bucket bucket;
  catalog::Version version;
};

Result<Target> open_object(Call& call) {
  Target target;
  HYDRA_TRY(const std::string version_id, version_id_of(call));
  HYDRA_TRY(target.bucket, call.open_bucket());
  auto version = call.catalog().head(target.bucket.id, call.key, version_id);
  if (!version)
    return fail(explain_missing(call, target.bucket, version_id, std::move(version).error()));
  target.version = std::move(*version);
  return target;
}

}  // namespace

Task<Status> get_bucket_acl(Call& call) {
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  co_return co_await call.respond_xml(owner_policy(bucket.owner));
}

Task<Status> put_bucket_acl(Call& call) {
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  HYDRA_CO_CHECK_OK(co_await accept_acl(call, bucket.owner));
  co_return co_await call.respond_empty(call.answer(200));
}

Task<Status> get_object_acl(Call& call) {
  HYDRA_CO_TRY(const Target target, open_object(call));
  http::ResponseHead head = call.answer(200);
  head.add("Content-Type", "application/xml");
  add_version_id(target.bucket, target.version.version_id, head);
  co_return co_await call.http.respond(std::move(head), owner_policy(target.version.owner));
}

Task<Status> put_object_acl(Call& call) {
  HYDRA_CO_TRY(const Target target, open_object(call));
  HYDRA_CO_CHECK_OK(co_await accept_acl(call, target.version.owner));
  http::ResponseHead head = call.answer(200);
  add_version_id(target.bucket, target.version.version_id, head);
  co_return co_await call.respond_empty(std::move(head));
}

}  // namespace hydra::s3
