// Streaming digests that S3 names: MD5, SHA-1, SHA-256 (OpenSSL), CRC32 and CRC32C (ISA-L),
// CRC-64/NVME (ours). A Digest belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace hydra {

enum class DigestKind : std::uint8_t { kMd5 = 1, kSha1, kSha256, kCrc32, kCrc32c, kCrc64Nvme };

class Digest {
 public:
  virtual ~Digest() = default;
  virtual void update(ByteView data) = 0;
  // Big-endian raw value, as S3 encodes it: 16, 20, 32, 4, 4 or 8 bytes. Call once.
  virtual std::string finish() = 0;
};
std::unique_ptr<Digest> make_digest(DigestKind kind);
std::string digest_of(DigestKind kind, ByteView data);
std::size_t digest_bytes(DigestKind kind);

// The CRC of a followed by b, from the CRCs of both and the length of b (full-object checksums of
// uploads). Only the three CRC kinds; values are raw big-endian as from Digest::finish.
std::string combine_crc(DigestKind kind, std::string_view crc_a, std::string_view crc_b,
                        std::uint64_t length_b);

}  // namespace hydra
