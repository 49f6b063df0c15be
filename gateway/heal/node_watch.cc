#include "gateway/heal/node_watch.h"

#include <algorithm>

namespace hydra::heal {

namespace {
// A node with less room than this share of its capacity takes no shards of others.
constexpr std::uint64_t kHeadroomShare = 50;

// What needs() makes of a node does not change while it is here or only away.
bool same_meaning(const NodeFacts& a, const NodeFacts& b) {
  const auto calm = [](Presence p) { return p == Presence::kAway ? Presence::kHere : p; };
  return calm(a.presence) == calm(b.presence) && a.fenced == b.fenced && a.draining == b.draining &&
         (a.takes == b.takes || a.presence != b.presence);
}
}  // namespace

Presence NodeWatch::presence(NodeId node, bool here, Nanos now) {
  const auto [known, fresh] =
      here_.try_emplace(node, std::max(now, started_ + times_.start_patience));
  if (here) {
    known->second = now;
    return Presence::kHere;
  }
  const Nanos away = now - known->second;
  if (away < times_.down_after) return Presence::kAway;
  const Nanos overdue = known->second + times_.down_after + times_.delay;
  if (now >= overdue) return Presence::kOverdue;
  next_overdue_.at = std::min(next_overdue_.at, overdue);
  return Presence::kDown;
}

void NodeWatch::update(Nanos now, const std::vector<catalog::NodeRow>& roster,
                       const std::vector<agent::NodeView>& views,
                       const placement::ClusterMap* map) {
  next_overdue_ = Deadline::never();
  std::map<NodeId, NodeFacts> facts;
  for (const auto& row : roster) {
    if (row.role != agent::NodeRole::kStorage) continue;  // it holds nothing that counts
    const auto view = std::ranges::find(views, row.id, &agent::NodeView::id);
    const bool known = view != views.end();
    const bool here = known && view->state == agent::NodeState::kHealthy;
    NodeFacts& node = facts[row.id];
    node.presence = row.removed ? Presence::kRemoved : presence(row.id, here, now);
    node.fenced = known && view->load.fenced;
    node.draining = row.draining;
    const placement::Node* placed = map == nullptr ? nullptr : map->find(row.id);
    node.takes = node.presence == Presence::kHere && !node.fenced && placed != nullptr &&
                 placed->share() > 0 && view->load.free_bytes > row.capacity_bytes / kHeadroomShare;
  }
  const bool same = std::ranges::equal(facts, facts_, [](const auto& a, const auto& b) {
    return a.first == b.first && same_meaning(a.second, b.second);
  });
  facts_ = std::move(facts);
  turns_ += !same;
}

}  // namespace hydra::heal
