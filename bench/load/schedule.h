// When operations are meant to start, in nanoseconds since the run's start.
//
// In a closed loop an operation starts when a stream is free, so a stalled server is asked less and
// looks better than it is. In an open loop the times are fixed beforehand, and an operation's
// latency counts from its time even when no stream was free then (no coordinated omission).
#pragma once

#include <cstdint>

namespace hydra::bench {

class OpenSchedule {
 public:
  // `per_second` starts: evenly, or as a Poisson process of that mean drawn from `seed`.
  OpenSchedule(double per_second, bool poisson, std::uint64_t seed);

  // The intended start of the next operation that has not been taken.
  std::int64_t next() const { return static_cast<std::int64_t>(next_); }
  // Takes it, and returns it.
  std::int64_t take();

 private:
  double interval_ns_;
  bool poisson_;
  std::uint64_t random_;
  std::uint64_t taken_ = 0;
  double next_ = 0;
};

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): spreads consecutive numbers.
constexpr std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace hydra::bench
