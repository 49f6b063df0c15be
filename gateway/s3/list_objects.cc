// ListObjects and ListObjectsV2. Both are one scan of the catalog, written to XML as it goes.
#include "base/encoding.h"
#include "gateway/s3/list_parameters.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/xml.h"

namespace hydra::s3 {

namespace {

constexpr std::size_t kMostKeys = 1000;

class XmlListing : public catalog::ListVisitor {
 public:
  XmlListing(XmlWriter& xml, bool url_encoded, bool with_owner)
      : xml_(xml), url_encoded_(url_encoded), with_owner_(with_owner) {}

  void object(const catalog::ListEntry& entry) override {
    ++count;
    xml_.open("Contents");
    key("Key", entry.key);
    xml_.element("LastModified", format_iso8601(entry.modified_ms));
    xml_.open("ETag");
    xml_.escaped("\"");
    xml_.escaped(entry.etag);
    xml_.escaped("\"");
    xml_.close("ETag");
    if (entry.checksum_kind) {
      xml_.element("ChecksumAlgorithm", checksum_name(*entry.checksum_kind).algorithm);
      xml_.element("ChecksumType", checksum_type_name(entry.checksum_type));
    }
    xml_.element("Size", entry.bytes);
    if (with_owner_) {
      xml_.open("Owner");
      xml_.element("ID", entry.owner_id);
      xml_.element("DisplayName", entry.owner_name);
      xml_.close("Owner");
    }
    xml_.element("StorageClass", entry.storage_class);
    xml_.close("Contents");
  }
  // S3 shows common prefixes behind all keys.
  void common_prefix(std::string_view prefix) override {
    ++count;
    XmlWriter xml(prefixes_);
    xml.open("CommonPrefixes");
    xml.element("Prefix", shown_key(prefix, url_encoded_));
    xml.close("CommonPrefixes");
  }
  const std::string& prefixes() const { return prefixes_; }

  std::size_t count = 0;

 private:
  void key(std::string_view name, std::string_view value) {
    if (url_encoded_)
      xml_.element(name, percent_encode(value, true));
    else
      xml_.element(name, value);
  }
  XmlWriter& xml_;
  bool url_encoded_;
  bool with_owner_;
  std::string prefixes_;
};

struct Page {
  std::string contents;  // <Contents> and <CommonPrefixes>
  std::size_t count = 0;
  catalog::ListEnd end;
};

Result<Page> list_page(Call& call, const catalog::Bucket& bucket, std::size_t limit,
                       std::string_view after, bool url_encoded, bool with_owner) {
  Page page;
  page.contents.reserve(std::min<std::size_t>(limit, kMostKeys) * 320);
  const std::string prefix = call.query.get("prefix");
  const std::string delimiter = call.query.get("delimiter");
  XmlWriter xml(page.contents);
  XmlListing listing(xml, url_encoded, with_owner);
  if (limit > 0) {
    HYDRA_TRY(page.end, call.catalog().list(bucket.id, {prefix, delimiter, after, limit}, listing));
  }
  page.contents += listing.prefixes();
  page.count = listing.count;
  return page;
}

void common_elements(XmlWriter& xml, const Call& call, std::size_t limit, bool url_encoded,
                     bool truncated) {
  xml.element("Name", call.bucket);
  xml.element("Prefix", shown_key(call.query.get("prefix"), url_encoded));
  if (const std::string delimiter = call.query.get("delimiter"); !delimiter.empty())
    xml.element("Delimiter", shown_key(delimiter, url_encoded));
  xml.element("MaxKeys", std::uint64_t{limit});
  if (url_encoded) xml.element("EncodingType", "url");
  xml.element("IsTruncated", truncated);
}

}  // namespace

Task<Status> list_objects_v1(Call& call) {
  HYDRA_CO_TRY(const std::size_t limit, page_limit(call.query, "max-keys", kMostKeys));
  HYDRA_CO_TRY(const bool url_encoded, wants_url_encoding(call.query));
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  const std::string marker = call.query.get("marker");
  HYDRA_CO_TRY(const Page page, list_page(call, bucket, limit, marker, url_encoded, true));
  std::string body;
  XmlWriter xml(body);
  xml.declaration();
  xml.open_root("ListBucketResult");
  common_elements(xml, call, limit, url_encoded, page.end.truncated);
  xml.element("Marker", shown_key(marker, url_encoded));
  // Without a delimiter S3 leaves it out, as the last key says the same.
  if (page.end.truncated && call.query.has("delimiter"))
    xml.element("NextMarker", shown_key(page.end.last, url_encoded));
  body += page.contents;
  xml.close("ListBucketResult");
  co_return co_await call.respond_xml(std::move(body));
}

Task<Status> list_objects_v2(Call& call) {
  HYDRA_CO_TRY(const std::size_t limit, page_limit(call.query, "max-keys", kMostKeys));
  HYDRA_CO_TRY(const bool url_encoded, wants_url_encoding(call.query));
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  const std::string start_after = call.query.get("start-after");
  // A continuation token is the last key or prefix shown, in base64, and wins over start-after.
  std::string after = start_after;
  const std::string* token = call.query.find("continuation-token");
  if (token != nullptr && !token->empty()) {
    auto decoded = base64_decode(*token);
    if (!decoded)
      co_return fail(Code::kInvalidArgument, "The continuation token provided is incorrect");
    after = std::move(*decoded);
  }
  const bool with_owner = call.query.get("fetch-owner") == "true";
  HYDRA_CO_TRY(const Page page, list_page(call, bucket, limit, after, url_encoded, with_owner));
  std::string body;
  XmlWriter xml(body);
  xml.declaration();
  xml.open_root("ListBucketResult");
  common_elements(xml, call, limit, url_encoded, page.end.truncated);
  xml.element("KeyCount", std::uint64_t{page.count});
  if (token != nullptr) xml.element("ContinuationToken", *token);
  if (!start_after.empty()) xml.element("StartAfter", shown_key(start_after, url_encoded));
  if (page.end.truncated) xml.element("NextContinuationToken", base64_encode(page.end.last));
  body += page.contents;
  xml.close("ListBucketResult");
  co_return co_await call.respond_xml(std::move(body));
}

}  // namespace hydra::s3
