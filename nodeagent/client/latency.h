// LatencyHistogram: recent latencies of one node, to find out which reads are slower than its own
// custom.
//
// Buckets grow by a quarter of an octave (19 %) from 1 us to beyond a minute. All counts are halved
// when they reach kDecayAt, so old samples fade. Used on one loop.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/runtime/loop.h"

namespace hydra::agent {

class LatencyHistogram {
 public:
  void record(Nanos latency);
  // The upper edge of the bucket that holds the given fraction of samples; 0 below kFewSamples.
  Nanos quantile(double fraction) const;

 private:
  static constexpr std::size_t kBuckets = 112;
  static constexpr std::uint32_t kDecayAt = 1024;
  static constexpr std::uint32_t kFewSamples = 16;

  std::array<std::uint32_t, kBuckets> counts_{};
  std::uint32_t total_ = 0;
};

}  // namespace hydra::agent
