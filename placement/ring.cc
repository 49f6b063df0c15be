#include "placement/ring.h"

#include <algorithm>

#include "base/assert.h"
#include "placement/hash.h"

namespace hydra::placement {

std::uint32_t arc_of(ByteView extent_id) {
  return static_cast<std::uint32_t>(xxh3(extent_id) >> (64 - kArcBits));
}

Ring::Ring(std::uint64_t epoch, ClusterMap roster, std::vector<RingTable> tables)
    : epoch_(epoch), roster_(std::move(roster)), tables_(std::move(tables)) {
  for (const RingTable& table : tables_)
    HYDRA_ASSERT(table.slots.size() == std::size_t{kArcs} * table.width);
  HYDRA_ASSERT(std::is_sorted(tables_.begin(), tables_.end(),
                              [](const auto& a, const auto& b) { return a.profile < b.profile; }));
}

const RingTable* Ring::find(erasure::Profile profile) const {
  const auto at = std::find_if(tables_.begin(), tables_.end(),
                               [&](const RingTable& table) { return table.profile == profile; });
  return at == tables_.end() ? nullptr : &*at;
}

std::span<const NodeId> Ring::nodes(erasure::Profile profile, std::uint32_t arc) const {
  HYDRA_ASSERT(arc < kArcs);
  const RingTable* table = find(profile);
  return table == nullptr ? std::span<const NodeId>() : table->row(arc);
}

double moved_share(const RingTable& from, const RingTable& to) {
  if (from.width != to.width || to.slots.empty()) return 1.0;
  std::size_t moved = 0;
  for (std::size_t i = 0; i < to.slots.size(); ++i) moved += from.slots[i] != to.slots[i] ? 1 : 0;
  return static_cast<double>(moved) / static_cast<double>(to.slots.size());
}

}  // namespace hydra::placement
