#include "placement/hash.h"

#include <xxhash.h>

#include <array>
#include <cmath>
#include <limits>

#include "base/endian.h"

namespace hydra::placement {

std::uint64_t xxh3(ByteView bytes) { return ::XXH3_64bits(bytes.data(), bytes.size()); }

double rendezvous_score(std::uint64_t salt, std::uint32_t arc, NodeId node, double weight) {
  if (weight <= 0) return std::numeric_limits<double>::infinity();
  std::array<std::byte, 16> key;
  store_le(key.data(), salt);
  store_le(key.data() + 8, arc);
  store_le(key.data() + 12, node);
  // The top 53 bits as a number in (0, 1).
  const double uniform = (static_cast<double>(xxh3(key) >> 11) + 0.5) * 0x1p-53;
  return -std::log(uniform) / weight;
}

}  // namespace hydra::placement
