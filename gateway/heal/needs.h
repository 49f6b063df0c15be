// needs(): what an extent needs, from its row and what is known of the nodes. The healer's whole
// judgement, as a pure function; any thread.
//
// A shard is lost when the catalog says that it is missing, or its node is down, removed or fenced.
// Loss by a node that is only down waits for the node to come back, until it is overdue, unless too
// few further losses could be survived (Facts::nodes says who is overdue, needs() the rest). Moves
// come after all repair: off a node that is drained, onto the nodes that the ring wants, into
// another profile. An extent that is half dead is not repaired or moved but compacted, whatever
// else it needs: what lives is written anew, which puts all of that right and is less to write.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "gateway/catalog/rows.h"
#include "placement/board.h"

namespace hydra::heal {

enum class Presence : std::uint8_t {
  kHere,     // linked and heard of lately
  kAway,     // not just now; too early to say more
  kDown,     // for long enough to count what it holds as lost
  kOverdue,  // down for longer than the delay before rebuilding
  kRemoved,  // by an operator: it does not come back
};

struct NodeFacts {
  Presence presence = Presence::kAway;
  bool fenced = false;    // its device refused a sync: reads may work, writes do not
  bool draining = false;  // to be emptied
  bool takes = false;     // new shards, now
  bool operator==(const NodeFacts&) const = default;
};

struct Facts {
  std::map<NodeId, NodeFacts> nodes;
  std::shared_ptr<const placement::PlacementView> placement;  // null before the first ring
  erasure::Profile profile{4, 2};                             // of new extents
  std::uint64_t small_bytes = 0;                              // up to which they are replicated

  bool takes(NodeId node) const;
  std::size_t takers() const;
  // The profile that an extent of this length would be wanted in today.
  erasure::Profile wanted_for(std::uint32_t length) const;
};

// Work that is done only when somebody asked for it.
struct Wishes {
  bool rebalance = false;
  bool reprofile = false;
};

struct Needs {
  catalog::Rank rank = catalog::kNoRank;  // kNoRank: nothing to be done now
  int spare = 0;                          // how many more shards may be lost; negative: unreadable
  std::uint32_t lost = 0;                 // bit i: shard i is lost
  std::uint32_t rebuild = 0;              // of these, those whose time has come
  std::uint32_t move = 0;                 // may be read where they are, but must not stay
  std::vector<NodeId> targets;            // where the ring wants shard i; 0: anywhere
  // Write all of it anew, in this profile, instead.
  std::optional<erasure::Profile> reencode;
  bool compact = false;  // write what lives of it anew, instead of all else
};

Needs needs(const catalog::Extent& extent, const Facts& facts, Wishes wishes);

}  // namespace hydra::heal
