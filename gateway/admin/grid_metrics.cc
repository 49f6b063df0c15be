#include "gateway/admin/grid_metrics.h"

namespace hydra::admin {

namespace {
constexpr Nanos kPatience = kSecond;
constexpr std::size_t kExaminedRepairs = 64;
}  // namespace

void GridMetrics::gauge(std::string_view name, std::string_view help, std::uint64_t value) {
  registry_.gauge(name, help).set(static_cast<std::int64_t>(value));
}

void GridMetrics::raise(std::string_view name, std::string_view help, std::uint64_t total,
                        const metrics::Labels& labels) {
  metrics::Counter& counter = registry_.counter(name, help, labels);
  if (total > counter.value()) counter.add(total - counter.value());
}

void GridMetrics::update(const std::vector<WorkerSample>& samples) {
  WorkerSample sum;
  for (const auto& sample : samples) {
    // A sum without one of the workers would be too small, and the next one a leap.
    if (!sample.taken) return;
    sum.store.reads += sample.store.reads;
    sum.store.hedged_reads += sample.store.hedged_reads;
    sum.store.degraded_reads += sample.store.degraded_reads;
    sum.store.degraded_writes += sample.store.degraded_writes;
    sum.budget_bytes += sample.budget_bytes;
    sum.budget_free += sample.budget_free;
    sum.connections += sample.connections;
  }
  std::lock_guard lock(mutex_);
  raise("hydra_object_reads_total", "Windows of stripes fetched for reads.", sum.store.reads);
  raise("hydra_object_hedged_reads_total", "Windows for which parity was asked as well.",
        sum.store.hedged_reads);
  raise("hydra_object_degraded_reads_total", "Windows decoded from parity.",
        sum.store.degraded_reads);
  raise("hydra_object_degraded_writes_total",
        "Extents committed with missing shards or a smaller profile.", sum.store.degraded_writes);
  gauge("hydra_object_budget_bytes", "Memory for data in flight.", sum.budget_bytes);
  gauge("hydra_object_budget_used_bytes", "Memory for data in flight that is taken.",
        sum.budget_bytes - sum.budget_free);
  gauge("hydra_http_connections", "Open connections of S3 clients.", sum.connections);
}

void GridMetrics::update(const GridStatus& status) {
  std::lock_guard lock(mutex_);
  registry_.gauge("hydra_build_info", "The version of this gateway.", {{"version", status.version}})
      .set(1);
  for (const auto verdict :
       {Verdict::kHealthy, Verdict::kDegraded, Verdict::kAtRisk, Verdict::kUnavailable})
    registry_
        .gauge("hydra_grid_verdict", "1 at the verdict on the grid.",
               {{"verdict", std::string(verdict_name(verdict))}})
        .set(verdict == status.verdict ? 1 : 0);
  gauge("hydra_grid_nodes_may_fail", "More nodes that may fail without loss, at the least.",
        static_cast<std::uint64_t>(status.nodes_may_fail));
  gauge("hydra_grid_capacity_bytes", "Capacity of all nodes.", status.capacity.raw_bytes);
  gauge("hydra_grid_usable_bytes", "Objects that fit into empty nodes at the profile.",
        status.capacity.usable_bytes);
  gauge("hydra_grid_available_bytes", "Objects that still fit.", status.capacity.available_bytes);
  gauge("hydra_ring_epoch", "The newest epoch of the ring.", status.ring_epoch);
  gauge("hydra_repairs_queued", "Extents that wait for repair.", status.totals.repairs);
  gauge("hydra_dead_extents", "Extents whose shards wait to be freed.", status.totals.dead_extents);
  gauge("hydra_catalog_buckets", "Buckets.", status.totals.buckets);
  gauge("hydra_catalog_objects", "Objects.", status.totals.objects);
  gauge("hydra_catalog_object_bytes", "Bytes of objects.", status.capacity.stored_bytes);
  gauge("hydra_catalog_uploads", "Multipart uploads under way.", status.totals.uploads);
  gauge("hydra_catalog_extents", "Extents.", status.totals.extents);
  gauge("hydra_catalog_extent_bytes", "Bytes of ciphertext in extents.",
        status.totals.extent_bytes);
  for (const std::string_view word : {"healthy", "suspect", "down", "fenced"}) {
    std::int64_t count = 0;
    for (const auto& node : status.nodes) count += node.word() == word ? 1 : 0;
    registry_.gauge("hydra_nodes", "Nodes by state.", {{"state", std::string(word)}}).set(count);
  }
  if (status.journal) update_journal(*status.journal);
  for (const auto& node : status.nodes) update_node(node);
  for (const auto& node : status.caches) update_cache(node);
}

void GridMetrics::update(const heal::HealStatus& heal) {
  std::lock_guard lock(mutex_);
  gauge("hydra_heal_active", "1 where the healer runs.", heal.active ? 1 : 0);
  gauge("hydra_heal_bytes_per_second", "Bytes of extents healed a second, lately.",
        static_cast<std::uint64_t>(heal.bytes_per_second));
  gauge("hydra_heal_pace_bytes_per_second", "Bytes a second that healing may move now.", heal.pace);
  // -1: not known. An alert on a long repair then stays silent, as it should.
  registry_.gauge("hydra_heal_seconds_left", "Until the queue is done at this rate; -1: unknown.")
      .set(heal.seconds_left.value_or(-1));
  gauge("hydra_heal_running", "Extents that are worked on.", heal.running.size());
  gauge("hydra_heal_blocked", "Extents that cannot be helped now.", heal.blocked);
  gauge("hydra_repair_queued_bytes", "Bytes of extents that wait for repair.",
        heal.totals.repair_bytes);
  gauge("hydra_moves_queued", "Whole extents that wait to be moved or rewritten.",
        heal.totals.moves);
  gauge("hydra_move_queued_bytes", "Bytes of extents that wait to be moved or rewritten.",
        heal.totals.move_bytes);
  gauge("hydra_trims_queued", "Bodies that wait to be trimmed to what objects need of them.",
        heal.totals.trims);
  gauge("hydra_half_dead_extents", "Extents that wait for compaction.", heal.totals.half_dead);
  gauge("hydra_half_dead_bytes", "Bytes of extents that compaction will give back.",
        heal.totals.half_dead_bytes);
  gauge("hydra_stray_shards", "Shards left behind that wait to be freed.", heal.totals.strays);
  raise("hydra_healed_extents_total", "Extents healed or moved.", heal.healed_extents);
  raise("hydra_healed_bytes_total", "Bytes of extents healed or moved.", heal.healed_bytes);
  raise("hydra_heal_written_bytes_total", "Bytes of shards written for that.", heal.written_bytes);
}

void GridMetrics::update(const Durability& durability) {
  std::lock_guard lock(mutex_);
  gauge("hydra_durability_modelled_nines", "Nines of the durability model, at most 11.",
        static_cast<std::uint64_t>(durability.nines));
  gauge("hydra_durability_repair_seconds", "Time to repair a node, as the model takes it.",
        static_cast<std::uint64_t>(durability.times.repair_days * 86'400));
  gauge("hydra_durability_scrub_seconds", "Time between scrubs, as the model takes it.",
        static_cast<std::uint64_t>(durability.times.scrub_days * 86'400));
  gauge("hydra_durability_measured", "1 when both times were measured.",
        durability.times.repair_measured && durability.times.scrub_measured ? 1 : 0);
}

void GridMetrics::update_node(const NodeStatus& node) {
  const metrics::Labels labels = {{"node", node.name}, {"zone", node.zone}};
  const auto set = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    registry_.gauge(name, help, labels).set(static_cast<std::int64_t>(value));
  };
  set("hydra_node_up", "1 while the node is healthy and its device works.", node.well() ? 1 : 0);
  set("hydra_node_capacity_bytes", "Capacity of the node.", node.capacity_bytes);
  set("hydra_node_used_bytes", "Bytes that shards take on the node.", node.load.used_bytes);
  set("hydra_node_free_bytes", "Bytes that new shards may still take.", node.load.free_bytes);
  set("hydra_node_shards", "Shards on the node.", node.load.shards);
  set("hydra_node_syncs", "Syncs of the device since the agent started.", node.load.syncs);
  set("hydra_node_written_bytes", "Bytes written since the agent started.",
      node.load.bytes_written);
  set("hydra_node_errors", "Errors since the agent started.", node.load.errors);
  set("hydra_node_score_percent", "Availability, errors and speed of the node in one number.",
      static_cast<std::uint64_t>(node.score.score * 100 + 0.5));
  set("hydra_node_ejected", "1 while the node is left out of reads.", node.score.ejected ? 1 : 0);
  set("hydra_node_flapping", "1 while the node gets no new shards.", node.score.flapping ? 1 : 0);
  set("hydra_node_heartbeat_age_milliseconds", "Time since the last heartbeat.",
      static_cast<std::uint64_t>(node.heartbeat_age_ms));
  set("hydra_node_read_p50_microseconds", "Median time of small reads.",
      static_cast<std::uint64_t>(node.latency_p50_us));
  set("hydra_node_read_p95_microseconds", "95th percentile of the time of small reads.",
      static_cast<std::uint64_t>(node.latency_p95_us));
}

void GridMetrics::update_journal(const JournalStatus& journal) {
  gauge("hydra_journal_takes_changes", "1 while enough nodes take the journal; else writes fail.",
        journal.takes_changes() ? 1 : 0);
  gauge("hydra_journal_copies", "Nodes that each change must lie on.", journal.copies);
  gauge("hydra_journal_takers", "Nodes that take the journal now.", journal.takers);
  gauge("hydra_journal_waiting_records", "Changes that do not lie on so many nodes yet.",
        journal.waiting_records);
  gauge("hydra_journal_bytes_since_snapshot", "Bytes of changes since the last snapshot.",
        journal.bytes_since_snapshot);
  registry_
      .gauge("hydra_journal_snapshot_age_seconds",
             "Age of the last snapshot of the catalog on the nodes; -1: there is none.")
      .set(journal.snapshot_age_ms ? *journal.snapshot_age_ms / 1000 : -1);
  raise("hydra_journal_records_total", "Changes carried to the nodes.", journal.records);
  raise("hydra_journal_retries_total", "Attempts to do so that failed.", journal.retries);
  raise("hydra_journal_snapshots_total", "Snapshots of the catalog made.", journal.snapshots);
}

void GridMetrics::update_cache(const NodeStatus& node) {
  const metrics::Labels labels = {{"node", node.name}, {"zone", node.zone}};
  const auto set = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    registry_.gauge(name, help, labels).set(static_cast<std::int64_t>(value));
  };
  set("hydra_cache_up", "1 while the cache node is healthy and its device works.",
      node.well() ? 1 : 0);
  set("hydra_cache_capacity_bytes", "Capacity of the cache node.", node.capacity_bytes);
  set("hydra_cache_used_bytes", "Bytes that the cache node holds.", node.load.used_bytes);
  set("hydra_cache_entries", "Windows of extents that the cache node holds.", node.load.shards);
  const object::CacheUse& use = node.cache;
  raise("hydra_cache_hits_total", "Reads that the cache node gave.", use.hits, labels);
  raise("hydra_cache_hit_bytes_total", "Bytes that the cache node gave.", use.hit_bytes, labels);
  raise("hydra_cache_misses_total", "Reads that the cache node was asked for in vain.", use.misses,
        labels);
  raise("hydra_cache_lapses_total", "Misses because the cache node was late, or failed.",
        use.lapses, labels);
  raise("hydra_cache_wrong_total", "Hits with other bytes than those that were asked for.",
        use.wrong, labels);
  raise("hydra_cache_fills_total", "Windows of extents that the cache node took.", use.filled,
        labels);
  raise("hydra_cache_dropped_total", "Windows not given to it: too many were, or it failed.",
        use.dropped, labels);
}

Task<std::string> exposition(const Sources& sources, metrics::Registry& registry,
                             GridMetrics& metrics, Loop& home) {
  const auto samples = co_await sample_workers(sources, home, home.after(kPatience));
  metrics.update(samples);
  bool complete = false;
  if (samples.front().taken) {
    if (const auto status = status_of(sources, samples, kExaminedRepairs)) {
      metrics.update(*status);
      const heal::HealStatus* const heal = heal_of(samples);
      if (heal != nullptr) metrics.update(*heal);
      metrics.update(durability_of(sources, *status, heal));
      complete = true;
    }
  }
  registry
      .gauge("hydra_status_known",
             "0 when the catalog could not be read: the grid's series are old.")
      .set(complete ? 1 : 0);
  co_return registry.exposition();
}

}  // namespace hydra::admin
