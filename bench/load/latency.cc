#include "bench/load/latency.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hydra::bench {

std::int64_t percentile(const std::vector<std::int64_t>& sorted, double percent) {
  if (sorted.empty()) return 0;
  const double rank = std::ceil(percent / 100 * static_cast<double>(sorted.size()));
  const auto index = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
  return sorted[std::min(index, sorted.size() - 1)];
}

LatencySummary Latencies::summary() const {
  LatencySummary summary;
  if (samples_.empty()) return summary;
  std::vector<std::int64_t> sorted = samples_;
  std::sort(sorted.begin(), sorted.end());
  const auto ms = [](double nanoseconds) { return nanoseconds / 1e6; };
  const double sum = std::accumulate(sorted.begin(), sorted.end(), 0.0);
  summary.count = sorted.size();
  summary.mean_ms = ms(sum / static_cast<double>(sorted.size()));
  summary.p50_ms = ms(static_cast<double>(percentile(sorted, 50)));
  summary.p90_ms = ms(static_cast<double>(percentile(sorted, 90)));
  summary.p99_ms = ms(static_cast<double>(percentile(sorted, 99)));
  summary.max_ms = ms(static_cast<double>(sorted.back()));
  return summary;
}

}  // namespace hydra::bench
