// Seeded pseudo-random numbers of the simulation: xoshiro256** (Blackman and Vigna, 2018) seeded by
// splitmix64. The same seed gives the same stream on every machine. Never for keys outside the
// simulation.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/runtime/loop.h"

namespace hydra::sim {

// A closed interval of durations.
struct Range {
  Nanos low = 0;
  Nanos high = 0;
};

// The finaliser of splitmix64: spreads every input bit over the result.
constexpr std::uint64_t scramble(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}
constexpr std::uint64_t combine(std::uint64_t hash, std::uint64_t value) {
  return scramble(hash ^ std::rotl(value, 29));
}
std::uint64_t hash_bytes(ByteView bytes);

class Prng {
 public:
  explicit Prng(std::uint64_t seed) {
    for (std::uint64_t& word : state_) word = seed = scramble(seed);
  }

  std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  // Uniform enough for schedules: [0, bound), bound > 0.
  std::uint64_t below(std::uint64_t bound) {
    HYDRA_ASSERT(bound > 0);
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
  // [low, high].
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    HYDRA_ASSERT(low <= high);
    return low + below(high - low + 1);
  }
  Nanos in(Range range) {
    HYDRA_ASSERT(range.low <= range.high);
    return range.low + static_cast<Nanos>(below(std::uint64_t(range.high - range.low) + 1));
  }
  // True with the given probability.
  bool chance(double probability) {
    if (probability <= 0) return false;
    return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
  }
  void fill(MutableBytes out);

 private:
  std::uint64_t state_[4];
};

}  // namespace hydra::sim
