#include "gateway/admin/observe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_set>

#include "gateway/heal/walk.h"

namespace hydra::admin {

namespace {

WorkerSample sample(const WorkerParts& parts) {
  WorkerSample sample;
  sample.taken = true;
  sample.now = parts.loop->now();
  sample.wall_ms = parts.loop->wall_ms();
  sample.nodes = parts.grid->nodes();
  sample.store = parts.store->counters();
  sample.cache = parts.store->read_cache().use();
  sample.budget_bytes = parts.store->options().budget_bytes;
  sample.budget_free = parts.store->budget_free();
  sample.connections = parts.server->open_connections();
  if (parts.journal != nullptr) sample.journal = parts.journal->health();
  if (parts.healer != nullptr)
    if (auto heal = parts.healer->status()) sample.heal = std::move(*heal);
  return sample;
}

// One look at all workers; alive until the last of them has answered, also when the asker has gone.
struct Round {
  Round(Loop& home, std::size_t workers) : samples(workers), left(workers), done(home) {}
  std::vector<WorkerSample> samples;  // on the home loop
  std::size_t left;
  Event done;
};

std::size_t count_writers(const object::PlacementView& view,
                          const std::vector<agent::NodeView>& nodes) {
  return static_cast<std::size_t>(std::ranges::count_if(nodes, [&](const agent::NodeView& node) {
    const placement::Node* placed = view.map.find(node.id);
    return placed != nullptr && placed->share() > 0 && !node.load.fenced &&
           node.state == agent::NodeState::kHealthy;
  }));
}

NodeStatus node_status(const catalog::NodeRow& row, const WorkerSample& sample) {
  NodeStatus node;
  node.id = row.id;
  node.name = row.name;
  node.zone = row.zone;
  node.draining = row.draining;
  node.weight = row.weight;
  node.role = row.role;
  node.capacity_bytes = row.capacity_bytes;
  const auto view = std::ranges::find(sample.nodes, row.id, &agent::NodeView::id);
  if (view == sample.nodes.end()) return node;
  node.seen = true;
  node.version = view->description.version;
  node.state = view->state;
  node.heartbeat_age_ms = std::max<Nanos>(0, sample.now - view->last_heartbeat) / kMillisecond;
  node.latency_p50_us = view->latency_p50 / kMicrosecond;
  node.latency_p95_us = view->latency_p95 / kMicrosecond;
  node.load = view->load;
  node.score = view->score;
  return node;
}

Result<JournalStatus> journal_status(catalog::Catalog& catalog,
                                     const journal::Journal::Health& health, std::int64_t wall_ms) {
  JournalStatus journal;
  journal.begun = health.state.begun;
  journal.based = health.state.based;
  journal.able = health.state.able;
  journal.copies = health.copies;
  journal.takers = health.takers;
  journal.waiting_records = health.state.waiting_records;
  journal.bytes_since_snapshot = health.state.bytes_since_root;
  journal.records = health.counters.records;
  journal.retries = health.counters.retries;
  journal.snapshots = health.counters.snapshots;
  HYDRA_TRY(const auto rows, catalog.snapshots());
  for (const auto& row : rows)  // the oldest first
    if (row.rooted) journal.snapshot_age_ms = std::max<std::int64_t>(0, wall_ms - row.made_ms);
  return journal;
}

int shards_to_spare(const catalog::Extent& extent, const std::unordered_set<NodeId>& well) {
  int spare = extent.profile.m;
  for (std::size_t i = 0; i < extent.nodes.size(); ++i)
    if ((extent.missing >> i & 1) != 0 || !well.contains(extent.nodes[i])) --spare;
  return spare;
}

// All nodes that are not well count as lost to the healer as well.
bool counts_as_lost(const GridStatus& status, const heal::HealStatus& heal) {
  return std::ranges::all_of(status.nodes, [&](const NodeStatus& node) {
    const auto facts = heal.nodes.find(node.id);
    return node.well() ||
           (facts != heal.nodes.end() &&
            (facts->second.fenced || facts->second.presence >= heal::Presence::kDown));
  });
}

std::optional<int> walked_spare(const GridStatus& status, const heal::HealStatus* heal) {
  if (heal == nullptr || !heal->settled || !heal->census || !counts_as_lost(status, *heal))
    return std::nullopt;
  return heal->census->smallest_spare.value_or(status.profile.m);
}

Result<RepairOutlook> look_at_repairs(catalog::Catalog& catalog, const GridStatus& status,
                                      std::size_t examined) {
  RepairOutlook outlook;
  if (status.totals.repairs == 0) return outlook;
  std::unordered_set<NodeId> well;  // removed ones are not among the status's nodes
  for (const auto& node : status.nodes)
    if (node.well()) well.insert(node.id);
  HYDRA_TRY(const auto queue, catalog.repairs(examined + 1));
  for (std::size_t i = 0; i < queue.size() && i < examined; ++i) {
    const auto extent = catalog.extent(queue[i].extent);
    if (!extent && extent.error().code == Code::kNotFound) continue;  // gone meanwhile
    if (!extent) return fail(extent.error());
    const int spare = shards_to_spare(*extent, well);
    outlook.worst_now = std::min(outlook.worst_now.value_or(spare), spare);
  }
  // Behind the lost shards come extents that have all of them.
  if (queue.size() > examined)
    outlook.rest_spare = std::min<int>(queue.back().rank, status.profile.m);
  return outlook;
}

}  // namespace

Task<std::vector<WorkerSample>> sample_workers(const Sources& sources, Loop& home,
                                               Deadline deadline) {
  const auto round = std::make_shared<Round>(home, sources.workers.size());
  for (std::size_t i = 0; i < sources.workers.size(); ++i)
    sources.workers[i].loop->post([round, parts = &sources.workers[i], home = &home, i] {
      home->post([round, sample = sample(*parts), i]() mutable {
        round->samples[i] = std::move(sample);
        if (--round->left == 0) round->done.set();
      });
    });
  (void)co_await round->done.wait(deadline);  // those that are late are seen as untaken
  co_return round->samples;
}

std::optional<std::string> why_not_ready(const Sources& sources,
                                         const std::vector<WorkerSample>& samples) {
  if (const auto totals = sources.catalog->totals(); !totals)
    return "the catalog cannot be read: " + std::string(code_name(totals.error().code));
  const auto view = sources.board->current();
  if (view == nullptr) return "no node has joined yet";
  const auto needed = static_cast<std::size_t>(sources.profile.m) + 1;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (!samples[i].taken) return fmt::format("worker {} does not answer", i);
    const std::size_t writers = count_writers(*view, samples[i].nodes);
    if (writers < needed)
      return fmt::format("worker {} can write to {} nodes, profile {} needs {}", i, writers,
                         sources.profile.to_string(), needed);
    const auto& journal = samples[i].journal;
    if (journal && journal->state.begun && !journal->state.able)
      return fmt::format("{} nodes take the journal, which needs {}", journal->takers,
                         journal->copies);
    if (journal && journal->state.begun && !journal->state.based)
      return "changes wait for a first snapshot of the catalog on the nodes";
  }
  return std::nullopt;
}

Result<GridStatus> status_of(const Sources& sources, const std::vector<WorkerSample>& samples,
                             std::size_t examined) {
  GridStatus status;
  status.version = HYDRA_VERSION;
  status.cluster = sources.catalog->cluster().to_string();
  status.profile = sources.profile;
  HYDRA_TRY(const auto totals, sources.catalog->totals());
  status.totals = {.buckets = totals.buckets,
                   .objects = totals.objects,
                   .uploads = totals.uploads,
                   .extents = totals.extents,
                   .extent_bytes = totals.extent_bytes,
                   .dead_extents = totals.dead_extents,
                   .repairs = totals.repairs};
  status.capacity.stored_bytes = totals.object_bytes;
  const auto view = sources.board->current();
  if (view != nullptr) status.ring_epoch = view->ring.epoch();
  HYDRA_TRY(const auto rows, sources.catalog->nodes());
  for (const auto& row : rows) {
    if (row.removed) continue;
    NodeStatus node = node_status(row, samples.front());
    const placement::Node* placed = view == nullptr ? nullptr : view->map.find(row.id);
    node.placed = placed != nullptr && placed->share() > 0;
    if (row.stores()) {
      status.nodes.push_back(std::move(node));
      continue;
    }
    for (const auto& sample : samples)
      if (const auto use = sample.cache.find(row.id); use != sample.cache.end())
        node.cache += use->second;
    status.caches.push_back(std::move(node));
  }
  for (const auto& sample : samples)
    if (sample.journal) {
      HYDRA_TRY(status.journal, journal_status(*sources.catalog, *sample.journal, sample.wall_ms));
    }
  HYDRA_TRY(auto repairs, look_at_repairs(*sources.catalog, status, examined));
  repairs.walked = walked_spare(status, heal_of(samples));
  measure_capacity(status);
  assess(status, repairs);
  return status;
}

const heal::HealStatus* heal_of(const std::vector<WorkerSample>& samples) {
  for (const auto& sample : samples)
    if (sample.heal) return &*sample.heal;
  return nullptr;
}

Durability durability_of(const Sources& sources, const GridStatus& status,
                         const heal::HealStatus* heal) {
  TimeFacts times = sources.times;
  for (const auto& node : status.nodes)  // each shard stands for k of its kind
    times.node_bytes =
        std::max(times.node_bytes, node.load.used_bytes * std::uint64_t{sources.profile.k});
  if (heal != nullptr) times.measured_rate = heal->usual_bytes_per_second;
  // A pass that was quicker than its period does not make the next one come sooner.
  if (const auto scrub = sources.catalog->walk(heal::kScrubWalk);
      scrub && *scrub && (*scrub)->last_finished_ms > 0)
    times.measured_scrub_seconds =
        std::max(static_cast<double>((*scrub)->last_finished_ms - (*scrub)->last_started_ms) / 1000,
                 times.configured_scrub_seconds);
  const std::array profiles = {sources.profile, erasure::Profile{1, sources.profile.m}};
  return durability_of(profiles, FailureRates(), times_of(times));
}

}  // namespace hydra::admin
