#include "base/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <thread>
#include <vector>

namespace hydra::metrics {
namespace {

TEST(Metrics, ExpositionListsFamiliesByNameAndSeriesByLabels) {
  Registry registry;
  registry.gauge("hydra_nodes", "Nodes by state.", {{"state", "up"}}).set(6);
  registry.gauge("hydra_nodes", "Nodes by state.", {{"state", "down"}}).set(-1);
  registry.counter("hydra_bytes_total", "Bytes\nreceived \\ \"all\".").add(42);
  EXPECT_EQ(registry.exposition(),
            "# HELP hydra_bytes_total Bytes\\nreceived \\\\ \"all\".\n"
            "# TYPE hydra_bytes_total counter\n"
            "hydra_bytes_total 42\n"
            "# HELP hydra_nodes Nodes by state.\n"
            "# TYPE hydra_nodes gauge\n"
            "hydra_nodes{state=\"down\"} -1\n"
            "hydra_nodes{state=\"up\"} 6\n");
}

TEST(Metrics, HistogramIsCumulative) {
  Registry registry;
  std::vector<double> bounds = {0.5, 1, 10};
  Histogram& histogram = registry.histogram("hydra_wait_seconds", "Wait.", {{"q", "a"}}, bounds);
  for (double value : {0.25, 0.5, 0.75, 100.0}) histogram.observe(value);
  histogram.observe_ns(2'000'000'000);
  histogram.observe(std::nan(""));
  EXPECT_EQ(registry.exposition(),
            "# HELP hydra_wait_seconds Wait.\n"
            "# TYPE hydra_wait_seconds histogram\n"
            "hydra_wait_seconds_bucket{q=\"a\",le=\"0.5\"} 2\n"
            "hydra_wait_seconds_bucket{q=\"a\",le=\"1\"} 3\n"
            "hydra_wait_seconds_bucket{q=\"a\",le=\"10\"} 4\n"
            "hydra_wait_seconds_bucket{q=\"a\",le=\"+Inf\"} 5\n"
            "hydra_wait_seconds_sum{q=\"a\"} 103.5\n"
            "hydra_wait_seconds_count{q=\"a\"} 5\n");
}

TEST(Metrics, LabelValuesAreEscaped) {
  Registry registry;
  registry.counter("a_total", "A.", {{"key", "x\"y\\z\n"}}).add();
  EXPECT_NE(registry.exposition().find("a_total{key=\"x\\\"y\\\\z\\n\"} 1\n"), std::string::npos);
}

TEST(Metrics, SameNameAndLabelsAreTheSameSeries) {
  Registry registry;
  Counter& one = registry.counter("a_total", "A.", {{"op", "x"}});
  Counter& other = registry.counter("a_total", "A.", {{"op", "y"}});
  EXPECT_EQ(&one, &registry.counter("a_total", "A.", {{"op", "x"}}));
  EXPECT_NE(&one, &other);
}

TEST(Metrics, QuantileInterpolatesWithinABucket) {
  std::vector<double> bounds = {1, 2, 4};
  Histogram histogram(bounds);
  EXPECT_EQ(histogram.quantile(0.5), 0);
  for (int i = 0; i < 10; ++i) histogram.observe(1.5);
  EXPECT_DOUBLE_EQ(histogram.quantile(0.5), 1.5);
  EXPECT_DOUBLE_EQ(histogram.quantile(1), 2);
  for (int i = 0; i < 90; ++i) histogram.observe(9);
  EXPECT_DOUBLE_EQ(histogram.quantile(0.95), 4);
  EXPECT_DOUBLE_EQ(histogram.quantile(0.05), 1.5);
}

TEST(Metrics, TooManySeriesShareOne) {
  Registry registry;
  for (std::size_t i = 0; i < Registry::kMaxSeries + 50; ++i)
    registry.counter("a_total", "A.", {{"bucket", std::to_string(i)}}).add();
  EXPECT_NE(registry.exposition().find("a_total{bucket=\"other\"} 50\n"), std::string::npos);
  registry.counter("a_total", "A.", {{"bucket", "7"}}).add();
  EXPECT_NE(registry.exposition().find("a_total{bucket=\"7\"} 2\n"), std::string::npos);
}

TEST(Metrics, UpdatesFromManyThreadsAddUp) {
  Registry registry;
  Histogram& histogram = registry.histogram("wait_seconds", "Wait.");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        registry.counter("a_total", "A.").add(2);
        histogram.observe(0.5);
      }
    });
  for (int i = 0; i < 10; ++i) (void)registry.exposition();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(registry.counter("a_total", "A.").value(), 40000u);
  EXPECT_EQ(histogram.count(), 20000u);
  EXPECT_EQ(histogram.sum(), 10000);
}

TEST(MetricsDeathTest, MisuseIsAProgrammersError) {
  Registry registry;
  registry.gauge("a", "A.", {{"x", "1"}});
  EXPECT_DEATH(registry.gauge("a", "B.", {{"x", "1"}}), "");
  EXPECT_DEATH(registry.gauge("a", "A.", {{"y", "1"}}), "");
  EXPECT_DEATH(registry.histogram("a", "A.", {{"x", "1"}}), "");
  EXPECT_DEATH(registry.counter("b", "B."), "");
  EXPECT_DEATH(registry.gauge("9", "B."), "");
}

}  // namespace
}  // namespace hydra::metrics
