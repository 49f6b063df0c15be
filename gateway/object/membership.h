// Membership: who belongs to the grid, and the ring made from it.
//
// One instance a process, on its first loop. A node that joins gets its number from the catalog;
// when the roster has changed, a new epoch of the ring is made (off the loop, it takes a while),
// recorded in the catalog by compare-and-swap, and published to all workers. Losing a link changes
// nothing here.
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
  Task<Result<NodeId>> join(agent::NodeDescription node);

 private:
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
