// Segments: how a body's plaintext is sealed (docs/FORMAT-segment.md).
//
// A body of n > 0 plaintext bytes is cut into segments of 64 KiB, the last one shorter. Each is
// sealed by AES-256-GCM under the body's own random data key: the sealed segment is the ciphertext
// and its 16-byte tag. The sealed segments lie end to end; pieces of that run are laid into
// extents. The nonce is the segment's index, which never repeats under a key because a body is
// written once; the associated data binds body, index and "last".
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/endian.h"
#include "base/ids.h"
#include "gateway/catalog/rows.h"

namespace hydra::object {

constexpr std::uint64_t kSegmentBytes = 64 * 1024;
constexpr std::uint64_t kSealedSegmentBytes = kSegmentBytes + kGcmTagBytes;

constexpr std::uint64_t segments(std::uint64_t plain_bytes) {
  return (plain_bytes + kSegmentBytes - 1) / kSegmentBytes;
}
constexpr std::uint64_t sealed_bytes(std::uint64_t plain_bytes) {
  return plain_bytes + segments(plain_bytes) * kGcmTagBytes;
}

// Nonce, 12 bytes: index u64 little-endian, then four zero bytes.
using SegmentNonce = std::array<std::byte, kGcmNonceBytes>;
inline SegmentNonce segment_nonce(std::uint64_t index) {
  SegmentNonce nonce{};
  store_le(nonce.data(), index);
  return nonce;
}

// Associated data, 25 bytes: body id (16), index u64 little-endian, 1 if this is the body's last
// segment else 0.
using SegmentAad = std::array<std::byte, 25>;
inline SegmentAad segment_aad(const BodyId& body, std::uint64_t index, bool last) {
  SegmentAad aad;
  std::memcpy(aad.data(), body.bytes.data(), body.bytes.size());
  store_le(aad.data() + 16, index);
  aad[24] = std::byte{last};
  return aad;
}

static_assert(kSealedSegmentBytes == catalog::kSealedSegmentBytes);
static_assert(sealed_bytes(0) == 0);
static_assert(sealed_bytes(1) == 17);
static_assert(sealed_bytes(kSegmentBytes) == kSealedSegmentBytes);
static_assert(sealed_bytes(kSegmentBytes + 1) == kSealedSegmentBytes + 17);

}  // namespace hydra::object
