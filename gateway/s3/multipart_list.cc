// ListParts and ListMultipartUploads.
#include <charconv>

#include "base/encoding.h"
#include "gateway/s3/list_parameters.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/xml.h"

namespace hydra::s3 {

namespace {

constexpr std::size_t kMostEntries = 1000;

void person(XmlWriter& xml, std::string_view element, const catalog::Owner& owner) {
  xml.open(element);
  xml.element("ID", owner.id);
  xml.element("DisplayName", owner.display_name);
  xml.close(element);
}

}  // namespace

Task<Status> list_parts(Call& call) {
  HYDRA_CO_TRY(const std::size_t limit, page_limit(call.query, "max-parts", kMostEntries));
  HYDRA_CO_TRY(const std::size_t marker, page_limit(call.query, "part-number-marker", UINT32_MAX));
  const std::uint32_t after =
      call.query.has("part-number-marker") ? static_cast<std::uint32_t>(marker) : 0;
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  const std::string id = call.query.get("uploadId");
  HYDRA_CO_TRY(const catalog::Upload upload, call.catalog().upload(bucket.id, call.key, id));
  HYDRA_CO_TRY(const catalog::PartPage page, call.catalog().parts(id, after, limit));
  std::string body;
  XmlWriter xml(body);
  xml.declaration();
  xml.open_root("ListPartsResult");
  xml.element("Bucket", call.bucket);
  xml.element("Key", call.key);
  xml.element("UploadId", id);
  person(xml, "Initiator", upload.owner);
  person(xml, "Owner", upload.owner);
  xml.element("StorageClass", upload.storage_class);
  xml.element("PartNumberMarker", std::uint64_t{after});
  xml.element("NextPartNumberMarker", std::uint64_t{page.next_marker});
  xml.element("MaxParts", std::uint64_t{limit});
  xml.element("IsTruncated", page.truncated);
  if (upload.checksum_kind) {
    xml.element("ChecksumAlgorithm", checksum_name(*upload.checksum_kind).algorithm);
    xml.element("ChecksumType", checksum_type_name(upload.checksum_type));
  }
  for (const auto& part : page.parts) {
    xml.open("Part");
    xml.element("PartNumber", std::uint64_t{part.number});
    xml.element("LastModified", format_iso8601(part.modified_ms));
    xml.element("ETag", quoted(part.etag));
    xml.element("Size", part.bytes);
    if (part.checksum)
      xml.element(checksum_element(part.checksum->kind), shown_checksum(*part.checksum, 0));
    xml.close("Part");
  }
  xml.close("ListPartsResult");
  co_return co_await call.respond_xml(std::move(body));
}

Task<Status> list_uploads(Call& call) {
  catalog::UploadListRequest request;
  HYDRA_CO_TRY(request.limit, page_limit(call.query, "max-uploads", kMostEntries));
  HYDRA_CO_TRY(const bool url_encoded, wants_url_encoding(call.query));
  request.prefix = call.query.get("prefix");
  request.delimiter = call.query.get("delimiter");
  request.key_marker = call.query.get("key-marker");
  request.upload_id_marker = call.query.get("upload-id-marker");
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  HYDRA_CO_TRY(const catalog::UploadPage page, call.catalog().uploads(bucket.id, request));
  std::string body;
  XmlWriter xml(body);
  xml.declaration();
  xml.open_root("ListMultipartUploadsResult");
  xml.element("Bucket", call.bucket);
  xml.element("KeyMarker", shown_key(request.key_marker, url_encoded));
  xml.element("UploadIdMarker", request.upload_id_marker);
  if (page.truncated) {
    xml.element("NextKeyMarker", shown_key(page.next_key_marker, url_encoded));
    xml.element("NextUploadIdMarker", page.next_upload_id_marker);
  }
  if (!request.delimiter.empty())
    xml.element("Delimiter", shown_key(request.delimiter, url_encoded));
  xml.element("Prefix", shown_key(request.prefix, url_encoded));
  if (url_encoded) xml.element("EncodingType", "url");
  xml.element("MaxUploads", std::uint64_t{request.limit});
  xml.element("IsTruncated", page.truncated);
  for (const auto& upload : page.uploads) {
    xml.open("Upload");
    xml.element("Key", shown_key(upload.key, url_encoded));
    xml.element("UploadId", upload.upload_id);
    person(xml, "Initiator", upload.owner);
    person(xml, "Owner", upload.owner);
    xml.element("StorageClass", upload.storage_class);
    xml.element("Initiated", format_iso8601(upload.initiated_ms));
    if (upload.checksum_kind) {
      xml.element("ChecksumAlgorithm", checksum_name(*upload.checksum_kind).algorithm);
      xml.element("ChecksumType", checksum_type_name(upload.checksum_type));
    }
    xml.close("Upload");
  }
  for (const auto& prefix : page.common_prefixes) {
    xml.open("CommonPrefixes");
    xml.element("Prefix", shown_key(prefix, url_encoded));
    xml.close("CommonPrefixes");
  }
  xml.close("ListMultipartUploadsResult");
  co_return co_await call.respond_xml(std::move(body));
}

}  // namespace hydra::s3
