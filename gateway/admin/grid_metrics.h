// GridMetrics: the series that are made when somebody looks: the grid's status and what each worker
// counts by itself. Any thread.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "gateway/admin/observe.h"

namespace hydra::admin {

class GridMetrics {
 public:
  explicit GridMetrics(metrics::Registry& registry) : registry_(registry) {}

  void update(const std::vector<WorkerSample>& samples);
  void update(const GridStatus& status);
  void update(const heal::HealStatus& heal);
  void update(const Durability& durability);

 private:
  void update_journal(const JournalStatus& journal);
  void update_node(const NodeStatus& node);
  void update_cache(const NodeStatus& node);
  void gauge(std::string_view name, std::string_view help, std::uint64_t value);
  // Raises the counter to `total`, which may be older than what it shows.
  void raise(std::string_view name, std::string_view help, std::uint64_t total,
             const metrics::Labels& labels = {});

  metrics::Registry& registry_;
  std::mutex mutex_;  // one look at a time
};

// Looks at everything and writes out the whole registry. `home` is the caller's loop.
Task<std::string> exposition(const Sources& sources, metrics::Registry& registry,
                             GridMetrics& metrics, Loop& home);

constexpr const char* kExpositionType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace hydra::admin
