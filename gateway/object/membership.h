// Membership: who belongs to the grid, and the ring made from it.
//
// One instance a process, on its first loop. A node that joins gets its number from the catalog;
// when the roster has changed, a new epoch of the ring is made (off the loop, it takes a while),
// recorded in the catalog by compare-and-swap, and published to all workers. Losing a link changes
// nothing here. Nodes that were removed and cache nodes are not placed.
#pragma once

#include <memory>
#include <vector>

#include "base/runtime/sync.h"
#include "gateway/catalog/catalog.h"
#include "gateway/object/placement_view.h"
#include "nodeagent/client/grid.h"

namespace hydra::object {

class Membership {
 public:
  // `profiles` are those the ring keeps tables for.
  Membership(Loop& loop, catalog::Catalog& catalog, PlacementBoard& board,
             std::vector<erasure::Profile> profiles);

  // Publishes what the catalog knows. Call once, before anything is placed.
  Status load();
  // A node says who it is: its number. The ring follows in a moment.
  // kUnauthenticated when it was removed from the grid.
  Task<Result<NodeId>> join(agent::NodeDescription node);
  // An operator changes a node (catalog::Catalog::set_node). The ring follows in a moment.
  Task<Result<catalog::NodeRow>> change(NodeId node, catalog::NodeChange change);

 private:
  // Makes a new ring, in a while, if the roster asks for it.
  Status follow_roster();
  Result<placement::ClusterMap> roster();
  static Task<void> rebuild(Membership* self);
  Task<Status> rebuild_once();
  Status publish(placement::ClusterMap map, placement::Ring ring);

  Loop& loop_;
  catalog::Catalog& catalog_;
  PlacementBoard& board_;
  std::vector<erasure::Profile> profiles_;
  bool rebuilding_ = false;
  bool changed_ = false;
};

}  // namespace hydra::object
