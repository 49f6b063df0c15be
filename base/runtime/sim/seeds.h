// Which seeds a simulation test tries. SIM_SEED=n replays one; SIM_SEEDS=n tries n of
// them (a soak) in place of the test's own number.
//
//   for (const std::uint64_t seed : sim::seeds(50)) {
//     SCOPED_TRACE("SIM_SEED=" + std::to_string(seed));
//     ...
#pragma once

#include <cstdint>
#include <vector>

namespace hydra::sim {

// 1 to `count`, unless the environment says otherwise.
std::vector<std::uint64_t> seeds(std::uint64_t count);

}  // namespace hydra::sim
