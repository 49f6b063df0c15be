// Ring: the placement table of one epoch. For each profile it maps each of 4096 arcs to an ordered
// row of nodes; the node at position i is the first choice for shard i of the extents on that arc.
// Immutable; any thread. ring_format.h keeps it on disk, choose.h places an extent with it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "erasure/profile.h"
#include "placement/cluster_map.h"

namespace hydra::placement {

constexpr std::uint32_t kArcBits = 12;
constexpr std::uint32_t kArcs = 1u << kArcBits;

// The arc of an extent: the top 12 bits of XXH3-64 of its id.
std::uint32_t arc_of(ByteView extent_id);

// One profile's table: rows of `width` distinct nodes. The width is k+m, or the number of nodes
// when there are fewer.
struct RingTable {
  erasure::Profile profile;
  std::uint8_t width = 0;
  std::vector<NodeId> slots;  // kArcs rows of `width`

  std::span<const NodeId> row(std::uint32_t arc) const {
    return std::span(slots).subspan(std::size_t{arc} * width, width);
  }
  bool operator==(const RingTable&) const = default;
};

class Ring {
 public:
  // The tables in the order of their profiles, none twice; every node of theirs is in the roster.
  Ring(std::uint64_t epoch, ClusterMap roster, std::vector<RingTable> tables);

  std::uint64_t epoch() const { return epoch_; }
  // The nodes as they were when the epoch was made.
  const ClusterMap& roster() const { return roster_; }
  std::span<const RingTable> tables() const { return tables_; }

  const RingTable* find(erasure::Profile profile) const;
  // The arc's row; empty when this epoch has no table for the profile.
  std::span<const NodeId> nodes(erasure::Profile profile, std::uint32_t arc) const;

  bool operator==(const Ring&) const = default;

 private:
  std::uint64_t epoch_;
  ClusterMap roster_;
  std::vector<RingTable> tables_;
};

// Makes the table of an epoch. Rows hold distinct nodes; no zone holds more than m of a row where
// the zones allow it, else as few as they allow; nodes carry slots in proportion to share(), as far
// as that leaves room. Slots move from those of `previous` (may be null) only where one of these
// asks for it. Nodes without share take no slots. Deterministic. Asserts that the profiles are
// valid; duplicates among them are ignored.
Ring build_ring(const ClusterMap& map, std::span<const erasure::Profile> profiles,
                const Ring* previous, std::uint64_t epoch);

// How many slots of the table differ from the previous one's: the shards that a move to it would
// copy, as a share of all slots. 1 when there is nothing to compare.
double moved_share(const RingTable& from, const RingTable& to);

}  // namespace hydra::placement
