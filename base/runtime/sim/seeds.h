// Which seeds a simulation test tries. The environment replays and soaks:
//
//   SIM_SEED=n     only this one
//   SIM_SEEDS=n    n of them in place of the test's own number
//   SIM_FROM=n     beginning with n, not with 1
//   SIM_SHARD=i/n  of those every n-th, beginning with the i-th (0 to n-1), so that n processes
//                  share the work
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
