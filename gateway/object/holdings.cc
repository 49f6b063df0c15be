#include "gateway/object/holdings.h"

#include "base/runtime/sync.h"

namespace hydra::object {

namespace {

constexpr std::size_t kPage = 256;

void count(const catalog::Extent& extent, NodeId node, const std::unordered_set<NodeId>& others,
           Holdings& holdings) {
  bool holds = false;
  int elsewhere = 0;
  for (std::size_t i = 0; i < extent.nodes.size(); ++i) {
    if ((extent.missing >> i & 1) != 0) continue;
    if (extent.nodes[i] == node)
      holds = true;
    else if (others.contains(extent.nodes[i]))
      ++elsewhere;
  }
  if (!holds) return;
  ++holdings.extents;
  holdings.bytes += extent.length / extent.profile.k;
  if (elsewhere < extent.profile.k) ++holdings.dependent;
}

}  // namespace

Task<Result<Holdings>> holdings_of(Loop& loop, catalog::Catalog& catalog, NodeId node,
                                   std::unordered_set<NodeId> others) {
  HYDRA_ASSERT(!others.contains(node));
  Holdings holdings;
  std::optional<ExtentId> after;
  for (;;) {
    HYDRA_CO_TRY(const auto page, catalog.walk_extents(after, kPage));
    for (const auto& item : page.items) count(item.extent, node, others, holdings);
    if (!page.next) co_return holdings;
    after = page.next;
    co_await yield(loop);
  }
}

}  // namespace hydra::object
