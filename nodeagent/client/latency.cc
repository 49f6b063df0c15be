#include "nodeagent/client/latency.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace hydra::agent {

namespace {
// Four buckets an octave: the position of the highest bit, and the two bits below it.
std::size_t bucket_of(Nanos latency) {
  const auto micros = static_cast<std::uint64_t>(std::max<Nanos>(latency / kMicrosecond, 1)) << 2;
  const auto octave = static_cast<std::size_t>(std::bit_width(micros) - 3);
  return octave * 4 + ((micros >> octave) & 3);
}
Nanos upper_edge(std::size_t bucket) {
  const std::uint64_t quarter = 5 + bucket % 4;  // quarters of an octave's start
  return static_cast<Nanos>((quarter << (bucket / 4)) * kMicrosecond / 4);
}
}  // namespace

void LatencyHistogram::record(Nanos latency) {
  ++counts_[std::min(bucket_of(latency), kBuckets - 1)];
  if (++total_ < kDecayAt) return;
  total_ = 0;
  for (std::uint32_t& count : counts_) total_ += count /= 2;
}

Nanos LatencyHistogram::quantile(double fraction) const {
  if (total_ < kFewSamples) return 0;
  const auto wanted = static_cast<std::uint32_t>(std::ceil(fraction * total_));
  std::uint32_t seen = 0;
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += counts_[bucket];
    if (seen >= wanted) return upper_edge(bucket);
  }
  return upper_edge(kBuckets - 1);
}

}  // namespace hydra::agent
