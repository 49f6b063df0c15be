// CRC32C (Castagnoli, RFC 3720 appendix B.4) as blocks, records and frames carry it, and zlib's
// CRC32, which S3 clients may ask for. Pure; any thread.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace hydra {

// The conventional form: initial and final inversion, so crc32c("123456789") is 0xe3069283 and that
// of no bytes is 0. Chains: crc32c(b, crc32c(a)) is the checksum of a followed by b.
std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0);

// CRC32 as zlib and S3 have it (ISO 3309); chains in the same way.
std::uint32_t crc32(ByteView bytes, std::uint32_t seed = 0);

}  // namespace hydra
