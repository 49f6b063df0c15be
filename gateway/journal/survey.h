// What the agents hold of a journal, and the reading of it: the other way round of copies.h. For
// who rebuilds a catalog. Called on the loop of the grid's links.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/runtime/loop.h"
#include "gateway/journal/sealer.h"
#include "nodeagent/client/grid.h"

namespace hydra::journal {

struct Place {
  NodeId node = 0;
  agent::ShardInfo shard;
};
struct Survey {
  std::map<std::uint64_t, std::vector<Place>> roots, records;  // by sequence
  std::uint64_t greatest = 0;                                  // sequence of them all
};

// Adds what lies on these nodes.
Task<Status> survey(Loop& loop, agent::Grid& grid, const std::vector<NodeId>& nodes, Survey& found);

// The first copy that is whole and ours. kCorrupt, kNotFound, kUnavailable: why the last one is
// not.
Task<Result<std::string>> read_copy(Loop& loop, agent::Grid& grid, Sealer& sealer, Kind kind,
                                    std::uint64_t sequence, const std::vector<Place>& places);

}  // namespace hydra::journal
