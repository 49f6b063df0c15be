// Counters, gauges and histograms, and their text in the Prometheus exposition format 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/).
//
//   metrics::Counter& puts = registry.counter("hydra_s3_requests_total", "S3 requests.", {{"op",
//   "PutObject"}}); puts.add();
//
// A Registry belongs to one gateway or agent (a simulation has many) and outlives the users of its
// series. Look a series up once and keep the reference: the lookup locks, updates are lock-free and
// may come from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hydra::metrics {

class alignas(64) Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class alignas(64) Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

class alignas(64) Histogram {
 public:
  // Upper bounds of the buckets, ascending; a last one without bound is added.
  explicit Histogram(std::span<const double> bounds);

  void observe(double value);
  // A duration, in a histogram of seconds.
  void observe_ns(std::int64_t nanoseconds) { observe(static_cast<double>(nanoseconds) * 1e-9); }

  std::uint64_t count() const;
  double sum() const { return sum_.load(std::memory_order_relaxed); }
  // The value below which a share of 0 to 1 of the observations lies, interpolated within its
  // bucket; the last bound when it lies beyond; 0 without observations.
  double quantile(double share) const;

  std::span<const double> bounds() const { return bounds_; }
  std::vector<std::uint64_t> counts() const;  // per bucket, one more than bounds

 private:
  std::vector<double> bounds_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

std::span<const double> latency_bounds();  // 100 us to 60 s, in seconds
std::span<const double> size_bounds();     // 1 KiB to 4 GiB, in bytes

using Labels = std::vector<std::pair<std::string, std::string>>;

class Registry {
 public:
  // A family (one name) has so many series at most; those after it share one, whose label values
  // are "other".
  static constexpr std::size_t kMaxSeries = 1000;

  // The series of a name and labels, made when it is new. Names are [a-zA-Z_:][a-zA-Z0-9_:]*, those
  // of counters end in _total; a name has one type, one help text and one set of label names. All
  // else is a programmer's error. Label values may be any bytes.
  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, const Labels& labels = {},
                       std::span<const double> bounds = latency_bounds());

  // All of it: Content-Type "text/plain; version=0.0.4". Families by name, series by labels.
  std::string exposition() const;

 private:
  enum class Type { kCounter, kGauge, kHistogram };
  struct Series {
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
  };
  struct Family {
    Type type;
    std::string help;
    std::vector<std::string> label_names;
    std::vector<double> bounds;
    std::map<std::string, Series> series;  // by labels as they are written: a="x",b="y"
  };

  Series& find(std::string_view name, Type type, std::string_view help, const Labels& labels,
               std::span<const double> bounds);

  mutable std::mutex mutex_;
  std::map<std::string, Family, std::less<>> families_;
};

}  // namespace hydra::metrics
