// CreateMultipartUpload, UploadPart, UploadPartCopy, CompleteMultipartUpload, AbortMultipartUpload.
#include <charconv>

#include "base/encoding.h"
#include "gateway/object/slices.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/copy_source.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/version_ids.h"
#include "gateway/s3/xml.h"

namespace hydra::s3 {

namespace {

constexpr std::uint32_t kMostParts = 10'000;
constexpr int kCopyAttempts = 5;

Result<std::uint32_t> part_number(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || number < 1 ||
      number > kMostParts)
    return fail(Code::kInvalidArgument,
                "Part number must be an integer between 1 and 10000, inclusive");
  return number;
}

Result<catalog::Upload> open_upload(Call& call, const catalog::Bucket& bucket) {
  return call.catalog().upload(bucket.id, call.key, call.query.get("uploadId"));
}

// x-amz-checksum-algorithm and -type of a new upload, with S3's defaults: SHA ones are composite,
// CRC64NVME is of the full object, CRC32 and CRC32C may be either.
Status set_checksum(const Call& call, catalog::Upload& upload) {
  HYDRA_TRY(upload.checksum_kind, checksum_algorithm(call.request()));
  const auto type = call.header("x-amz-checksum-type");
  if (type && *type != "COMPOSITE" && *type != "FULL_OBJECT")
    return fail(Code::kInvalidRequest, "Value for x-amz-checksum-type header is invalid.");
  if (!upload.checksum_kind) {
    if (type)
      return fail(Code::kInvalidRequest,
                  "The x-amz-checksum-type header can only be used with the "
                  "x-amz-checksum-algorithm header.");
    return {};
  }
  const bool sha =
      *upload.checksum_kind == DigestKind::kSha1 || *upload.checksum_kind == DigestKind::kSha256;
  const bool crc64 = *upload.checksum_kind == DigestKind::kCrc64Nvme;
  const std::string wanted = type.value_or(crc64 ? "FULL_OBJECT" : "COMPOSITE");
  if ((wanted == "FULL_OBJECT" && sha) || (wanted == "COMPOSITE" && crc64))
    return fail(Code::kInvalidRequest,
                "The " + wanted + " checksum type cannot be used with the " +
                    std::string(checksum_name(*upload.checksum_kind).algorithm) +
                    " checksum algorithm.");
  upload.checksum_type = wanted == "COMPOSITE" ? catalog::ChecksumType::kComposite
                                               : catalog::ChecksumType::kFullObject;
  return {};
}

}  // namespace

Task<Status> create_upload(Call& call) {
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  catalog::Upload upload;
  upload.bucket = bucket.id;
  upload.key = call.key;
  std::array<std::byte, 16> id;
  call.loop().random(id);
  upload.upload_id = hex_encode(id);
  upload.initiated_ms = call.now_ms;
  upload.owner = call.owner();
  HYDRA_CO_TRY(upload.fields, stored_fields(call.request()));
  HYDRA_CO_TRY(upload.storage_class, storage_class(call.request()));
  HYDRA_CO_CHECK_OK(set_checksum(call, upload));

  http::ResponseHead head = call.answer(200);
  head.add("Content-Type", "application/xml");
  head.add("x-amz-server-side-encryption", "AES256");
  if (upload.checksum_kind) {
    head.add("x-amz-checksum-algorithm",
             std::string(checksum_name(*upload.checksum_kind).algorithm));
    head.add("x-amz-checksum-type", std::string(checksum_type_name(upload.checksum_type)));
  }
  std::string body;
  XmlWriter xml(body);
  xml.declaration();
  xml.open_root("InitiateMultipartUploadResult");
  xml.element("Bucket", call.bucket);
  xml.element("Key", call.key);
  xml.element("UploadId", upload.upload_id);
  xml.close("InitiateMultipartUploadResult");
  HYDRA_CO_CHECK_OK(co_await call.catalog().create_upload(call.loop(), std::move(upload)));
  co_return co_await call.http.respond(std::move(head), body);
}

Task<Status> upload_part(Call& call) {
  HYDRA_CO_TRY(const std::uint32_t number, part_number(call.query.get("partNumber")));
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  HYDRA_CO_TRY(catalog::Upload upload, open_upload(call, bucket));
  PayloadChecks checks;
  checks.compute = upload.checksum_kind;
  HYDRA_CO_TRY(auto payload, open_payload(call.http, call.who, checks));
  catalog::Part part;
  part.number = number;
  part.bytes = payload->length();
  HYDRA_CO_TRY(auto body, co_await call.store.receive(*payload, part.bytes));
  part.etag = hex_encode(payload->md5());
  part.checksum = stored_checksum(*payload);
  part.modified_ms = call.loop().wall_ms();
  if (upload.checksum_kind && part.checksum && part.checksum->kind != *upload.checksum_kind)
    co_return fail(
        Code::kInvalidRequest,
        "Checksum Type mismatch occurred, expected checksum Type: " +
            std::string(checksum_name(*upload.checksum_kind).algorithm) +
            ", actual checksum Type: " + std::string(checksum_name(part.checksum->kind).algorithm));

  http::ResponseHead head = call.answer(200);
  head.add("ETag", quoted(part.etag));
  head.add("x-amz-server-side-encryption", "AES256");
  if (part.checksum)
    head.add(std::string(checksum_name(part.checksum->kind).header),
             shown_checksum(*part.checksum, 0));
  HYDRA_CO_CHECK_OK(
      co_await call.store.commit_part(std::move(upload), std::move(part), std::move(body)));
  co_return co_await call.respond_empty(std::move(head));
}

namespace {

// A part that is the whole of an object which was stored in one piece has its MD5. Any other copied
// part gets a tag made from its source's and its range, since its bytes are not read.
std::string copied_etag(const catalog::Version& source, const ByteRange& range) {
  if (source.parts.empty() && range.length == source.bytes) return source.etag;
  return hex_encode(
      digest_of(DigestKind::kMd5, as_bytes(source.etag + ":" + std::to_string(range.offset) + "+" +
                                           std::to_string(range.length))));
}

Task<Result<catalog::Part>> copied_part(Call& call, const catalog::Upload& upload,
                                        std::uint32_t number, const CopySource& source) {
  ByteRange range{0, source.version.bytes};
  if (const auto header = call.header("x-amz-copy-source-range")) {
    HYDRA_CO_TRY(range, parse_copy_range(*header, source.version.bytes));
  }
  if (range.length > kMaxPutBytes)
    co_return fail(Code::kInvalidRequest,
                   "The specified copy source is larger than the maximum allowable size for a "
                   "copy source: 5368709120");
  catalog::Part part;
  part.number = number;
  part.bytes = range.length;
  part.etag = copied_etag(source.version, range);
  part.modified_ms = call.loop().wall_ms();
  part.slices = object::cut(source.version.slices, range.offset, range.length);
  if (upload.checksum_kind) {
    HYDRA_CO_TRY(std::string value,
                 co_await digest_slices(call, part.slices, *upload.checksum_kind));
    part.checksum = catalog::Checksum{*upload.checksum_kind, catalog::ChecksumType::kFullObject,
                                      std::move(value)};
  }
  co_return part;
}

}  // namespace

Task<Status> upload_part_copy(Call& call) {
  HYDRA_CO_TRY(const std::uint32_t number, part_number(call.query.get("partNumber")));
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  HYDRA_CO_TRY(const catalog::Upload upload, open_upload(call, bucket));
  Status status;
  for (int attempt = 0; attempt < kCopyAttempts; ++attempt) {
    HYDRA_CO_TRY(const CopySource source, open_copy_source(call));
    HYDRA_CO_TRY(catalog::Part part, co_await copied_part(call, upload, number, source));
    std::string body;
    XmlWriter xml(body);
    xml.declaration();
    xml.open_root("CopyPartResult");
    xml.element("LastModified", format_iso8601(part.modified_ms));
    xml.element("ETag", quoted(part.etag));
    if (part.checksum)
      xml.element(checksum_element(part.checksum->kind), shown_checksum(*part.checksum, 0));
    xml.close("CopyPartResult");
    status = co_await call.catalog().put_part(call.loop(), upload, std::move(part), {});
    if (status) {
      http::ResponseHead head = call.answer(200);
      head.add("Content-Type", "application/xml");
      add_source_version_id(source, head);
      co_return co_await call.http.respond(std::move(head), body);
    }
    if (status.error().code != Code::kConflict) break;
  }
  co_return status;
}

namespace {

Result<catalog::CompletedPart> completed_part(const XmlElement& element) {
  catalog::CompletedPart part;
  const XmlElement* number = element.child("PartNumber");
  const XmlElement* etag = element.child("ETag");
  if (number == nullptr || etag == nullptr) return fail(Code::kMalformedXml);
  auto value = part_number(number->text);
  if (!value) return fail(Code::kInvalidPart);
  part.number = *value;
  part.etag = unquoted(etag->text);
  for (const auto& names : kChecksumNames) {
    const XmlElement* checksum = element.child(checksum_element(names.kind));
    if (checksum == nullptr) continue;
    auto raw = decode_checksum(names.kind, checksum->text);
    if (!raw) return fail(Code::kInvalidPart);
    part.checksum = catalog::Checksum{names.kind, catalog::ChecksumType::kFullObject, *raw};
  }
  return part;
}

Result<catalog::CompleteRequest> complete_request(const Call& call, std::string_view document) {
  catalog::CompleteRequest request;
  HYDRA_TRY(const XmlElement root, parse_xml(document));
  if (root.name != "CompleteMultipartUpload") return fail(Code::kMalformedXml);
  for (const auto& element : root.children) {
    if (element.name != "Part") continue;
    if (request.parts.size() == kMostParts) return fail(Code::kMalformedXml);
    HYDRA_TRY(catalog::CompletedPart part, completed_part(element));
    request.parts.push_back(std::move(part));
  }
  if (request.parts.empty()) return fail(Code::kMalformedXml);
  HYDRA_TRY(request.preconditions, write_preconditions(call));
  HYDRA_TRY(request.checksum, checksum_of(call.request()));
  if (const auto bytes = call.header("x-amz-mp-object-size")) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(bytes->data(), bytes->data() + bytes->size(), value);
    if (error != std::errc() || end != bytes->data() + bytes->size())
      return fail(Code::kInvalidRequest, "Value for x-amz-mp-object-size header is invalid.");
    request.object_bytes = value;
  }
  request.now_ms = call.now_ms;
  return request;
}

}  // namespace

Task<Status> complete_upload(Call& call) {
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  PayloadChecks checks;
  checks.checksum_headers = false;  // they speak of the object
  HYDRA_CO_TRY(const std::string document, co_await call.document(8u << 20, checks));
  HYDRA_CO_TRY(auto request, complete_request(call, document));
  HYDRA_CO_TRY(const catalog::Version version, co_await call.catalog().complete_upload(
                                                   call.loop(), bucket.id, call.key,
                                                   call.query.get("uploadId"), std::move(request)));
  std::string body;
  XmlWriter xml(body);
  xml.declaration();
  xml.open_root("CompleteMultipartUploadResult");
  xml.element("Location", "http://" + call.header("host").value_or("") + "/" + call.bucket + "/" +
                              percent_encode(call.key, true));
  xml.element("Bucket", call.bucket);
  xml.element("Key", call.key);
  xml.element("ETag", quoted(version.etag));
  if (version.checksum) {
    xml.element(checksum_element(version.checksum->kind),
                shown_checksum(*version.checksum, part_count(version)));
    xml.element("ChecksumType", checksum_type_name(version.checksum->type));
  }
  xml.close("CompleteMultipartUploadResult");
  http::ResponseHead head = call.answer(200);
  add_new_version_id(version.version_id, head);
  head.add("Content-Type", "application/xml");
  head.add("x-amz-server-side-encryption", "AES256");
  co_return co_await call.http.respond(std::move(head), body);
}

Task<Status> abort_upload(Call& call) {
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  HYDRA_CO_CHECK_OK(co_await call.catalog().abort_upload(call.loop(), bucket.id, call.key,
                                                         call.query.get("uploadId"), call.now_ms));
  co_return co_await call.respond_empty(call.answer(204));
}

}  // namespace hydra::s3
