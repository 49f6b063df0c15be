#include "gateway/heal/sweeper.h"

#include <algorithm>

#include "base/log.h"

namespace hydra::heal {

namespace {
constexpr Nanos kFreeTimeout = 30 * kSecond;
}  // namespace

Task<Result<Sweeper::Swept>> Sweeper::sweep(std::set<NodeId> removed, std::function<bool()> go_on) {
  Swept swept;
  HYDRA_CO_TRY(swept.extents, co_await sweep_dead(removed, go_on));
  HYDRA_CO_TRY(swept.strays, co_await sweep_strays(removed, go_on));
  if (options_.upload_expiry_ms > 0 && loop_.now() >= uploads_due_ && go_on()) {
    HYDRA_CO_TRY(swept.uploads, co_await abort_old_uploads());
    uploads_due_ = loop_.now() + options_.upload_interval;
  }
  HYDRA_CO_TRY(swept.trims, co_await trim_bodies(go_on));
  co_return swept;
}

Task<Result<std::set<NodeId>>> Sweeper::free(Shards shards) {
  std::set<NodeId> silent;
  if (shards.empty()) co_return silent;
  // That they are not wanted any more must not be forgotten with this machine once they are gone.
  HYDRA_CO_CHECK_OK(co_await catalog_.settled(loop_));
  for (auto& [node, list] : shards) {
    const Status freed = co_await grid_.free(node, std::move(list), loop_.after(kFreeTimeout));
    if (freed) continue;
    log::warning("node {} does not free shards: {}", node, freed.error().to_string());
    silent.insert(node);
  }
  co_return silent;
}

Task<Result<std::size_t>> Sweeper::sweep_dead(const std::set<NodeId>& removed,
                                              const std::function<bool()>& go_on) {
  std::size_t forgotten = 0;
  std::optional<catalog::DeadName> after;
  while (go_on()) {
    HYDRA_CO_TRY(auto dead,
                 catalog_.dead_extents(loop_.wall_ms() - options_.grace_ms, options_.batch, after));
    if (dead.empty()) break;
    const bool last = dead.size() < options_.batch;
    after = {dead.back().died_ms, dead.back().extent.id};
    std::erase_if(dead, [&](const catalog::DeadExtent& d) {
      return !std::ranges::all_of(d.extent.nodes, [&](NodeId node) {
        return removed.contains(node) || grid_.usable(node);
      });
    });
    Shards shards;
    for (const auto& d : dead)
      for (std::size_t i = 0; i < d.extent.nodes.size(); ++i)
        if (!removed.contains(d.extent.nodes[i]))
          shards[d.extent.nodes[i]].push_back(d.extent.shard(i));
    HYDRA_CO_TRY(const std::set<NodeId> silent, co_await free(std::move(shards)));
    std::vector<ExtentId> gone;
    for (const auto& d : dead)
      if (std::ranges::none_of(d.extent.nodes, [&](NodeId node) { return silent.contains(node); }))
        gone.push_back(d.extent.id);
    forgotten += gone.size();
    if (!gone.empty()) HYDRA_CO_CHECK_OK(co_await catalog_.forget_dead(loop_, std::move(gone)));
    if (last) break;
  }
  co_return forgotten;
}

Task<Result<std::size_t>> Sweeper::sweep_strays(const std::set<NodeId>& removed,
                                                const std::function<bool()>& go_on) {
  std::size_t forgotten = 0;
  std::optional<catalog::Stray> after;
  while (go_on()) {
    HYDRA_CO_TRY(auto strays, catalog_.strays(loop_.wall_ms(), options_.batch, after));
    if (strays.empty()) break;
    const bool last = strays.size() < options_.batch;
    after = strays.back();
    std::erase_if(strays, [&](const catalog::Stray& stray) {
      return !removed.contains(stray.node) && !grid_.usable(stray.node);
    });
    HYDRA_CO_TRY(const std::size_t freed, co_await free_strays(std::move(strays), removed));
    forgotten += freed;
    if (last) break;
  }
  co_return forgotten;
}

Task<Result<std::size_t>> Sweeper::free_strays(std::vector<catalog::Stray> strays,
                                               const std::set<NodeId>& removed) {
  std::vector<ExtentId> names;
  for (const auto& stray : strays) names.push_back(stray.shard.extent);
  HYDRA_CO_TRY(const auto owners, catalog_.owners(names));
  Shards shards;
  std::vector<catalog::Stray> done;
  std::vector<ExtentId> held;
  for (std::size_t i = 0; i < strays.size(); ++i) {
    const auto& stray = strays[i];
    const auto& owner = owners[i];
    if (owner && busy_.contains(owner->id)) continue;
    done.push_back(stray);
    // It may have moved back here meanwhile; then it is no stray.
    const bool expected = owner && stray.shard.index < owner->nodes.size() &&
                          owner->nodes[stray.shard.index] == stray.node;
    if (expected || removed.contains(stray.node)) continue;
    shards[stray.node].push_back(stray.shard);
    if (owner) held.push_back(owner->id);
  }
  for (const ExtentId& id : held) busy_.insert(id);
  const auto silent = co_await free(std::move(shards));
  for (const ExtentId& id : held) busy_.erase(id);
  if (!silent) co_return fail(silent.error());
  std::erase_if(done, [&](const catalog::Stray& stray) { return silent->contains(stray.node); });
  const std::size_t count = done.size();
  if (count > 0) HYDRA_CO_CHECK_OK(co_await catalog_.forget_strays(loop_, std::move(done)));
  co_return count;
}

Task<Result<std::size_t>> Sweeper::trim_bodies(const std::function<bool()>& go_on) {
  std::size_t count = 0;
  while (go_on()) {
    HYDRA_CO_TRY(const auto totals, catalog_.totals());
    if (totals.trims == 0) break;
    HYDRA_CO_TRY(const auto trimmed, co_await catalog_.trim_bodies(loop_, options_.trim_batch));
    count += trimmed.bodies;
    if (trimmed.bodies < options_.trim_batch) break;
  }
  co_return count;
}

Task<Result<std::size_t>> Sweeper::abort_old_uploads() {
  const std::int64_t before_ms = loop_.wall_ms() - options_.upload_expiry_ms;
  std::size_t aborted = 0;
  std::optional<catalog::Upload> after;
  for (;;) {
    HYDRA_CO_TRY(const auto page, catalog_.old_uploads(before_ms, options_.batch, after));
    for (const auto& upload : page.uploads) {
      const Status status = co_await catalog_.abort_upload(loop_, upload.bucket, upload.key,
                                                           upload.upload_id, loop_.wall_ms());
      if (!status && status.error().code != Code::kNoSuchUpload) co_return fail(status.error());
      aborted += status.has_value();
    }
    if (!page.next) break;
    after = page.next;
  }
  co_return aborted;
}

}  // namespace hydra::heal
