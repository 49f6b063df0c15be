// GridStatus: what an operator is told of the grid, and the rules of its verdict. Plain values and
// pure functions; any thread. status_json.h writes and reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "erasure/profile.h"
#include "gateway/object/cache_use.h"
#include "nodeagent/client/grid.h"

namespace hydra::admin {

enum class Verdict : std::uint8_t {
  kHealthy,      // all nodes healthy, nothing to repair
  kDegraded,     // nodes are away or extents wait for repair, but another node may be lost
  kAtRisk,       // some extent may not survive the loss of one more node
  kUnavailable,  // too few nodes to write, or to take the journal: writes are refused (invariant 2)
};
// "healthy", "degraded", "at risk", "unavailable".
std::string_view verdict_name(Verdict verdict);
std::optional<Verdict> parse_verdict(std::string_view name);

// "storage", "cache".
std::string_view role_name(agent::NodeRole role);
std::optional<agent::NodeRole> parse_role(std::string_view name);

// "healthy", "suspect", "down".
std::string_view state_name(agent::NodeState state);
std::optional<agent::NodeState> parse_state(std::string_view name);

struct NodeStatus {
  NodeId id = 0;
  std::string name;
  std::string zone;
  std::string version;  // of the agent; empty when it was not seen yet
  agent::NodeState state = agent::NodeState::kDown;
  bool draining = false;
  bool placed = false;  // in the newest ring: it gets shards of new extents
  bool seen = false;    // since this gateway started; what follows the capacity is else unknown
  std::uint64_t capacity_bytes = 0;
  double weight = 1;
  std::int64_t heartbeat_age_ms = 0;
  std::int64_t latency_p50_us = 0;  // of small reads; 0 when unknown
  std::int64_t latency_p95_us = 0;
  agent::NodeLoad load;
  agent::NodeScore score;  // as the first worker sees it
  agent::NodeRole role = agent::NodeRole::kStorage;
  object::CacheUse cache;  // of a cache node, by all workers of this process since it started

  // It answers and its device works.
  bool well() const { return state == agent::NodeState::kHealthy && !load.fenced; }
  bool takes_writes() const { return well() && placed && !draining; }
  // One word for a table: that of its state, or "fenced".
  std::string_view word() const { return load.fenced ? "fenced" : state_name(state); }
  bool operator==(const NodeStatus&) const = default;
};

struct Capacity {
  std::uint64_t raw_bytes = 0;        // of all nodes
  std::uint64_t used_bytes = 0;       // as the nodes count them
  std::uint64_t usable_bytes = 0;     // objects that fit into empty nodes at the profile
  std::uint64_t available_bytes = 0;  // objects that still fit, on the nodes that take writes
  std::uint64_t stored_bytes = 0;     // of objects
  bool operator==(const Capacity&) const = default;
};

struct GridTotals {
  std::uint64_t buckets = 0, objects = 0, uploads = 0, extents = 0, extent_bytes = 0;
  std::uint64_t dead_extents = 0;  // their shards wait to be freed
  std::uint64_t repairs = 0;       // extents that wait for repair
  bool operator==(const GridTotals&) const = default;
};

// The journal of the catalog's changes on the nodes (docs/FORMAT-journal.md).
struct JournalStatus {
  bool begun = false;        // so many nodes have joined that there is one
  bool based = false;        // a snapshot stands for what was before it; clients wait until then
  bool able = true;          // else changes are refused
  std::uint64_t copies = 0;  // nodes that each change must lie on: m+1
  std::uint64_t takers = 0;  // nodes that can, and did not refuse or delay one just now
  std::uint64_t waiting_records = 0;  // that do not lie on so many yet
  std::uint64_t bytes_since_snapshot = 0;
  std::optional<std::int64_t> snapshot_age_ms;            // none: there is no snapshot yet
  std::uint64_t records = 0, retries = 0, snapshots = 0;  // since the process started

  bool takes_changes() const { return !begun || able; }
  bool operator==(const JournalStatus&) const = default;
};

struct GridStatus {
  Verdict verdict = Verdict::kUnavailable;
  std::vector<std::string> reasons;  // why it is not healthy: sentences without names of nodes
  std::string version;               // of the gateway
  std::string cluster;
  erasure::Profile profile{};                     // wanted for new objects
  std::optional<erasure::Profile> write_profile;  // what they get now; none: writes are refused
  int nodes_may_fail = 0;                         // more, without loss, at the least
  std::uint64_t ring_epoch = 0;                   // 0: there is no ring yet
  Capacity capacity;
  GridTotals totals;
  std::optional<JournalStatus> journal;
  std::vector<NodeStatus> nodes;   // those that hold shards, by id
  std::vector<NodeStatus> caches;  // they hold copies only, so nothing above counts them
  bool operator==(const GridStatus&) const = default;
};

// What is known of the extents in the repair queue beyond their number.
struct RepairOutlook {
  // The fewest shards that an examined one may still lose, with the nodes that are away now;
  // negative: it cannot be read until one is back.
  std::optional<int> worst_now;
  // The fewest over all extents, by a walk that counted all nodes that are away now as lost. What
  // has been healed since makes it better, so it is the least.
  std::optional<int> walked;
  // The queue is longer: the fewest shards that the others may lose if all nodes were there.
  std::optional<int> rest_spare;
};

// Of all cache nodes.
object::CacheUse cache_use(const GridStatus& status);

// Sets verdict, reasons, write_profile and nodes_may_fail from the rest.
void assess(GridStatus& status, const RepairOutlook& repairs);

// Sets raw, used, usable and available from the nodes and the profile.
void measure_capacity(GridStatus& status);

// How many bytes of objects fit on nodes with so much room each, all shards of an extent on
// distinct ones; with fewer than k+m nodes at the profile that writes then get, 0 with fewer than
// m+1.
std::uint64_t usable_bytes(erasure::Profile profile, std::span<const std::uint64_t> rooms);

}  // namespace hydra::admin
