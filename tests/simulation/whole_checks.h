// What must hold in a grid that was left alone for long enough: healer, scrub, inventory and
// sweeper have made it whole.
#pragma once

#include <string>
#include <vector>

#include "tests/simulation/grid_world.h"
#include "tests/simulation/operator.h"

namespace hydra::gridsim {

// Gives the grid the time and the operator that it needs: devices that do not come back are
// replaced, all shards are verified, nodes and catalog compared, and all queues worked off. Tells
// the model when that does not come to an end.
bool become_whole(GridWorld& world, Operator& keeper);

// Tells the model of each violation: every extent has k+m whole shards of the wanted profile on
// distinct nodes in service, whose parity is that of its data; nodes hold these, and copies of the
// journal, and nothing else. Returns how many shards there are.
std::size_t check_whole(GridWorld& world);

// Deletes every object of the bucket.
bool delete_everything(GridWorld& world, const std::vector<std::string>& keys);
// Of clients' data nothing is left, in the catalog; with become_whole() and check_whole() before:
// nor anywhere else.
void check_empty(GridWorld& world);

// The gateway's machine is lost, and `away` agents with it: the catalog that is rebuilt from the
// others equals the one that was lost, row by row. Then the grid goes on with it.
bool survive_loss_of_machine(GridWorld& world, sim::Prng& prng, std::size_t away);

}  // namespace hydra::gridsim
