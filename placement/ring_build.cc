// The ring's optimiser. A table is a bipartite flow: nodes offer their quota of slots, rows take
// `width` of distinct nodes, and zones are limited within each row. A greedy pass gives most
// surplus slots to nodes that lack some; what then is stuck is moved along shortest augmenting
// paths. Slots that need not move are never touched.
#include <algorithm>
#include <bitset>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "base/assert.h"
#include "placement/hash.h"
#include "placement/quota.h"
#include "placement/ring.h"

namespace hydra::placement {
namespace {

using ArcSet = std::bitset<kArcs>;
using Holder = std::uint32_t;  // index into the candidates; their count stands for "empty slot"

// The nodes that may hold slots, with dense zone numbers.
struct Candidates {
  std::vector<NodeId> ids;
  std::vector<QuotaNode> nodes;
  std::uint32_t zones = 0;
};

Candidates candidates_of(const ClusterMap& map) {
  Candidates candidates;
  std::map<std::string_view, std::uint32_t> zones;
  for (const Node& node : map.nodes()) {
    if (!(node.share() > 0)) continue;
    const auto next = static_cast<std::uint32_t>(zones.size());
    const std::uint32_t zone = zones.try_emplace(node.zone, next).first->second;
    candidates.ids.push_back(node.id);
    candidates.nodes.push_back({node.share(), zone});
  }
  candidates.zones = static_cast<std::uint32_t>(zones.size());
  return candidates;
}

// A table under construction. Always valid: rows hold distinct nodes within the zone limit, or
// empty slots.
class Draft {
 public:
  Draft(const Candidates& candidates, erasure::Profile profile)
      : candidates_(candidates),
        profile_(profile),
        empty_(static_cast<Holder>(candidates.ids.size())),
        width_(std::min<std::uint32_t>(static_cast<std::uint32_t>(profile.shards()), empty_)),
        limit_(zone_limit(candidates.nodes, width_, profile.m)),
        quota_(slot_quotas(candidates.nodes, kArcs, width_, limit_)),
        held_(candidates.ids.size() + 1),
        full_(candidates.zones),
        zone_held_(candidates.zones, std::vector<std::uint8_t>(kArcs)),
        empties_(kArcs, static_cast<std::uint8_t>(width_)),
        load_(candidates.ids.size() + 1),
        slots_(std::size_t{kArcs} * width_, empty_) {
    quota_.push_back(0);
    held_[empty_].set();
    load_[empty_] = kArcs * width_;
  }

  void keep_from(const RingTable& previous);
  void spread();
  void settle();
  void fill_rest();
  RingTable table() const;

 private:
  Holder& slot(std::uint32_t arc, std::uint32_t position) {
    return slots_[std::size_t{arc} * width_ + position];
  }
  bool has_surplus(Holder holder) const { return load_[holder] > quota_[holder]; }
  bool lacks(Holder holder) const { return load_[holder] < quota_[holder]; }
  std::uint32_t zone_of(Holder holder) const { return candidates_.nodes[holder].zone; }
  std::uint64_t salt() const { return std::uint64_t{profile_.k} << 8 | profile_.m; }

  // The arcs on which `to` may take the place of `from`.
  ArcSet arcs_for(Holder from, Holder to) const;
  void replace(std::uint32_t arc, std::uint32_t position, Holder to);
  void replace_on_some_arc(Holder from, Holder to, const ArcSet& arcs);
  void spread_arc(std::uint32_t arc);
  std::optional<Holder> neediest_for(std::uint32_t arc, Holder from) const;
  std::vector<Holder> path_from(Holder from) const;

  const Candidates& candidates_;
  const erasure::Profile profile_;
  const Holder empty_;
  const std::uint32_t width_;
  const std::uint32_t limit_;  // of a zone in a row
  std::vector<std::uint32_t> quota_;
  std::vector<ArcSet> held_;                          // by holder: the arcs it holds a slot of
  std::vector<ArcSet> full_;                          // by zone: the arcs where it is at its limit
  std::vector<std::vector<std::uint8_t>> zone_held_;  // by zone and arc
  std::vector<std::uint8_t> empties_;                 // by arc
  std::vector<std::uint32_t> load_;                   // by holder
  std::vector<Holder> slots_;
};

ArcSet Draft::arcs_for(Holder from, Holder to) const {
  ArcSet arcs = held_[from] & ~held_[to];
  if (from == empty_ || zone_of(from) != zone_of(to)) arcs &= ~full_[zone_of(to)];
  return arcs;
}

void Draft::replace(std::uint32_t arc, std::uint32_t position, Holder to) {
  Holder& held = slot(arc, position);
  const auto count = [&](Holder holder, int change) {
    load_[holder] += static_cast<std::uint32_t>(change);
    if (holder == empty_) {
      empties_[arc] = static_cast<std::uint8_t>(empties_[arc] + change);
      held_[holder][arc] = empties_[arc] > 0;
      return;
    }
    held_[holder][arc] = change > 0;
    std::uint8_t& in_zone = zone_held_[zone_of(holder)][arc];
    in_zone = static_cast<std::uint8_t>(in_zone + change);
    full_[zone_of(holder)][arc] = in_zone >= limit_;
  };
  count(held, -1);
  count(to, +1);
  held = to;
}

// Takes over what the previous epoch has and this one allows, each slot at its position if the
// width is the same.
void Draft::keep_from(const RingTable& previous) {
  for (std::uint32_t arc = 0; arc < kArcs; ++arc) {
    std::uint32_t next = 0;
    for (std::uint32_t from = 0; from < previous.width; ++from) {
      const std::uint32_t position = previous.width == width_ ? from : next;
      const NodeId id = previous.row(arc)[from];
      const auto found = std::lower_bound(candidates_.ids.begin(), candidates_.ids.end(), id);
      if (found == candidates_.ids.end() || *found != id || position >= width_) continue;
      const auto holder = static_cast<Holder>(found - candidates_.ids.begin());
      if (held_[holder][arc] || full_[zone_of(holder)][arc]) continue;
      replace(arc, position, holder);
      ++next;
    }
  }
}

// The node that may take a slot of `from` on the arc, drawn at random with its lack as its chance.
std::optional<Holder> Draft::neediest_for(std::uint32_t arc, Holder from) const {
  std::optional<Holder> best;
  double best_score = 0;
  for (Holder to = 0; to < empty_; ++to) {
    if (!lacks(to) || held_[to][arc]) continue;
    const bool same_zone = from != empty_ && zone_of(from) == zone_of(to);
    if (full_[zone_of(to)][arc] && !same_zone) continue;
    const double lack = quota_[to] - load_[to];
    const double score = rendezvous_score(salt(), arc, candidates_.ids[to], lack);
    if (best && score >= best_score) continue;
    best = to;
    best_score = score;
  }
  return best;
}

void Draft::spread_arc(std::uint32_t arc) {
  // The positions in a random order, those of nodes with much surplus rather first.
  std::vector<std::pair<double, std::uint32_t>> order;
  for (std::uint32_t position = 0; position < width_; ++position) {
    const Holder holder = slot(arc, position);
    if (!has_surplus(holder)) continue;
    const double surplus = load_[holder] - quota_[holder];
    const auto draw = static_cast<NodeId>(position + 1);
    order.emplace_back(rendezvous_score(salt() + 1, arc, draw, surplus), position);
  }
  std::sort(order.begin(), order.end());
  for (const auto& [score, position] : order) {
    const Holder holder = slot(arc, position);
    if (!has_surplus(holder)) continue;
    if (const auto to = neediest_for(arc, holder)) replace(arc, position, *to);
  }
}

// One pass over the arcs in a random order.
void Draft::spread() {
  std::vector<std::pair<double, std::uint32_t>> order;
  for (std::uint32_t arc = 0; arc < kArcs; ++arc)
    order.emplace_back(rendezvous_score(salt() + 2, arc, NodeId{1}, 1.0), arc);
  std::sort(order.begin(), order.end());
  for (const auto& [score, arc] : order) spread_arc(arc);
}

// A shortest chain of holders from `from` to one that lacks slots, each of which may be replaced by
// the next.
std::vector<Holder> Draft::path_from(Holder from) const {
  std::vector<std::optional<Holder>> reached_from(empty_ + 1);
  std::vector<Holder> queue = {from};
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (Holder to = 0; to < empty_; ++to) {
      if (to == from || reached_from[to] || arcs_for(queue[i], to).none()) continue;
      reached_from[to] = queue[i];
      queue.push_back(to);
      if (!lacks(to)) continue;
      std::vector<Holder> path = {to};
      while (path.back() != from) path.push_back(*reached_from[path.back()]);
      std::reverse(path.begin(), path.end());
      return path;
    }
  }
  return {};
}

void Draft::replace_on_some_arc(Holder from, Holder to, const ArcSet& arcs) {
  // Start the search at an arc of their own, so that the moves are spread.
  const NodeId id = from == empty_ ? kNoNode : candidates_.ids[from];
  const double draw = rendezvous_score(salt() + 3, id, candidates_.ids[to], 1.0);
  auto arc = static_cast<std::uint32_t>(draw * kArcs) % kArcs;
  while (!arcs[arc]) arc = (arc + 1) % kArcs;
  std::uint32_t position = 0;
  while (slot(arc, position) != from) ++position;
  replace(arc, position, to);
}

// Moves what is left over along augmenting paths. Each step is valid by itself, so the table is
// valid wherever this stops; the bound only guards against going round in circles, where a few
// slots of imbalance would remain.
void Draft::settle() {
  std::size_t budget = 4 * slots_.size();
  for (Holder from = empty_ + 1; from-- > 0;) {
    while (has_surplus(from) && budget > 0) {
      const std::vector<Holder> path = path_from(from);
      if (path.empty()) break;
      for (std::size_t i = path.size() - 1; i > 0 && budget > 0; --i, --budget) {
        const ArcSet arcs = arcs_for(path[i - 1], path[i]);
        if (arcs.none()) break;  // a step before took the place
        replace_on_some_arc(path[i - 1], path[i], arcs);
      }
    }
  }
}

// Gives each slot that is still empty to the node with the least load for its quota; only
// distinctness and the zone limit count then. Such a node exists by the choice of the limit.
void Draft::fill_rest() {
  for (std::uint32_t arc = 0; arc < kArcs && load_[empty_] > 0; ++arc) {
    for (std::uint32_t position = 0; position < width_; ++position) {
      if (slot(arc, position) != empty_) continue;
      std::optional<Holder> best;
      const auto excess = [&](Holder holder) { return double(load_[holder]) - quota_[holder]; };
      for (Holder to = 0; to < empty_; ++to) {
        if (held_[to][arc] || full_[zone_of(to)][arc]) continue;
        if (!best || excess(to) < excess(*best)) best = to;
      }
      HYDRA_ASSERT(best.has_value());
      replace(arc, position, *best);
    }
  }
}

RingTable Draft::table() const {
  RingTable table{profile_, static_cast<std::uint8_t>(width_), {}};
  table.slots.reserve(slots_.size());
  for (const Holder holder : slots_) table.slots.push_back(candidates_.ids[holder]);
  return table;
}

}  // namespace

Ring build_ring(const ClusterMap& map, std::span<const erasure::Profile> profiles,
                const Ring* previous, std::uint64_t epoch) {
  std::vector<erasure::Profile> wanted(profiles.begin(), profiles.end());
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  const Candidates candidates = candidates_of(map);
  std::vector<RingTable> tables;
  for (const erasure::Profile profile : wanted) {
    HYDRA_ASSERT(profile.valid());
    Draft draft(candidates, profile);
    const RingTable* old = previous == nullptr ? nullptr : previous->find(profile);
    if (old != nullptr) draft.keep_from(*old);
    draft.spread();
    draft.settle();
    draft.fill_rest();
    tables.push_back(draft.table());
  }
  return Ring(epoch, map, std::move(tables));
}

}  // namespace hydra::placement
