// CRC-64/NVME: polynomial 0xad93d23594c93659, reflected, initial and final inversion; of
// "123456789" it is 0xae8b14860a799888. Chains as crc32c() does. Pure; any thread.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace hydra {

constexpr std::uint64_t kCrc64NvmePolynomial = 0x9a6c9329ac4bc9b5;  // bit-reflected

std::uint64_t crc64_nvme(ByteView bytes, std::uint64_t seed = 0);

}  // namespace hydra
