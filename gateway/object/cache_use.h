// CacheUse: what a cache node was good for. A plain value.
#pragma once

#include <cstdint>
#include <optional>

namespace hydra::object {

struct CacheUse {
  std::uint64_t hits = 0;
  std::uint64_t hit_bytes = 0;
  std::uint64_t misses = 0;   // it was asked and did not give it, for whatever reason
  std::uint64_t lapses = 0;   // among them: it was late, or failed
  std::uint64_t wrong = 0;    // among the hits: what it gave was not what it was asked for
  std::uint64_t filled = 0;   // windows that it took
  std::uint64_t dropped = 0;  // windows that would have been given to it, but for the bounds

  CacheUse& operator+=(const CacheUse& other) {
    hits += other.hits;
    hit_bytes += other.hit_bytes;
    misses += other.misses;
    lapses += other.lapses;
    wrong += other.wrong;
    filled += other.filled;
    dropped += other.dropped;
    return *this;
  }
  // From 0 to 1; nothing when it was never asked.
  std::optional<double> hit_rate() const {
    if (hits + misses == 0) return std::nullopt;
    return static_cast<double>(hits) / static_cast<double>(hits + misses);
  }
  bool operator==(const CacheUse&) const = default;
};

}  // namespace hydra::object
