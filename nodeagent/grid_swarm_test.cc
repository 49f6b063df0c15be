// Grid and agents over the real store in a rough world: broken links, delays, crashes and power
// cuts. Whatever was acknowledged is there and right; every call ends.
#include <gtest/gtest.h>

#include "nodeagent/grid_fixture.h"

namespace hydra::agent {
namespace {

constexpr std::uint64_t kShards = 40;
constexpr Nanos kCallTime = 5 * kSecond;

// What the gateway knows of one shard.
struct Written {
  erasure::Layout layout;
  bool acknowledged = false;
};

Task<void> write_all(SimGrid& world, Loop& loop, std::vector<Written>& shards, std::size_t from,
                     std::size_t step, std::size_t& running) {
  for (std::size_t i = from; i < shards.size(); i += step) {
    for (int attempt = 0; attempt < 3 && !shards[i].acknowledged; ++attempt) {
      const Nanos begun = loop.now();
      const Status wrote = co_await SimGrid::write_shard(
          world.grid(), 1, {extent_of(i), 0}, shards[i].layout, i, loop.after(kCallTime));
      EXPECT_LT(loop.now() - begun, kCallTime + kSecond / 2) << wrote.has_value();
      shards[i].acknowledged = wrote.has_value();
      if (!wrote) co_await sleep_for(loop, kSecond);
    }
  }
  --running;
}

void run_swarm(std::uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  SimGrid world(seed, sim::Faults::swarm(seed));
  sim::Simulation& simulation = world.simulation;
  sim::Process& agent = world.add_stored_agent("agent-1");
  std::vector<Written> shards(kShards);
  for (Written& shard : shards) {
    const auto length = static_cast<std::uint64_t>(simulation.prng().in({1, 800'000}));
    const std::uint8_t k = length % 2 == 0 ? 1 : 4;
    shard.layout = layout_of({k, 2}, length);
  }
  for (int i = 1; i <= 3; ++i) {
    simulation.after(i * 7 * kSecond,
                     [&agent, i] { i % 2 == 0 ? agent.crash() : agent.power_loss(); });
    simulation.after(i * 7 * kSecond + kSecond, [&agent] { agent.restart(); });
  }
  std::size_t running = 4;
  Loop& loop = world.gateway.loop();
  for (std::size_t i = 0; i < 4; ++i) loop.spawn(write_all(world, loop, shards, i, 4, running));
  ASSERT_TRUE(world.until([&] { return running == 0; }, 3600 * kSecond)) << simulation.report();
  simulation.run_for(30 * kSecond);
  simulation.faults().net = sim::NetworkFaults{};
  simulation.network().heal_all();
  ASSERT_TRUE(world.until([&] { return world.grid().usable(1); })) << simulation.report();

  std::size_t acknowledged = 0;
  world.run([&](Loop& on) -> Task<void> {
    for (std::size_t i = 0; i < shards.size(); ++i) {
      const auto& layout = shards[i].layout;
      const auto read = co_await world.grid().read(1, {extent_of(i), 0}, 0, layout.shard_bytes(),
                                                   on.after(60 * kSecond));
      acknowledged += shards[i].acknowledged;
      if (shards[i].acknowledged) EXPECT_TRUE(read) << i << " " << read.error().to_string();
      if (read) EXPECT_TRUE(as_text(read->view()) == pattern(layout.shard_bytes(), i)) << i;
    }
  });
  EXPECT_GT(acknowledged, 0u);
}

TEST(GridSwarm, WhatWasAcknowledgedIsThereAndRight) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) run_swarm(seed);
}

}  // namespace
}  // namespace hydra::agent
