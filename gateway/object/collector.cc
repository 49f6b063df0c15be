#include "gateway/object/collector.h"

#include <algorithm>
#include <map>

#include "base/log.h"

namespace hydra::object {

Task<void> Collector::run(Collector* self) {
  for (;;) {
    co_await sleep_for(self->loop_, self->options_.interval);
    auto freed = co_await self->collect();
    if (!freed)
      log::warning("dead extents could not be collected: {}", freed.error().to_string());
    else if (*freed > 0)
      log::info("freed {} dead extents", *freed);
  }
}

Task<Result<std::size_t>> Collector::collect() {
  HYDRA_CO_TRY(auto dead,
               catalog_.dead_extents(loop_.wall_ms() - options_.grace_ms, options_.batch));
  std::erase_if(dead, [this](const catalog::DeadExtent& d) {
    return !std::all_of(d.extent.nodes.begin(), d.extent.nodes.end(),
                        [this](NodeId node) { return grid_.usable(node); });
  });
  if (dead.empty()) co_return std::size_t{0};
  // Their death must not be forgotten with this machine once their shards are gone.
  HYDRA_CO_CHECK_OK(co_await catalog_.settled(loop_));
  std::map<NodeId, std::vector<ShardId>> shards;
  for (const auto& d : dead)
    for (std::size_t i = 0; i < d.extent.nodes.size(); ++i)
      shards[d.extent.nodes[i]].push_back(d.extent.shard(i));
  for (auto& [node, list] : shards)
    HYDRA_CO_CHECK_OK(co_await grid_.free(node, std::move(list), loop_.after(30 * kSecond)));
  std::vector<ExtentId> gone;
  for (const auto& d : dead) gone.push_back(d.extent.id);
  const std::size_t count = gone.size();
  HYDRA_CO_CHECK_OK(co_await catalog_.forget_dead(loop_, std::move(gone)));
  co_return count;
}

}  // namespace hydra::object
