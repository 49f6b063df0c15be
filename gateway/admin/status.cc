#include "gateway/admin/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace hydra::admin {

namespace {

constexpr std::array<std::string_view, 4> kVerdicts = {"healthy", "degraded", "at risk",
                                                       "unavailable"};
constexpr std::array<std::string_view, 3> kStates = {"healthy", "suspect", "down"};
constexpr std::array<std::string_view, 2> kRoles = {"storage", "cache"};

template <typename Enum, std::size_t N>
std::optional<Enum> parse_name(const std::array<std::string_view, N>& names,
                               std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

// How many more nodes may be lost before some extent loses more than m of its shards. Extents
// outside the repair queue are complete; what they hold on nodes that are away now is not known, so
// each of those counts.
int nodes_may_fail(const GridStatus& status, const RepairOutlook& repairs, int away) {
  if (repairs.walked) return *repairs.walked;
  int spare = status.profile.m;
  if (status.totals.extents > status.totals.repairs) spare -= away;
  if (repairs.worst_now) spare = std::min(spare, *repairs.worst_now);
  if (repairs.rest_spare) spare = std::min(spare, *repairs.rest_spare - away);
  return spare;
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  return kVerdicts[static_cast<std::size_t>(verdict)];
}
std::optional<Verdict> parse_verdict(std::string_view name) {
  return parse_name<Verdict>(kVerdicts, name);
}
std::string_view state_name(agent::NodeState state) {
  return kStates[static_cast<std::size_t>(state)];
}
std::optional<agent::NodeState> parse_state(std::string_view name) {
  return parse_name<agent::NodeState>(kStates, name);
}

std::string_view role_name(agent::NodeRole role) { return kRoles[static_cast<std::size_t>(role)]; }
std::optional<agent::NodeRole> parse_role(std::string_view name) {
  return parse_name<agent::NodeRole>(kRoles, name);
}

object::CacheUse cache_use(const GridStatus& status) {
  object::CacheUse sum;
  for (const auto& node : status.caches) sum += node.cache;
  return sum;
}

void assess(GridStatus& status, const RepairOutlook& repairs) {
  const auto& nodes = status.nodes;
  const auto unwell =
      static_cast<int>(std::ranges::count_if(nodes, [](const auto& node) { return !node.well(); }));
  const auto writers = static_cast<std::size_t>(
      std::ranges::count_if(nodes, [](const auto& node) { return node.takes_writes(); }));
  const auto say = [&](std::string reason) { status.reasons.push_back(std::move(reason)); };
  status.reasons.clear();
  status.write_profile.reset();
  if (const auto profile = erasure::profile_for(status.profile, writers))
    status.write_profile = *profile;

  const int spare = nodes_may_fail(status, repairs, unwell);
  status.nodes_may_fail = std::max(0, spare);
  status.verdict = Verdict::kHealthy;
  if (unwell > 0)
    say(fmt::format("{} of {} away or failed", unwell, counted(nodes.size(), "node", "nodes")));
  if (status.totals.repairs > 0)
    say(fmt::format("{} for repair",
                    counted(status.totals.repairs, "extent waits", "extents wait")));
  if (status.write_profile && *status.write_profile != status.profile)
    say(fmt::format("{} new data: it is written as {} instead of {}",
                    counted(writers, "node takes", "nodes take"), status.write_profile->to_string(),
                    status.profile.to_string()));
  const JournalStatus journal = status.journal.value_or(JournalStatus());
  if (journal.begun && journal.able && journal.takers < journal.copies)
    say(fmt::format("changes wait: {} the journal, and it needs {}",
                    counted(journal.takers, "node takes", "nodes take"), journal.copies));
  else if (journal.begun && journal.able && !journal.based)
    say("changes wait for a first snapshot of the catalog on the nodes");
  if (!status.reasons.empty()) status.verdict = Verdict::kDegraded;
  if (spare <= 0 && status.totals.extents > 0) {
    say(spare < 0 ? "some data cannot be read until nodes are back"
                  : "no further node may fail without loss of data");
    status.verdict = Verdict::kAtRisk;
  }
  if (!status.write_profile) {
    say(fmt::format("writes are refused: {} new data, and {} needs {}",
                    counted(writers, "node takes", "nodes take"), status.profile.to_string(),
                    status.profile.m + 1));
    status.verdict = Verdict::kUnavailable;
  } else if (!journal.takes_changes()) {
    say(fmt::format("writes are refused: {} the journal, and it needs {}",
                    counted(journal.takers, "node takes", "nodes take"), journal.copies));
    status.verdict = Verdict::kUnavailable;
  }
}

std::uint64_t usable_bytes(erasure::Profile profile, std::span<const std::uint64_t> rooms) {
  const auto fitting = erasure::profile_for(profile, rooms.size());
  if (!fitting) return 0;
  const auto width = static_cast<std::uint64_t>(fitting->shards());
  // With so many rows of one byte a shard, a node holds at most one byte of each.
  const auto fits = [&](std::uint64_t rows) {
    std::uint64_t total = 0;
    for (const std::uint64_t room : rooms) total += std::min(room, rows);
    return total / width >= rows;
  };
  std::uint64_t low = 0;
  std::uint64_t high = std::accumulate(rooms.begin(), rooms.end(), std::uint64_t{0}) / width;
  while (low < high) {
    const std::uint64_t middle = low + (high - low + 1) / 2;
    if (fits(middle))
      low = middle;
    else
      high = middle - 1;
  }
  return low * fitting->k;
}

void measure_capacity(GridStatus& status) {
  Capacity& capacity = status.capacity;
  capacity.raw_bytes = capacity.used_bytes = 0;
  std::vector<std::uint64_t> rooms, free;
  for (const auto& node : status.nodes) {
    capacity.raw_bytes += node.capacity_bytes;
    capacity.used_bytes += node.load.used_bytes;
    if (!node.draining) rooms.push_back(node.capacity_bytes);
    if (node.takes_writes()) free.push_back(node.load.free_bytes);
  }
  capacity.usable_bytes = usable_bytes(status.profile, rooms);
  capacity.available_bytes = usable_bytes(status.profile, free);
}

}  // namespace hydra::admin
