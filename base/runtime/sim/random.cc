#include "base/runtime/sim/random.h"

#include <algorithm>
#include <cstring>

namespace hydra::sim {

std::uint64_t hash_bytes(ByteView bytes) {
  std::uint64_t hash = scramble(bytes.size());
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t take = std::min(bytes.size(), sizeof word);
    std::memcpy(&word, bytes.data(), take);
    hash = (std::rotl(hash, 23) ^ word) * 0x9fb21c651e98df25;
    bytes = bytes.subspan(take);
  }
  return scramble(hash);
}

void Prng::fill(MutableBytes out) {
  while (!out.empty()) {
    const std::uint64_t word = next();
    const std::size_t take = std::min(out.size(), sizeof word);
    std::memcpy(out.data(), &word, take);
    out = out.subspan(take);
  }
}

}  // namespace hydra::sim
