// Latencies of one kind of operation: every one is kept, so that percentiles are exact.
#pragma once

#include <cstdint>
#include <vector>

namespace hydra::bench {

struct LatencySummary {
  std::uint64_t count = 0;
  double mean_ms = 0, p50_ms = 0, p90_ms = 0, p99_ms = 0, max_ms = 0;
};

class Latencies {
 public:
  void add(std::int64_t nanoseconds) { samples_.push_back(nanoseconds); }
  LatencySummary summary() const;

 private:
  std::vector<std::int64_t> samples_;
};

// The nearest-rank percentile of a sorted run: the smallest sample that at least `percent` of all
// are not above. 0 of an empty run.
std::int64_t percentile(const std::vector<std::int64_t>& sorted, double percent);

}  // namespace hydra::bench
