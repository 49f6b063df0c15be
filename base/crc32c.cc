#include "base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace hydra {

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) {
  // ISA-L takes the length as an int, and neither inverts the state before nor after.
  constexpr std::size_t kLongestCall = std::size_t{1} << 30;
  std::uint32_t state = ~seed;
  while (!bytes.empty()) {
    const std::size_t length = std::min(bytes.size(), kLongestCall);
    auto* data = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data()));
    state = ::crc32_iscsi(data, static_cast<int>(length), state);
    bytes = bytes.subspan(length);
  }
  return ~state;
}

}  // namespace hydra
