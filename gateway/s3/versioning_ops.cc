// PutBucketVersioning, GetBucketVersioning, ListObjectVersions.
#include "base/encoding.h"
#include "gateway/s3/list_parameters.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/version_ids.h"
#include "gateway/s3/xml.h"

namespace hydra::s3 {

namespace {

constexpr std::size_t kMostVersions = 1000;

Result<catalog::Versioning> parse_versioning(std::string_view document) {
  HYDRA_TRY(const XmlElement root, parse_xml(document));
  if (root.name != "VersioningConfiguration") return fail(Code::kMalformedXml);
  const std::string_view mfa_delete = root.child_text("MfaDelete", "Disabled");
  if (mfa_delete == "Enabled") return fail(Code::kNotImplemented, "MFA delete is not implemented.");
  if (mfa_delete != "Disabled") return fail(Code::kMalformedXml);
  const std::string_view status = root.child_text("Status");
  if (status == "Enabled") return catalog::Versioning::kEnabled;
  if (status == "Suspended") return catalog::Versioning::kSuspended;
  return fail(Code::kMalformedXml);
}

}  // namespace

Task<Status> put_bucket_versioning(Call& call) {
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  HYDRA_CO_TRY(const std::string document, co_await call.document(64 << 10));
  HYDRA_CO_TRY(const catalog::Versioning versioning, parse_versioning(document));
  HYDRA_CO_CHECK_OK(co_await call.catalog().set_versioning(call.loop(), bucket.id, versioning));
  co_return co_await call.respond_empty(call.answer(200));
}

Task<Status> get_bucket_versioning(Call& call) {
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  std::string body;
  XmlWriter xml(body);
  xml.declaration();
  xml.open_root("VersioningConfiguration");
  if (bucket.versioning != catalog::Versioning::kOff)
    xml.element("Status",
                bucket.versioning == catalog::Versioning::kEnabled ? "Enabled" : "Suspended");
  xml.close("VersioningConfiguration");
  co_return co_await call.respond_xml(std::move(body));
}

namespace {

class XmlVersions : public catalog::VersionVisitor {
 public:
  XmlVersions(XmlWriter& xml, bool url_encoded) : xml_(xml), url_encoded_(url_encoded) {}

  void version(const catalog::VersionEntry& entry) override {
    const catalog::ListEntry& object = entry.object;
    const std::string_view name = entry.delete_marker ? "DeleteMarker" : "Version";
    xml_.open(name);
    xml_.element("Key", shown_key(object.key, url_encoded_));
    xml_.element("VersionId", entry.version_id);
    xml_.element("IsLatest", entry.latest);
    xml_.element("LastModified", format_iso8601(object.modified_ms));
    if (!entry.delete_marker) {
      xml_.element("ETag", quoted(object.etag));
      if (object.checksum_kind) {
        xml_.element("ChecksumAlgorithm", checksum_name(*object.checksum_kind).algorithm);
        xml_.element("ChecksumType", checksum_type_name(object.checksum_type));
      }
      xml_.element("Size", object.bytes);
      xml_.element("StorageClass", object.storage_class);
    }
    xml_.open("Owner");
    xml_.element("ID", object.owner_id);
    xml_.element("DisplayName", object.owner_name);
    xml_.close("Owner");
    xml_.close(name);
  }
  // S3 shows common prefixes behind all versions.
  void common_prefix(std::string_view prefix) override {
    XmlWriter xml(prefixes_);
    xml.open("CommonPrefixes");
    xml.element("Prefix", shown_key(prefix, url_encoded_));
    xml.close("CommonPrefixes");
  }
  const std::string& prefixes() const { return prefixes_; }

 private:
  XmlWriter& xml_;
  bool url_encoded_;
  std::string prefixes_;
};

}  // namespace

Task<Status> list_object_versions(Call& call) {
  HYDRA_CO_TRY(const std::size_t limit, page_limit(call.query, "max-keys", kMostVersions));
  HYDRA_CO_TRY(const bool url_encoded, wants_url_encoding(call.query));
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  const std::string prefix = call.query.get("prefix");
  const std::string delimiter = call.query.get("delimiter");
  const std::string key_marker = call.query.get("key-marker");
  const std::string version_id_marker = call.query.get("version-id-marker");
  if (key_marker.empty() && !version_id_marker.empty())
    co_return fail(Code::kInvalidArgument,
                   "A version-id marker cannot be specified without a key marker.");
  std::string entries;
  XmlWriter entries_xml(entries);
  XmlVersions versions(entries_xml, url_encoded);
  HYDRA_CO_TRY(const catalog::VersionListEnd end,
               call.catalog().list_versions(
                   bucket.id, {prefix, delimiter, key_marker, version_id_marker, limit}, versions));

  std::string body;
  XmlWriter xml(body);
  xml.declaration();
  xml.open_root("ListVersionsResult");
  xml.element("Name", call.bucket);
  xml.element("Prefix", shown_key(prefix, url_encoded));
  xml.element("KeyMarker", shown_key(key_marker, url_encoded));
  xml.element("VersionIdMarker", version_id_marker);
  if (end.truncated) {
    xml.element("NextKeyMarker", shown_key(end.last_key, url_encoded));
    if (!end.last_version_id.empty()) xml.element("NextVersionIdMarker", end.last_version_id);
  }
  if (!delimiter.empty()) xml.element("Delimiter", shown_key(delimiter, url_encoded));
  xml.element("MaxKeys", std::uint64_t{limit});
  if (url_encoded) xml.element("EncodingType", "url");
  xml.element("IsTruncated", end.truncated);
  body += entries;
  body += versions.prefixes();
  xml.close("ListVersionsResult");
  co_return co_await call.respond_xml(std::move(body));
}

}  // namespace hydra::s3
