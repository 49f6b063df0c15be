// The checksums that S3 lets clients name: CRC32, CRC32C, CRC64NVME, SHA1, SHA256 ("Checking object
// integrity").
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"

namespace hydra::s3 {

struct Checksum {
  DigestKind kind = DigestKind::kCrc64Nvme;
  std::string value;  // raw, big-endian; in base64 on the wire

  bool operator==(const Checksum&) const = default;
};

struct ChecksumName {
  DigestKind kind;
  std::string_view algorithm;  // in x-amz-checksum-algorithm and in XML
  std::string_view header;
};
constexpr std::array<ChecksumName, 5> kChecksumNames = {{
    {DigestKind::kCrc32, "CRC32", "x-amz-checksum-crc32"},
    {DigestKind::kCrc32c, "CRC32C", "x-amz-checksum-crc32c"},
    {DigestKind::kCrc64Nvme, "CRC64NVME", "x-amz-checksum-crc64nvme"},
    {DigestKind::kSha1, "SHA1", "x-amz-checksum-sha1"},
    {DigestKind::kSha256, "SHA256", "x-amz-checksum-sha256"},
}};

// Any letter case; nullopt when S3 knows no such checksum.
std::optional<DigestKind> checksum_of_algorithm(std::string_view algorithm);
std::optional<DigestKind> checksum_of_header(std::string_view header);
const ChecksumName& checksum_name(DigestKind kind);  // asserts that it is one of the five

// The raw value of a checksum in base64; nullopt when it is not one of that length.
std::optional<std::string> decode_checksum(DigestKind kind, std::string_view base64);

}  // namespace hydra::s3
