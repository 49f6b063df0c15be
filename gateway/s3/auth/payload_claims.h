// What a request's head says of its payload: length, digests and checksums to come true.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "gateway/http/http.h"
#include "gateway/s3/auth/checksum.h"
#include "gateway/s3/auth/verifier.h"

namespace hydra::s3 {

constexpr std::uint64_t kMaxPutBytes = 5ull << 30;

struct PayloadChecks {
  std::uint64_t max_bytes = kMaxPutBytes;  // longer: kEntityTooLarge, before anything is read
  bool length_required = true;             // else a request without a body has length 0
  // False where x-amz-checksum-* speaks of something else than this body (CompleteMultipartUpload).
  bool checksum_headers = true;
  // Computed when the client names no checksum.
  std::optional<DigestKind> compute;
};

struct PayloadClaims {
  std::uint64_t length = 0;           // decoded
  std::optional<std::string> sha256;  // raw, of x-amz-content-sha256
  std::optional<std::string> md5;     // raw, of Content-MD5
  // The checksum that the client names; its value came in a header, or comes in a trailer, or is
  // only asked for.
  std::optional<DigestKind> checksum_kind;
  std::optional<std::string> checksum;  // raw
  std::string trailer;                  // the header's name, lower case; empty: none
};

// kMissingContentLength, kEntityTooLarge, kInvalidDigest (malformed Content-MD5), kInvalidRequest
// (malformed or contradictory checksums, lengths or trailers).
Result<PayloadClaims> read_payload_claims(const http::Request& request, const Authenticated& who,
                                          const PayloadChecks& checks);

}  // namespace hydra::s3
