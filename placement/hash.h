// Placement's hash functions: XXH3-64 with seed 0, and rendezvous scores made of it. Pure; any
// thread.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "placement/cluster_map.h"

namespace hydra::placement {

std::uint64_t xxh3(ByteView bytes);

// Weighted rendezvous hashing (Schindelhauer and Schomaker, 2005): the node with the lowest score
// is first choice. `salt` tells apart independent draws. A weight of 0 or less gives infinity.
double rendezvous_score(std::uint64_t salt, std::uint32_t arc, NodeId node, double weight);

}  // namespace hydra::placement
