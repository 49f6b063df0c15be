#include "base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace hydra {

namespace {
// ISA-L takes the length as an int; `step` gets at most 1 GiB at a time.
template <typename Step>
std::uint32_t in_steps(ByteView bytes, std::uint32_t state, Step step) {
  constexpr std::size_t kLongestCall = std::size_t{1} << 30;
  while (!bytes.empty()) {
    const std::size_t length = std::min(bytes.size(), kLongestCall);
    auto* data = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data()));
    state = step(data, length, state);
    bytes = bytes.subspan(length);
  }
  return state;
}
}  // namespace

// ISA-L's crc32_iscsi inverts the state neither before nor after.
std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) {
  return ~in_steps(bytes, ~seed, [](unsigned char* data, std::size_t length, std::uint32_t state) {
    return ::crc32_iscsi(data, static_cast<int>(length), state);
  });
}

// crc32_gzip_refl does both.
std::uint32_t crc32(ByteView bytes, std::uint32_t seed) {
  return in_steps(bytes, seed, [](unsigned char* data, std::size_t length, std::uint32_t state) {
    return ::crc32_gzip_refl(state, data, length);
  });
}

}  // namespace hydra
