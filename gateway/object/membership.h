// Membership: who belongs to the grid, and the ring made from it.
//
// One instance a process, on its first loop. A node that joins gets its number from the catalog;
// when the roster has changed, a new epoch of the ring is made (off the loop, it takes a while),
// recorded in the catalog by compare-and-swap, and published to all workers. Losing a link changes
// nothing here, unless a node stays down for as long as the operator has said. Nodes that were
// removed and cache nodes are not placed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/runtime/sync.h"
#include "gateway/catalog/catalog.h"
#include "gateway/object/holdings.h"
#include "gateway/object/placement_view.h"
#include "nodeagent/client/grid.h"

namespace hydra::object {

constexpr Nanos kWatchInterval = 5 * kSecond;

struct MembershipOptions {
  // A node that was down for so long is removed from the grid, if that loses nothing; 0: never.
  Nanos evict_after = 0;
  // Whether something beside extents still rests on a node that takes no more, and would be lost
  // with it (the journal). Asking is the wish that it ends soon; remove() waits for that.
  std::function<bool(NodeId)> needed;
  // Called when a node has been removed: its links are to be cut.
  std::function<void(NodeId)> on_removed;
};

class Membership {
 public:
  // `profiles` are those the ring keeps tables for. `grid` is the first worker's.
  Membership(Loop& loop, catalog::Catalog& catalog, PlacementBoard& board, agent::Grid& grid,
             std::vector<erasure::Profile> profiles, MembershipOptions options = {});

  // Publishes what the catalog knows. Call once, before anything is placed.
  Status load();
  // A node has a link and says who it is: its number. The ring follows in a moment.
  // kUnauthenticated when it was removed from the grid.
  Task<Result<NodeId>> link(agent::NodeDescription node);
  // A device joins by a claim token (catalog::Catalog::claim_node): its number.
  Task<Result<NodeId>> claim(agent::ClaimId id, Sha256 hash, agent::NodeDescription node);
  // An operator changes a node (catalog::Catalog::set_node). The ring follows in a moment.
  Task<Result<catalog::NodeRow>> change(NodeId node, catalog::NodeChange change);
  // What the node holds, and what of it the nodes that are healthy now could not give.
  Task<Result<Holdings>> holdings(NodeId node);
  // Removes the node for good. kConflict when that would lose data: it still holds shards, or, if
  // it is `lost` (it must be down), there are extents that the other healthy nodes cannot give.
  Task<Result<catalog::NodeRow>> remove(NodeId node, bool lost);
  // Follows what heartbeats say of capacities, and evicts. Runs as long as its loop.
  static Task<void> watch(Membership* self);

 private:
  agent::NodeState state_of(NodeId node) const;
  Task<Status> watch_once();
  Task<Status> follow_capacity(const catalog::NodeRow& row, const agent::NodeView& view);
  Task<Status> evict_if_due(const catalog::NodeRow& row);
  Task<Status> check_removable(const catalog::NodeRow& row, bool lost);
  Task<Status> release(const catalog::NodeRow& row, bool lost);
  Task<Status> until_not_needed(const catalog::NodeRow& row);
  // Makes a new ring, in a while, if the roster asks for it.
  Status follow_roster();
  Result<placement::ClusterMap> roster();
  static Task<void> rebuild(Membership* self);
  Task<Status> rebuild_once();
  Status publish(placement::ClusterMap map, placement::Ring ring);

  Loop& loop_;
  catalog::Catalog& catalog_;
  PlacementBoard& board_;
  agent::Grid& grid_;
  std::vector<erasure::Profile> profiles_;
  MembershipOptions options_;
  std::map<NodeId, Nanos> down_since_;  // as seen by watch()
  bool rebuilding_ = false;
  bool changed_ = false;
};

}  // namespace hydra::object
