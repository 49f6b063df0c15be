// CompleteMultipartUpload: an object out of parts, as arithmetic on slices. No data moves.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html

#include <algorithm>

#include "base/encoding.h"
#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/lookups.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/store_catalog.h"
#include "gateway/catalog/upload_rows.h"
#include "gateway/catalog/versions.h"

namespace hydra::catalog {

namespace {

// Each part but the last has at least this size.
constexpr std::uint64_t kMinPartBytes = 5u << 20;

Status invalid_part(std::uint32_t number) {
  return fail(Code::kInvalidPart, "part " + std::to_string(number));
}

Status check_named_part(const CompletedPart& named, const Part& part) {
  if (named.etag != part.etag) return invalid_part(part.number);
  if (named.checksum && (!part.checksum || named.checksum->kind != part.checksum->kind ||
                         named.checksum->value != part.checksum->value))
    return invalid_part(part.number);
  return {};
}

// The parts that the request names, in its order; those it does not name stay in `parts`.
Result<std::vector<Part>> take_named(const std::vector<CompletedPart>& named,
                                     std::vector<Part>& parts) {
  std::vector<Part> taken;
  std::vector<Part> left;
  taken.reserve(named.size());
  auto next = parts.begin();
  for (const CompletedPart& item : named) {
    if (!taken.empty() && item.number <= taken.back().number) return fail(Code::kInvalidPartOrder);
    while (next != parts.end() && next->number < item.number) left.push_back(std::move(*next++));
    if (next == parts.end() || next->number != item.number)
      return fail(invalid_part(item.number).error());
    HYDRA_CHECK_OK(check_named_part(item, *next));
    taken.push_back(std::move(*next++));
  }
  left.insert(left.end(), std::make_move_iterator(next), std::make_move_iterator(parts.end()));
  for (std::size_t i = 0; i + 1 < taken.size(); ++i)
    if (taken[i].bytes < kMinPartBytes)
      return fail(Code::kEntityTooSmall, "part " + std::to_string(taken[i].number));
  parts = std::move(left);
  return taken;
}

// hex(md5(the parts' raw md5s)) + "-" + how many.
Result<std::string> etag_of(const std::vector<Part>& parts) {
  std::string digests;
  for (const Part& part : parts) {
    const auto raw = hex_decode(part.etag);
    if (!raw) return fail(Code::kCorrupt, "catalog: a part's etag is not hexadecimal");
    digests += *raw;
  }
  return hex_encode(digest_of(DigestKind::kMd5, as_bytes(digests))) + "-" +
         std::to_string(parts.size());
}

std::string composite_checksum(DigestKind kind, const std::vector<Part>& parts) {
  std::string values;
  for (const Part& part : parts) values += part.checksum->value;
  return digest_of(kind, as_bytes(values));
}

std::string full_object_checksum(DigestKind kind, const std::vector<Part>& parts) {
  std::string value = parts.front().checksum->value;
  for (std::size_t i = 1; i < parts.size(); ++i)
    value = combine_crc(kind, value, parts[i].checksum->value, parts[i].bytes);
  return value;
}

bool is_crc(DigestKind kind) {
  return kind == DigestKind::kCrc32 || kind == DigestKind::kCrc32c ||
         kind == DigestKind::kCrc64Nvme;
}

// The object's checksum, if the upload was created with one.
Result<std::optional<Checksum>> checksum_of(const Upload& upload, const std::vector<Part>& parts) {
  if (!upload.checksum_kind) return std::optional<Checksum>();
  const DigestKind kind = *upload.checksum_kind;
  for (const Part& part : parts)
    if (!part.checksum || part.checksum->kind != kind ||
        part.checksum->value.size() != digest_bytes(kind))
      return fail(Code::kInvalidRequest,
                  "the upload's checksum is missing for part " + std::to_string(part.number));
  Checksum checksum{.kind = kind, .type = upload.checksum_type};
  if (checksum.type == ChecksumType::kComposite)
    checksum.value = composite_checksum(kind, parts);
  else if (is_crc(kind))
    checksum.value = full_object_checksum(kind, parts);
  else
    return fail(Code::kInvalidRequest, "only CRC checksums can be of the full object");
  return std::optional<Checksum>(std::move(checksum));
}

Result<Version> assemble(const Upload& upload, const CompleteRequest& request,
                         std::vector<Part> parts) {
  Version version;
  version.key = upload.key;
  version.modified_ms = request.now_ms;
  version.owner = upload.owner;
  version.storage_class = upload.storage_class;
  version.fields = upload.fields;
  HYDRA_TRY(version.etag, etag_of(parts));
  HYDRA_TRY(version.checksum, checksum_of(upload, parts));
  version.parts.reserve(parts.size());
  for (Part& part : parts) {
    version.bytes += part.bytes;
    version.parts.push_back({part.number, part.bytes, std::move(part.checksum)});
    version.slices.insert(version.slices.end(), part.slices.begin(), part.slices.end());
  }
  if (request.object_bytes && *request.object_bytes != version.bytes)
    return fail(Code::kInvalidRequest,
                "the parts make " + std::to_string(version.bytes) + " bytes");
  if (request.checksum && !version.checksum)
    return fail(Code::kInvalidRequest, "the upload was created without a checksum");
  if (request.checksum && *request.checksum != *version.checksum) return fail(Code::kBadDigest);
  return version;
}

// What an earlier completion of the same upload returned.
Result<Version> completed_before(Change& change, BucketId bucket, std::string_view key,
                                 std::string_view upload_id) {
  if (upload_id.empty() || upload_id.size() > kMaxUploadIdBytes) return fail(Code::kNoSuchUpload);
  HYDRA_TRY(const auto row, change.get(completed_key(upload_id)));
  if (!row) return fail(Code::kNoSuchUpload);
  HYDRA_TRY(CompletedRow completed, decode_completed(*row));
  if (completed.bucket != bucket || completed.version.key != key) return fail(Code::kNoSuchUpload);
  return std::move(completed.version);
}

void remember(Ledger& ledger, const Upload& upload, const Version& version) {
  ledger.change().put(completed_key(upload.upload_id),
                      encode(CompletedRow{upload.bucket, ledger.now_ms(), version}));
  ledger.change().put(completed_by_time_key(ledger.now_ms(), upload.upload_id), std::string());
}

Result<Version> complete(Ledger& ledger, BucketId bucket, const std::string& key,
                         const std::string& upload_id, const CompleteRequest& request,
                         std::uint64_t random) {
  const auto upload = find_upload(ledger.change(), bucket, key, upload_id);
  if (!upload && upload.error().code == Code::kNoSuchUpload)
    return completed_before(ledger.change(), bucket, key, upload_id);
  if (!upload) return fail(upload.error());
  if (request.parts.empty()) return fail(Code::kMalformedXml, "no parts are named");

  HYDRA_TRY(std::vector<Part> parts, load_parts(ledger.change(), upload_id));
  std::vector<std::uint32_t> numbers;
  for (const Part& part : parts) numbers.push_back(part.number);
  HYDRA_TRY(std::vector<Part> named, take_named(request.parts, parts));
  HYDRA_TRY(Version version, assemble(*upload, request, std::move(named)));
  // The references of the named parts become the object's; the others' are given back.
  for (const Part& part : parts) HYDRA_CHECK_OK(ledger.release(part.slices));
  HYDRA_TRY(const Bucket row, load_bucket(ledger.change(), bucket));
  HYDRA_CHECK_OK(insert_version(ledger, row, version, request.preconditions, random));
  erase_upload(ledger, bucket, key, upload_id, numbers);
  remember(ledger, *upload, version);
  return version;
}

}  // namespace

Task<Result<Version>> StoreCatalog::complete_upload(Loop& loop, BucketId bucket, std::string key,
                                                    std::string upload_id,
                                                    CompleteRequest request) {
  const std::int64_t now_ms = request.now_ms;
  return write(
      loop, now_ms,
      [bucket, key = std::move(key), upload_id = std::move(upload_id), request = std::move(request),
       random = loop.random_u64()](Ledger& ledger) -> Result<Version> {
        return complete(ledger, bucket, key, upload_id, request, random);
      });
}

}  // namespace hydra::catalog
