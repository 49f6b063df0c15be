// Explicit byte order for formats: little-endian everywhere, big-endian only where order of keys
// matters.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>

namespace hydra {

static_assert(std::endian::native == std::endian::little, "add byte swaps before porting");

template <std::unsigned_integral T>
T load_le(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <std::unsigned_integral T>
void store_le(void* to, T value) {
  std::memcpy(to, &value, sizeof value);
}
template <std::unsigned_integral T>
T load_be(const void* from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i)
    value = static_cast<T>((value << 8) | static_cast<const unsigned char*>(from)[i]);
  return value;
}
template <std::unsigned_integral T>
void store_be(void* to, T value) {
  for (std::size_t i = sizeof value; i-- > 0; value = static_cast<T>(value >> 8))
    static_cast<unsigned char*>(to)[i] = static_cast<unsigned char>(value & 0xff);
}

}  // namespace hydra
