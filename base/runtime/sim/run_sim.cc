#include "base/runtime/sim/run_sim.h"

#include <cstdio>
#include <cstdlib>

namespace hydra::sim::detail {

void stalled(const Simulation& simulation) {
  std::fprintf(stderr, "the simulated task did not end: %s\n", simulation.report().c_str());
  std::abort();
}

}  // namespace hydra::sim::detail
