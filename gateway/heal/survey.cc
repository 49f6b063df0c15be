#include "gateway/heal/survey.h"

#include <algorithm>
#include <set>

#include "erasure/layout.h"
#include "gateway/catalog/ledger.h"

namespace hydra::heal {

namespace {

void count(Census& census, const catalog::Extent& extent, const Needs& found) {
  census.all.extents += 1;
  census.all.bytes += extent.length;
  census.smallest_spare = std::min(census.smallest_spare.value_or(found.spare), found.spare);
  if (found.lost != 0) {
    census.lossy[found.spare].extents += 1;
    census.lossy[found.spare].bytes += extent.length;
    if (found.rank >= catalog::kRankReencode) {
      census.waiting.extents += 1;
      census.waiting.bytes += extent.length;
    }
  }
  const auto layout = erasure::Layout::of(extent.profile, extent.length);
  for (std::size_t i = 0; layout && i < extent.nodes.size(); ++i) {
    if (extent.lacks(i)) continue;
    Census::Held& held = census.nodes[extent.nodes[i]];
    held.shards += 1;
    held.bytes += layout->shard_bytes();
  }
}

// Extents of the catalog's snapshots. A root outside of the catalog names their shards, so they
// keep their names and are not rewritten; the next snapshot comes in today's profile by itself.
Result<std::set<ExtentId>> extents_of_snapshots(catalog::Catalog& catalog) {
  std::set<ExtentId> extents;
  HYDRA_TRY(const auto snapshots, catalog.snapshots());
  for (const auto& snapshot : snapshots) {
    HYDRA_TRY(const auto plan, catalog.plan({&snapshot.slice, 1}, 0, snapshot.plain_bytes));
    for (const auto& extent : plan.extents) extents.insert(extent.id);
  }
  return extents;
}

}  // namespace

Survey::Page Survey::look(catalog::Catalog& catalog, std::optional<ExtentId> after,
                          std::size_t limit, const Facts& facts, Wishes wishes, Census& census) {
  Page out;
  const auto page = catalog.walk_extents(after, limit);
  if (!page) {
    out.status = fail(page.error());
    return out;
  }
  const auto fixed =
      wishes.reprofile ? extents_of_snapshots(catalog) : Result<std::set<ExtentId>>();
  if (!fixed) {
    out.status = fail(fixed.error());
    return out;
  }
  for (const auto& [extent, rank] : page->items) {
    // What was asked for once stays asked for.
    const Needs found = needs(
        extent, facts,
        {wishes.rebalance || rank == catalog::kRankRebalance,
         (wishes.reprofile && !fixed->contains(extent.id)) || rank == catalog::kRankReprofile});
    count(census, extent, found);
    if (std::min(found.rank, catalog::own_rank(extent)) != rank)
      out.items.push_back({extent.id, found.rank});
  }
  out.next = page->next;
  return out;
}

Task<Result<Census>> Survey::walk(FactsNow facts_now, Wishes wishes) {
  // Shared with the thread that reads, which outlives this task when the loop is torn down.
  const auto census = std::make_shared<Census>();
  census->begun_ms = loop_.wall_ms();
  seen_ = 0;
  std::optional<ExtentId> after;
  for (;;) {
    const auto facts = facts_now();
    if (facts == nullptr) co_return fail(Code::kUnavailable, "the survey was ended");
    const Nanos begun = loop_.now();
    const auto page = std::make_shared<Page>();
    const auto done = std::make_shared<Event>(loop_);
    loop_.offload(
        [page, census, facts, wishes, after, catalog = &catalog_, limit = options_.page] {
          *page = look(*catalog, after, limit, *facts, wishes, *census);
        },
        [done] { done->set(); });
    co_await done->wait();
    HYDRA_CO_CHECK_OK(std::move(page->status));
    seen_ = census->all.extents;
    if (!page->items.empty())
      HYDRA_CO_CHECK_OK(co_await catalog_.enqueue(loop_, std::move(page->items)));
    if (!page->next) break;
    after = page->next;
    co_await sleep_for(loop_, std::max(options_.least_rest, options_.rest * (loop_.now() - begun)));
  }
  census->ended_ms = loop_.wall_ms();
  co_return std::move(*census);
}

}  // namespace hydra::heal
