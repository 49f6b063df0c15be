// Decoding an epoch of the ring must survive any bytes, and what it accepts must encode to the same
// bytes.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/endian.h"
#include "placement/ring_format.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hydra;
  // With its checksum put right, so that the fuzzer gets past it.
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (size >= 4) {
    const std::uint32_t crc = crc32c(as_bytes(bytes).first(size - 4));
    store_le(bytes.data() + size - 4, crc);
  }
  const auto ring = placement::decode_ring(as_bytes(bytes));
  if (ring) HYDRA_ASSERT(placement::encode_ring(*ring) == bytes);
  return 0;
}
