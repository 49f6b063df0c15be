#include "gateway/s3/auth/payload_claims.h"

#include <charconv>

#include "base/encoding.h"

namespace hydra::s3 {

namespace {

auto invalid(std::string message) { return fail(Code::kInvalidRequest, std::move(message)); }
auto missing_length() {
  return fail(Code::kMissingContentLength, "You must provide the Content-Length HTTP header.");
}

Result<std::uint64_t> decoded_length(const http::Request& request) {
  constexpr std::string_view kName = "x-amz-decoded-content-length";
  const auto text = request.field(kName);
  if (!text) return missing_length();
  std::uint64_t value = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || stop != end || request.count(kName) > 1)
    return invalid("malformed x-amz-decoded-content-length");
  return value;
}

Result<std::uint64_t> payload_length(const http::Request& request, const Authenticated& who,
                                     const PayloadChecks& checks) {
  const bool chunked = is_aws_chunked(who.payload);
  if (!request.content_length && !request.chunked) {
    if (checks.length_required || chunked) return missing_length();
    return 0;
  }
  std::uint64_t length = request.content_length.value_or(0);
  if (chunked || request.chunked) {
    HYDRA_TRY(length, decoded_length(request));
  }
  if (length > checks.max_bytes)
    return fail(Code::kEntityTooLarge, "Your proposed upload exceeds the maximum allowed size");
  return length;
}

Status read_content_md5(const http::Request& request, PayloadClaims& claims) {
  const auto text = request.field("content-md5");
  if (!text) return {};
  claims.md5 = base64_decode(*text);
  if (!claims.md5 || claims.md5->size() != digest_bytes(DigestKind::kMd5) ||
      request.count("content-md5") > 1)
    return fail(Code::kInvalidDigest, "The Content-MD5 you specified is not valid.");
  return {};
}

// At most one of a checksum header, a checksum trailer.
Status name_checksum(DigestKind kind, PayloadClaims& claims) {
  if (claims.checksum_kind)
    return invalid(
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
  claims.checksum_kind = kind;
  return {};
}

Status read_checksum_headers(const http::Request& request, PayloadClaims& claims) {
  for (const http::Field& field : request.fields) {
    const auto kind = checksum_of_header(field.name);
    if (!kind) continue;
    HYDRA_CHECK_OK(name_checksum(*kind, claims));
    claims.checksum = decode_checksum(*kind, field.value);
    if (!claims.checksum)
      return fail(Code::kBadDigest,
                  "Value for " + std::string(checksum_name(*kind).header) + " header is invalid.");
  }
  return {};
}

Status read_trailer_header(const http::Request& request, PayloadMode mode, PayloadClaims& claims) {
  const auto text = request.field("x-amz-trailer");
  if (!text) return {};
  const auto kind = checksum_of_header(*text);
  const bool possible = mode == PayloadMode::kStreamingSignedTrailer ||
                        mode == PayloadMode::kStreamingUnsignedTrailer;
  if (!kind || !possible || request.count("x-amz-trailer") > 1)
    return invalid("The value specified in the x-amz-trailer header is not supported");
  claims.trailer = checksum_name(*kind).header;
  return name_checksum(*kind, claims);
}

Status read_algorithm(const http::Request& request, PayloadClaims& claims) {
  for (const char* name : {"x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm"}) {
    const auto text = request.field(name);
    if (!text) continue;
    const auto kind = checksum_of_algorithm(*text);
    if (!kind)
      return invalid(
          "Checksum algorithm provided is unsupported. Please try again with any of the valid "
          "types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
    if (claims.checksum_kind && claims.checksum_kind != kind)
      return invalid("Value for " + std::string(name) + " header is invalid.");
    claims.checksum_kind = kind;
  }
  return {};
}

}  // namespace

Result<PayloadClaims> read_payload_claims(const http::Request& request, const Authenticated& who,
                                          const PayloadChecks& checks) {
  PayloadClaims claims;
  HYDRA_TRY(claims.length, payload_length(request, who, checks));
  if (who.payload == PayloadMode::kSigned) claims.sha256 = who.payload_sha256;
  HYDRA_CHECK_OK(read_content_md5(request, claims));
  if (checks.checksum_headers) HYDRA_CHECK_OK(read_checksum_headers(request, claims));
  HYDRA_CHECK_OK(read_trailer_header(request, who.payload, claims));
  if (checks.checksum_headers) HYDRA_CHECK_OK(read_algorithm(request, claims));
  if (!claims.checksum_kind) claims.checksum_kind = checks.compute;
  return claims;
}

}  // namespace hydra::s3
