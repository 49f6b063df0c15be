#include "bench/load/latency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace hydra::bench {
namespace {

std::vector<std::int64_t> one_to(std::int64_t last) {
  std::vector<std::int64_t> samples(static_cast<std::size_t>(last));
  std::iota(samples.begin(), samples.end(), 1);
  return samples;
}

TEST(Percentile, IsTheNearestRank) {
  EXPECT_EQ(percentile(one_to(100), 50), 50);
  EXPECT_EQ(percentile(one_to(100), 99), 99);
  EXPECT_EQ(percentile(one_to(100), 100), 100);
  EXPECT_EQ(percentile(one_to(101), 50), 51);
  EXPECT_EQ(percentile(one_to(10), 99), 10);
  EXPECT_EQ(percentile(one_to(10), 0), 1);
}

TEST(Percentile, OfOneSampleIsThatSample) {
  for (const double percent : {0.0, 50.0, 99.0, 100.0}) EXPECT_EQ(percentile({7}, percent), 7);
}

TEST(Percentile, OfNothingIsZero) { EXPECT_EQ(percentile({}, 50), 0); }

TEST(Latencies, SummaryDoesNotDependOnTheOrder) {
  auto samples = one_to(1000);
  std::shuffle(samples.begin(), samples.end(), std::mt19937(3));
  Latencies latencies;
  for (const auto sample : samples) latencies.add(sample * 1'000'000);
  const LatencySummary summary = latencies.summary();
  EXPECT_EQ(summary.count, 1000u);
  EXPECT_DOUBLE_EQ(summary.mean_ms, 500.5);
  EXPECT_DOUBLE_EQ(summary.p50_ms, 500);
  EXPECT_DOUBLE_EQ(summary.p90_ms, 900);
  EXPECT_DOUBLE_EQ(summary.p99_ms, 990);
  EXPECT_DOUBLE_EQ(summary.max_ms, 1000);
}

}  // namespace
}  // namespace hydra::bench
