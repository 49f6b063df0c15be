#include "gateway/s3/auth/checksum.h"

#include "base/assert.h"
#include "base/encoding.h"
#include "gateway/http/head_parser.h"

namespace hydra::s3 {

std::optional<DigestKind> checksum_of_algorithm(std::string_view algorithm) {
  for (const ChecksumName& name : kChecksumNames)
    if (http::equal_ignoring_case(name.algorithm, algorithm)) return name.kind;
  return std::nullopt;
}

std::optional<DigestKind> checksum_of_header(std::string_view header) {
  for (const ChecksumName& name : kChecksumNames)
    if (http::equal_ignoring_case(name.header, header)) return name.kind;
  return std::nullopt;
}

const ChecksumName& checksum_name(DigestKind kind) {
  for (const ChecksumName& name : kChecksumNames)
    if (name.kind == kind) return name;
  HYDRA_ASSERT(false);
  return kChecksumNames[0];
}

std::optional<std::string> decode_checksum(DigestKind kind, std::string_view base64) {
  auto raw = base64_decode(base64);
  if (!raw || raw->size() != digest_bytes(kind)) return std::nullopt;
  return raw;
}

}  // namespace hydra::s3
