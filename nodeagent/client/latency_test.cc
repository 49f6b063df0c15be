#include "nodeagent/client/latency.h"

#include <gtest/gtest.h>

namespace hydra::agent {
namespace {

TEST(LatencyHistogram, SaysNothingFromFewSamples) {
  LatencyHistogram histogram;
  for (int i = 0; i < 15; ++i) histogram.record(kMillisecond);
  EXPECT_EQ(histogram.quantile(0.95), 0);
  histogram.record(kMillisecond);
  EXPECT_GT(histogram.quantile(0.95), 0);
}

TEST(LatencyHistogram, QuantilesAreWithinAQuarterAboveTheTruth) {
  for (const Nanos latency : {kMicrosecond, 7 * kMicrosecond, 333 * kMicrosecond, kMillisecond,
                              40 * kMillisecond, kSecond, 30 * kSecond}) {
    LatencyHistogram histogram;
    for (int i = 0; i < 20; ++i) histogram.record(latency);
    EXPECT_GT(histogram.quantile(0.5), latency);
    EXPECT_LE(histogram.quantile(0.5), latency + latency / 4);
  }
}

TEST(LatencyHistogram, TellsTheMedianFromTheTail) {
  LatencyHistogram histogram;
  for (int i = 0; i < 90; ++i) histogram.record(kMillisecond);
  for (int i = 0; i < 10; ++i) histogram.record(100 * kMillisecond);
  EXPECT_LT(histogram.quantile(0.5), 2 * kMillisecond);
  EXPECT_GT(histogram.quantile(0.95), 90 * kMillisecond);
}

TEST(LatencyHistogram, ForgetsOldSamples) {
  LatencyHistogram histogram;
  for (int i = 0; i < 1000; ++i) histogram.record(100 * kMillisecond);
  for (int i = 0; i < 4000; ++i) histogram.record(kMillisecond);
  EXPECT_LT(histogram.quantile(0.8), 2 * kMillisecond);
}

TEST(LatencyHistogram, TakesExtremes) {
  LatencyHistogram histogram;
  for (int i = 0; i < 20; ++i) histogram.record(i % 2 == 0 ? 0 : 100'000 * kSecond);
  EXPECT_GT(histogram.quantile(0.95), 60 * kSecond);
  EXPECT_LE(histogram.quantile(0.1), 2 * kMicrosecond);
}

}  // namespace
}  // namespace hydra::agent
