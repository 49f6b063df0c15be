#include "tests/simulation/settled_checks.h"

#include <fmt/format.h>

#include <bit>
#include <map>
#include <set>

#include "gateway/catalog/catalog_audit.h"
#include "tests/simulation/until_answered.h"

namespace hydra::gridsim {

namespace {

struct Check {
  GridWorld& world;
  const std::vector<std::string>& keys;
  bool safe_only;
  std::set<NodeId> sick;
  SettledCounts counts;
  std::map<ExtentId, catalog::Extent> extents;
  std::set<ExtentId> stored;  // under which names their shards lie

  void complain(std::string sentence) { world.model.violation("settled: " + std::move(sentence)); }
};

Task<void> abort_uploads(Check* check, Gateway::Worker& worker) {
  catalog::Catalog& catalog = worker.store.catalog();
  for (;;) {
    auto page = catalog.uploads(check->world.bucket(), {});
    if (!page) {
      check->complain("uploads cannot be listed: " + page.error().to_string());
      co_return;
    }
    for (const auto& upload : page->uploads) {
      const Status status = co_await until_answered(worker.loop, [&] {
        return catalog.abort_upload(worker.loop, upload.bucket, upload.key, upload.upload_id,
                                    worker.loop.wall_ms());
      });
      // An abort without a known end may have been made.
      if (!status && status.error().code != Code::kNoSuchUpload)
        check->complain("an upload cannot be aborted: " + status.error().to_string());
    }
    if (!page->truncated) co_return;
  }
}

Task<void> read_everything(Check* check, Gateway::Worker& worker) {
  ObjectClient reader(check->world.model, check->world.bucket(), 1,
                      fmt::format("reader {}", worker.loop.index()),
                      {.keys = check->keys, .calm = true});
  for (const std::string& key : check->keys) {
    const std::string error = co_await reader.get(worker, key);
    if (!error.empty() && !check->safe_only) check->complain(error);
  }
  const std::string error = co_await reader.list(worker);
  if (!error.empty()) check->complain(error);
}

// All of the body's extents, also those that the slice does not touch.
void collect_extents_of(Check& check, catalog::Catalog& catalog, const catalog::ReadPlan::Run& run,
                        const std::string& what) {
  for (const auto& piece : run.pieces) {
    if (piece.hole()) continue;
    auto extent = catalog.extent(piece.extent);
    if (!extent) {
      check.complain("no row for an extent of " + what);
      continue;
    }
    check.stored.insert(extent->stored_as);
    check.extents.emplace(piece.extent, std::move(*extent));
  }
}

void collect_extents(Check& check, catalog::Catalog& catalog) {
  check.extents.clear();
  check.stored.clear();
  check.counts.objects = 0;
  for (const std::string& key : check.keys) {
    const auto found =
        catalog.object_and_plan(check.world.bucket(), key, [](const catalog::Version& version) {
          return std::optional(std::pair<std::uint64_t, std::uint64_t>(0, version.bytes));
        });
    if (!found) continue;
    ++check.counts.objects;
    for (const auto& run : found->second.runs) collect_extents_of(check, catalog, run, key);
  }
  // The journal's snapshots are bodies, too.
  if (const auto snapshots = catalog.snapshots())
    for (const auto& row : *snapshots)
      if (const auto plan = catalog.plan({&row.slice, 1}, 0, row.plain_bytes))
        for (const auto& run : plan->runs)
          collect_extents_of(check, catalog, run, "a snapshot of the catalog");
  check.counts.extents = check.extents.size();
}

Task<void> check_shards_of(Check* check, Gateway::Worker& worker, const catalog::Extent& extent,
                           std::vector<std::string>* faults) {
  const ExtentId& id = extent.id;
  // A sick device may have lost since what it had acknowledged; the inventory then says so.
  std::size_t durable = 0;
  for (std::size_t i = 0; i < extent.nodes.size(); ++i)
    durable += (extent.missing >> i & 1) == 0 || check->sick.contains(extent.nodes[i]);
  check->counts.missing += std::popcount(extent.missing);
  if (durable < erasure::write_quorum(extent.profile))
    faults->push_back("extent " + id.to_string() + " was acknowledged below its quorum");
  if (extent.profile.m != extent.wanted.m)
    faults->push_back("extent " + id.to_string() + " has less parity than wanted");
  if (std::set<NodeId>(extent.nodes.begin(), extent.nodes.end()).size() != extent.nodes.size())
    faults->push_back("extent " + id.to_string() + " has two shards on one node");
  const auto layout = erasure::Layout::of(extent.profile, extent.length);
  for (std::size_t i = 0; i < extent.nodes.size(); ++i) {
    if ((extent.missing >> i & 1) != 0 || check->sick.contains(extent.nodes[i])) continue;
    const ShardId shard = extent.shard(i);
    const std::string name =
        fmt::format("shard {} of extent {} on node {}", i, id.to_string(), extent.nodes[i]);
    const auto info = co_await until_answered(worker.loop, [&] {
      return worker.grid.info(extent.nodes[i], shard, worker.loop.after(30 * kSecond));
    });
    if (!info) {
      faults->push_back(name + " is recorded, but: " + info.error().to_string());
      continue;
    }
    if (info->shard_bytes != layout->shard_bytes()) faults->push_back(name + " has a wrong size");
    const Status whole = co_await until_answered(worker.loop, [&] {
      return worker.grid.verify(extent.nodes[i], shard, worker.loop.after(30 * kSecond));
    });
    if (!whole) faults->push_back(name + " is not whole: " + whole.error().to_string());
    ++check->counts.shards;
  }
}

// The healer goes on meanwhile: what is said of a row holds only if that is still the row.
bool has_moved(catalog::Catalog& catalog, const catalog::Extent& seen) {
  const auto now = catalog.extent(seen.id);
  return !now || now->nodes != seen.nodes || now->stored_as != seen.stored_as ||
         now->missing != seen.missing;
}

Task<void> check_shards(Check* check, Gateway::Worker& worker) {
  catalog::Catalog& catalog = worker.store.catalog();
  constexpr int kLooks = 20;
  for (const auto& [id, seen] : check->extents) {
    catalog::Extent extent = seen;
    std::vector<std::string> faults;
    for (int looks = 0; looks < kLooks; ++looks) {
      faults.clear();
      co_await check_shards_of(check, worker, extent, &faults);
      if (faults.empty() || !has_moved(catalog, extent)) break;
      auto now = catalog.extent(id);
      if (!now) break;  // a snapshot that was released
      extent = std::move(*now);
    }
    for (std::string& fault : faults) check->complain(std::move(fault));
  }
}

// Shards that no live extent owns: what crashes of the gateway left behind.
Task<void> count_orphans(Check* check, Gateway::Worker& worker) {
  for (const auto& node : worker.grid.nodes()) {
    std::optional<ShardId> after;
    for (;;) {
      const auto page = co_await until_answered(worker.loop, [&] {
        return worker.grid.list(node.id, after, 500, worker.loop.after(30 * kSecond));
      });
      if (!page) {
        if (!check->sick.contains(node.id))
          check->complain("a node does not list its shards: " + page.error().to_string());
        break;
      }
      if (page->empty()) break;
      for (const auto& info : *page) {
        if (after && info.id <= *after) check->complain("a node lists its shards out of order");
        after = info.id;
        check->counts.orphans +=
            !check->stored.contains(info.id.extent) && !is_reserved(info.id.extent);
      }
    }
  }
}

void check_counters(Check& check, catalog::Catalog& catalog) {
  collect_extents(check, catalog);  // a snapshot of the catalog may have been made since
  const auto store = check.world.open_catalog_rows();
  const auto snapshot = store->snapshot();
  for (const std::string& fault : catalog::audit(**snapshot)) check.complain("audit: " + fault);
  const auto totals = catalog.totals();
  if (!totals) return check.complain("no totals: " + totals.error().to_string());
  if (totals->objects != check.counts.objects || totals->extents != check.counts.extents ||
      totals->uploads != 0 || (totals->dead_extents != 0 && check.world.sick().empty()))
    check.complain(fmt::format(
        "totals say {} objects, {} extents, {} uploads, {} dead extents; a walk finds {} and {}",
        totals->objects, totals->extents, totals->uploads, totals->dead_extents,
        check.counts.objects, check.counts.extents));
}

}  // namespace

SettledCounts check_settled(GridWorld& world, const std::vector<std::string>& keys,
                            bool safe_only) {
  Check check{world, keys, safe_only, {}, {}, {}, {}};
  for (const std::size_t index : world.sick()) check.sick.insert(world.node_id(index));
  catalog::Catalog& catalog = world.gateway()->catalog();
  const auto run = [&](std::size_t worker, Task<void> (*what)(Check*, Gateway::Worker&),
                       const char* name) {
    const auto make = [&](Gateway::Worker& target) { return what(&check, target); };
    if (!world.run_on_worker(worker, make) && !world.model.failed())
      check.complain(std::string(name) + " does not end");
    return !world.model.failed();
  };
  if (!run(0, abort_uploads, "aborting uploads")) return check.counts;
  // Nothing of what is looked at below may be trimmed or compacted meanwhile. Where an agent is
  // sick that may have to wait for ever.
  (void)world.run_until(
      [&] {
        const auto totals = catalog.totals();
        return totals && totals->trims + totals->half_dead == 0;
      },
      120 * kSecond);
  for (std::size_t i = 0; i < world.gateway()->workers().size(); ++i)
    if (!run(i, read_everything, "reading everything")) return check.counts;
  collect_extents(check, catalog);
  if (!safe_only && !run(0, check_shards, "looking at the shards")) return check.counts;
  // A sick agent may never come back, and what it holds cannot be freed.
  const bool collected = !world.sick().empty() || world.run_until([&] {
    const auto totals = catalog.totals();
    return totals && totals->dead_extents == 0;
  });
  if (!collected && !world.model.failed()) check.complain("dead extents are not collected");
  check_counters(check, catalog);
  run(0, count_orphans, "counting orphans");
  return check.counts;
}

}  // namespace hydra::gridsim
