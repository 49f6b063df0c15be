// libFuzzer: the decoders of rows and keys take any bytes, and what they accept encodes to the same
// bytes.

#include <cstdint>
#include <span>

#include "base/assert.h"
#include "gateway/catalog/rows_decode_all.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hydra;
  using namespace hydra::catalog;
  const ByteView bytes = std::as_bytes(std::span(data, size));
  decode_all(bytes);
  if (const auto extent = decode_extent({}, bytes)) HYDRA_ASSERT(encode(*extent) == as_text(bytes));
  if (const auto body = decode_body({}, bytes)) HYDRA_ASSERT(encode(*body) == as_text(bytes));
  if (const auto part = decode_part(1, bytes, Slices::kDecode))
    HYDRA_ASSERT(encode(*part) == as_text(bytes));
  return 0;
}
