#include "gateway/heal/needs.h"

#include <algorithm>
#include <bit>

namespace hydra::heal {

namespace {

// Of k+m, so many may be lost and the rest still waits for the delay: with 4+2 one, not two.
int urgent_spare(erasure::Profile profile) { return std::max(0, profile.m - 2); }

struct Losses {
  std::uint32_t gone = 0;      // nobody expects them back
  std::uint32_t fenced = 0;    // to be rebuilt elsewhere, but perhaps still readable
  std::uint32_t waiting = 0;   // their nodes are down, not overdue
  std::uint32_t draining = 0;  // not lost
};

Losses sort_losses(const catalog::Extent& extent, const Facts& facts) {
  Losses losses;
  for (std::size_t i = 0; i < extent.nodes.size(); ++i) {
    const std::uint32_t bit = 1u << i;
    // A number that is not in the roster says nothing (invariant 5).
    const auto found = facts.nodes.find(extent.nodes[i]);
    const NodeFacts node = found == facts.nodes.end() ? NodeFacts() : found->second;
    if (extent.lacks(i) || node.presence == Presence::kRemoved ||
        node.presence == Presence::kOverdue)
      losses.gone |= bit;
    else if (node.presence == Presence::kDown)
      losses.waiting |= bit;
    else if (node.fenced)
      losses.fenced |= bit;
    else if (node.draining)
      losses.draining |= bit;
  }
  return losses;
}

// Shards that are not on the nodes of their arc's row change places with nodes of the row that hold
// none.
void plan_rebalance(const catalog::Extent& extent, const Facts& facts, Needs& out) {
  if (facts.placement == nullptr) return;
  const auto row = facts.placement->ring.nodes(extent.profile, placement::arc_of(extent.id.view()));
  if (row.size() != extent.nodes.size()) return;
  std::vector<NodeId> open;
  for (const NodeId node : row)
    if (std::ranges::find(extent.nodes, node) == extent.nodes.end() && facts.takes(node))
      open.push_back(node);
  for (std::size_t i = 0; i < extent.nodes.size() && !open.empty(); ++i) {
    if (std::ranges::find(row, extent.nodes[i]) != row.end()) continue;
    auto target = std::ranges::find(open, row[i]);
    if (target == open.end()) target = open.begin();
    out.targets.resize(extent.nodes.size());
    out.targets[i] = *target;
    out.move |= 1u << i;
    open.erase(target);
  }
  if (out.move != 0) out.rank = catalog::kRankRebalance;
}

}  // namespace

bool Facts::takes(NodeId node) const {
  const auto found = nodes.find(node);
  return found != nodes.end() && found->second.takes;
}

std::size_t Facts::takers() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(nodes, [](const auto& node) { return node.second.takes; }));
}

erasure::Profile Facts::wanted_for(std::uint32_t length) const {
  erasure::Profile wanted = profile;
  if (length <= small_bytes) wanted.k = 1;
  return wanted;
}

Needs needs(const catalog::Extent& extent, const Facts& facts, Wishes wishes) {
  Needs out;
  const Losses losses = sort_losses(extent, facts);
  out.lost = losses.gone | losses.fenced | losses.waiting;
  out.spare = extent.profile.m - std::popcount(out.lost);
  out.rebuild = losses.gone;
  if (out.spare <= urgent_spare(extent.profile)) out.rebuild |= losses.waiting;
  out.move = losses.fenced | losses.draining;
  out.compact = extent.half_dead();
  if (out.rebuild != 0 || losses.fenced != 0)
    out.rank = static_cast<catalog::Rank>(std::max(out.spare, 0));

  const erasure::Profile today = wishes.reprofile ? facts.wanted_for(extent.length) : extent.wanted;
  if (today != extent.profile && facts.takers() >= static_cast<std::size_t>(today.shards())) {
    out.reencode = today;
    out.rank = std::min(out.rank,
                        today == extent.wanted ? catalog::kRankReencode : catalog::kRankReprofile);
    return out;
  }
  if (out.rank == catalog::kNoRank && losses.draining != 0) out.rank = catalog::kRankDrain;
  if (out.rank == catalog::kNoRank && out.compact) out.rank = catalog::kRankCompact;
  if (out.rank == catalog::kNoRank && wishes.rebalance && out.lost == 0)
    plan_rebalance(extent, facts, out);
  return out;
}

}  // namespace hydra::heal
