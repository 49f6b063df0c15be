#include "base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "base/assert.h"

namespace hydra::metrics {
namespace {

bool is_name(std::string_view name, bool colons) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [colons](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (colons && c == ':');
  });
}

std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\' || (quotes && c == '"')) {
      out.push_back('\\');
      out.push_back(c);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

// a="x",b="y"
std::string written(const Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels)
    out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", name, escaped(value, true));
  return out;
}

void write_sample(std::string& out, std::string_view name, std::string_view suffix,
                  std::string_view labels, std::string_view more_labels, std::string_view value) {
  out.append(name).append(suffix);
  if (!labels.empty() || !more_labels.empty()) {
    out.append("{").append(labels);
    if (!labels.empty() && !more_labels.empty()) out.append(",");
    out.append(more_labels).append("}");
  }
  out.append(" ").append(value).append("\n");
}

void write_histogram(std::string& out, std::string_view name, std::string_view labels,
                     const Histogram& histogram) {
  std::vector<std::uint64_t> counts = histogram.counts();
  std::span<const double> bounds = histogram.bounds();
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    below += counts[i];
    std::string bound = i < bounds.size() ? fmt::format("le=\"{}\"", bounds[i]) : "le=\"+Inf\"";
    write_sample(out, name, "_bucket", labels, bound, std::to_string(below));
  }
  write_sample(out, name, "_sum", labels, {}, fmt::format("{}", histogram.sum()));
  write_sample(out, name, "_count", labels, {}, std::to_string(below));
}

}  // namespace

Histogram::Histogram(std::span<const double> bounds)
    : bounds_(bounds.begin(), bounds.end()),
      counts_(std::make_unique<std::atomic<std::uint64_t>[]>(bounds.size() + 1)) {
  HYDRA_ASSERT(std::is_sorted(bounds.begin(), bounds.end(), std::less_equal<>()));
}

void Histogram::observe(double value) {
  if (std::isnan(value)) return;
  auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<std::uint64_t> Histogram::counts() const {
  std::vector<std::uint64_t> out(bounds_.size() + 1);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = counts_[i].load(std::memory_order_relaxed);
  return out;
}

std::uint64_t Histogram::count() const {
  std::uint64_t total = 0;
  for (std::uint64_t n : counts()) total += n;
  return total;
}

double Histogram::quantile(double share) const {
  std::vector<std::uint64_t> each = counts();
  std::uint64_t total = 0;
  for (std::uint64_t n : each) total += n;
  if (total == 0 || bounds_.empty()) return 0;
  double rank = std::clamp(share, 0.0, 1.0) * static_cast<double>(total);
  double below = 0;
  for (std::size_t i = 0; i < bounds_.size(); ++i) {
    double here = static_cast<double>(each[i]);
    if (here > 0 && below + here >= rank) {
      double from = i == 0 ? std::min(0.0, bounds_[0]) : bounds_[i - 1];
      return from + (bounds_[i] - from) * (rank - below) / here;
    }
    below += here;
  }
  return bounds_.back();
}

std::span<const double> latency_bounds() {
  static constexpr std::array kBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                         0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                         1.0,    2.5,     5.0,    10.0,  30.0,   60.0};
  return kBounds;
}

std::span<const double> size_bounds() {
  static constexpr std::array kBounds = {1024.0,     4096.0,      16384.0,      65536.0,
                                         262144.0,   1048576.0,   4194304.0,    16777216.0,
                                         67108864.0, 268435456.0, 1073741824.0, 4294967296.0};
  return kBounds;
}

Counter& Registry::counter(std::string_view name, std::string_view help, const Labels& labels) {
  HYDRA_ASSERT(name.ends_with("_total"));
  return *find(name, Type::kCounter, help, labels, {}).counter;
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  return *find(name, Type::kGauge, help, labels, {}).gauge;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, const Labels& labels,
                               std::span<const double> bounds) {
  return *find(name, Type::kHistogram, help, labels, bounds).histogram;
}

Registry::Series& Registry::find(std::string_view name, Type type, std::string_view help,
                                 const Labels& labels, std::span<const double> bounds) {
  std::vector<std::string> label_names;
  for (const auto& [label, value] : labels) label_names.push_back(label);
  std::lock_guard lock(mutex_);
  auto found = families_.find(name);
  if (found == families_.end()) {
    HYDRA_ASSERT(is_name(name, true));
    for (const std::string& label : label_names)
      HYDRA_ASSERT(is_name(label, false) && !label.starts_with("__") && label != "le");
    Family family{type, std::string(help), label_names, {bounds.begin(), bounds.end()}, {}};
    found = families_.emplace(std::string(name), std::move(family)).first;
  }
  Family& family = found->second;
  HYDRA_ASSERT(family.type == type && family.help == help && family.label_names == label_names);
  HYDRA_ASSERT(
      std::equal(bounds.begin(), bounds.end(), family.bounds.begin(), family.bounds.end()));

  std::string key = written(labels);
  if (!family.series.contains(key) && family.series.size() >= kMaxSeries) {
    Labels other = labels;
    for (auto& [label, value] : other) value = "other";
    key = written(other);
  }
  Series& series = family.series[key];
  if (type == Type::kCounter && !series.counter) series.counter = std::make_unique<Counter>();
  if (type == Type::kGauge && !series.gauge) series.gauge = std::make_unique<Gauge>();
  if (type == Type::kHistogram && !series.histogram)
    series.histogram = std::make_unique<Histogram>(bounds);
  return series;
}

std::string Registry::exposition() const {
  static constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram"};
  std::string out;
  std::lock_guard lock(mutex_);
  for (const auto& [name, family] : families_) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escaped(family.help, false), name,
                       kTypes[static_cast<std::size_t>(family.type)]);
    for (const auto& [labels, series] : family.series) {
      if (series.counter) {
        write_sample(out, name, {}, labels, {}, std::to_string(series.counter->value()));
      } else if (series.gauge) {
        write_sample(out, name, {}, labels, {}, std::to_string(series.gauge->value()));
      } else {
        write_histogram(out, name, labels, *series.histogram);
      }
    }
  }
  return out;
}

}  // namespace hydra::metrics
