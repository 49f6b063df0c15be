#include "gateway/heal/read_repair.h"

#include <bit>

#include "base/log.h"

namespace hydra::heal {

namespace {
constexpr Nanos kInterval = kSecond;
constexpr Nanos kFreeTimeout = 30 * kSecond;
}  // namespace

Task<void> ReadRepair::run(ReadRepair* self) {
  for (;;) {
    co_await sleep_for(self->loop_, kInterval);
    const auto news = co_await self->work();
    if (!news)
      log::warning("what readers found broken could not be recorded: {}", news.error().to_string());
    else if (*news > 0)
      log::warning("readers found {} broken shards; they will be rebuilt", *news);
  }
}

Task<Result<std::size_t>> ReadRepair::work() {
  std::vector<catalog::ShardReport> shards;
  for (const auto& report : broken_.take()) {
    if (report.breakage == Breakage::kWrong) {
      const Status freed = co_await free_wrong(report.shard);
      if (!freed) {
        log::warning("a wrong shard could not be freed: {}", freed.error().to_string());
        continue;  // readers will find it again
      }
    }
    shards.push_back(report.shard);
  }
  if (shards.empty()) co_return std::size_t{0};
  HYDRA_CO_TRY(const std::size_t news, co_await catalog_.report_missing(loop_, std::move(shards)));
  found_ += news;
  co_return news;
}

// Before it is reported: whoever then looks whether it is there after all must not find it.
Task<Status> ReadRepair::free_wrong(catalog::ShardReport wrong) {
  const std::uint8_t index = wrong.shard.index;
  HYDRA_CO_TRY(const auto owners, catalog_.owners({&wrong.shard.extent, 1}));
  const auto& owner = owners.front();
  // It may have been rebuilt already.
  if (!owner || index >= owner->nodes.size() || owner->nodes[index] != wrong.node ||
      owner->lacks(index))
    co_return Status();
  const int others = owner->profile.shards() - 1 - std::popcount(owner->missing);
  if (others < owner->profile.k)
    co_return fail(Code::kUnavailable, "too few other shards of extent " + owner->id.to_string());
  co_return co_await grid_.free(wrong.node, {wrong.shard}, loop_.after(kFreeTimeout));
}

}  // namespace hydra::heal
