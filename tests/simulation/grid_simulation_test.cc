// A whole grid in one process: clients, crashes, power cuts and bad networks, decided by a seed.
//
// A failure prints its seed. SIM_SEED=n with the test's name replays it, SIM_SEEDS=n tries more;
// SIM_VERBOSE=1 tells what each seed did, SIM_LOG=1 shows the gateway's log.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/log.h"
#include "base/runtime/sim/seeds.h"
#include "tests/simulation/trial.h"

namespace hydra::gridsim {
namespace {

// Most seeds live in a small world, where little costs much less.
TrialOptions sized(std::uint64_t seed, TrialOptions options) {
  if (seed % 8 == 0) return options;
  options.client.most_bytes = 160u << 10;
  options.harm_time = {10 * kSecond, 25 * kSecond};
  options.most_keys = 8;
  return options;
}

// In some, many contend for the same keys.
TrialOptions raced(std::uint64_t seed, TrialOptions options) {
  if (seed % 8 != 3) return options;
  options.racers = 4;
  options.object_clients = 1;
  options.s3_clients = 1;
  return options;
}

// A share of the seeds sees nodes come and go while all is harmed, with walkers that are in a
// hurry, and is looked at again when the grid has become whole.
TrialOptions whole(std::uint64_t seed, TrialOptions options) {
  if (seed % 4 != 1) return options;
  options.keeper.active = true;
  options.whole_without = seed / 4 % 3;
  WorldOptions& world = options.world;
  world.healing.watch.delay = seed / 4 % 2 == 0 ? 3 * kSecond : 600 * kSecond;
  world.healing.retry = 3 * kSecond;
  world.healing.survey_every = 30 * kSecond;
  world.scrub.period_ms = 20'000;
  world.inventory.period = 15 * kSecond;
  world.inventory.gap = 3 * kSecond;
  world.inventory.orphan_grace_ms = 10'000;
  world.inventory.stray_grace_ms = 3'000;
  world.journal.least_snapshot_after = 200'000;
  return options;
}

TrialOptions at_most_two_agents(std::uint64_t seed) {
  TrialOptions options;
  options.nemesis.most_agents_at_once = 2;
  // A write is durable with k+1 shards, so that with no repair in between only one may turn out
  // bad.
  options.nemesis.most_sick = 1;
  options.work_without = 2;
  return whole(seed, raced(seed, sized(seed, options)));
}

TrialOptions anything_may_fail(std::uint64_t seed) {
  TrialOptions options;
  options.nemesis.most_agents_at_once = options.world.agents;
  options.nemesis.blackouts = true;
  options.nemesis.most_sick = 1;
  options.nemesis.pause = {100 * kMillisecond, 3 * kSecond};
  return whole(seed, raced(seed, sized(seed, options)));
}

TrialOptions any_device_may_lie(std::uint64_t seed) {
  TrialOptions options = anything_may_fail(seed);
  options.whole_without.reset();
  options.nemesis.most_sick = options.world.agents;
  options.nemesis.sick_at_all = 1;
  options.safe_only = true;
  return options;
}

// Adds up what the seeds did.
struct Sum {
  std::size_t seeds = 0, events = 0, operations = 0, turns = 0, uploads = 0, harms = 0, moves = 0,
              recoveries = 0;
};

void run_seeds(const char* mode, std::uint64_t count, TrialOptions (*options)(std::uint64_t)) {
  const bool verbose = std::getenv("SIM_VERBOSE") != nullptr;
  if (std::getenv("SIM_LOG") != nullptr)
    ASSERT_TRUE(log::configure({.level = log::Level::kDebug, .file = {}}));
  Sum sum;
  for (const std::uint64_t seed : sim::seeds(count)) {
    const TrialResult result = run_trial(seed, options(seed));
    if (verbose) fmt::print(stderr, "seed {}: {}\n", seed, result.summary());
    EXPECT_EQ(result.report, "") << "replay with SIM_SEED=" << seed << "\n" << result.summary();
    ++sum.seeds;
    sum.events += result.events;
    sum.operations += result.operations;
    sum.turns += result.clients.turns;
    sum.uploads += result.clients.uploads;
    sum.harms += result.harms;
    sum.moves += result.kept.joins + result.kept.drains + result.kept.removals;
    sum.recoveries += result.recoveries;
    if (testing::Test::HasFailure()) break;
  }
  // tests/simulation/soak adds these lines up.
  fmt::print(
      "sum {}: {} seeds, {} events, {} operations, {} turns, {} uploads, {} harms, {} moves, {} "
      "recoveries\n",
      mode, sum.seeds, sum.events, sum.operations, sum.turns, sum.uploads, sum.harms, sum.moves,
      sum.recoveries);
}

TEST(GridSimulation, KeepsItsWordWhileAtMostTwoAgentsFail) {
  run_seeds("bounded", 900, at_most_two_agents);
}

TEST(GridSimulation, NeverLiesWhateverFails) { run_seeds("unbounded", 900, anything_may_fail); }

TEST(GridSimulation, NeverLiesWhateverDevicesDo) { run_seeds("lying", 200, any_device_may_lie); }

TEST(GridSimulation, ASeedReplaysEventByEvent) {
  for (const std::uint64_t seed : sim::seeds(5)) {
    const TrialOptions options = seed % 2 == 0 ? at_most_two_agents(seed) : anything_may_fail(seed);
    const TrialResult first = run_trial(seed, options);
    const TrialResult second = run_trial(seed, options);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "SIM_SEED=" << seed;
    EXPECT_EQ(first.events, second.events);
  }
}

}  // namespace
}  // namespace hydra::gridsim
