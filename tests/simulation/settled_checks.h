// What must hold in a grid where nothing is harmed and nobody works any more.
#pragma once

#include "tests/simulation/grid_world.h"
#include "tests/simulation/object_client.h"

namespace hydra::gridsim {

struct SettledCounts {
  std::size_t objects = 0, extents = 0, shards = 0, missing = 0, orphans = 0;
};

// Aborts what uploads are left, then checks, and tells the model of each violation:
// every key reads as a value that it may hold, by each worker, bit for bit; the listing is the
// same; every shard that the catalog counts on is on its node and whole; the catalog's counters
// equal a recount of its rows; dead extents are freed. Of sick agents nothing is expected. With
// `safe_only` a read may fail, and shards may be lost.
SettledCounts check_settled(GridWorld& world, const std::vector<std::string>& keys,
                            bool safe_only = false);

}  // namespace hydra::gridsim
