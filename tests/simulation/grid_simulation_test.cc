// A whole grid in one process: clients, crashes, power cuts and bad networks, decided by a seed.
//
// A failure prints its seed. SIM_SEED=n with the test's name replays it, SIM_SEEDS=n
// tries more.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/runtime/sim/seeds.h"
#include "tests/simulation/trial.h"

namespace hydra::gridsim {
namespace {

TrialOptions at_most_two_agents() {
  TrialOptions options;
  options.nemesis.most_agents_at_once = 2;
  options.work_without = 2;
  return options;
}

TrialOptions anything_may_fail() {
  TrialOptions options;
  options.nemesis.most_agents_at_once = options.world.agents;
  options.nemesis.blackouts = true;
  options.nemesis.pause = {100 * kMillisecond, 3 * kSecond};
  return options;
}

void run_seeds(std::uint64_t count, const TrialOptions& options) {
  const bool verbose = std::getenv("SIM_VERBOSE") != nullptr;
  for (const std::uint64_t seed : sim::seeds(count)) {
    const TrialResult result = run_trial(seed, options);
    if (verbose) fmt::print(stderr, "seed {}: {}\n", seed, result.summary());
    ASSERT_EQ(result.report, "") << "replay with SIM_SEED=" << seed << "\n"
                                 << result.summary();
  }
}

TEST(GridSimulation, KeepsItsWordWhileAtMostTwoAgentsFail) { run_seeds(80, at_most_two_agents()); }

TEST(GridSimulation, NeverLiesWhateverFails) { run_seeds(100, anything_may_fail()); }

TEST(GridSimulation, ASeedReplaysEventByEvent) {
  for (const std::uint64_t seed : sim::seeds(5)) {
    const TrialOptions options = seed % 2 == 0 ? at_most_two_agents() : anything_may_fail();
    const TrialResult first = run_trial(seed, options);
    const TrialResult second = run_trial(seed, options);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "SIM_SEED=" << seed;
    EXPECT_EQ(first.events, second.events);
  }
}

}  // namespace
}  // namespace hydra::gridsim
