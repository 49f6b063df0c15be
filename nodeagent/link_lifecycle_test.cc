// How links come up, are refused, break and come back, in simulation.
#include <gtest/gtest.h>

#include "nodeagent/grid_fixture.h"
#include "nodeagent/protocol/link.h"

namespace hydra::agent {
namespace {

const erasure::Layout kSmall = layout_of({2, 1}, 1000);

Task<Status> write_small(SimGrid& world, std::uint64_t extent, Loop& loop) {
  co_return co_await SimGrid::write_shard(world.grid(), 1, {extent_of(extent), 0}, kSmall, extent,
                                          loop.after(20 * kSecond));
}

TEST(LinkLifecycle, EveryWorkerGetsALink) {
  SimGrid world(1, sim::Faults::none(), 3);
  MemoryDevice& device = world.join_one();
  EXPECT_EQ(world.known.size(), 1u);
  EXPECT_EQ(device.cluster, cluster_of(1));
  for (std::size_t worker = 0; worker < 3; ++worker) {
    const auto nodes = world.grid(worker).nodes();
    ASSERT_EQ(nodes.size(), 1u);
    EXPECT_EQ(nodes[0].id, 1u);
    EXPECT_EQ(nodes[0].description.name, "agent-1");
    EXPECT_EQ(nodes[0].state, NodeState::kHealthy);
  }
  ASSERT_TRUE(world.until([&] { return world.grid(2).nodes()[0].load.free_bytes > 0; }));
}

TEST(LinkLifecycle, HeartbeatsTellHowManyShardsTheDeviceHolds) {
  SimGrid world;
  world.add_agent("agent-1");
  MemoryDevice& device = *world.devices["agent-1"];
  for (std::uint64_t i = 0; i < 5000; ++i)
    device.shards[{extent_of(i), 1}] = {kSmall, std::string(kSmall.shard_bytes(), 'x')};
  const auto told = [&](std::uint64_t shards) {
    return world.until([&] {
      const auto nodes = world.grid().nodes();
      return !nodes.empty() && nodes[0].load.shards == shards;
    });
  };
  EXPECT_TRUE(told(5000));
  world.run([&](Loop& loop) -> Task<void> {
    EXPECT_TRUE(co_await write_small(world, 1, loop));  // shard 0 of the extent is new
    EXPECT_TRUE(co_await write_small(world, 1, loop));  // and written again
    EXPECT_TRUE(co_await write_small(world, 2, loop));
  });
  EXPECT_TRUE(told(5002));
  world.run([&](Loop& loop) -> Task<void> {
    EXPECT_TRUE(
        co_await world.grid().free(1, {{extent_of(3), 1}, {extent_of(4), 7}}, loop.after(kSecond)));
  });
  EXPECT_TRUE(told(5001));
}

TEST(LinkLifecycle, AnAgentThatDoesNotKnowTheSecretIsRefused) {
  SimGrid world;
  AgentOptions options;
  options.secret = NodeSecret{};
  world.add_agent("stranger", options);
  world.simulation.run_for(20 * kSecond);
  EXPECT_TRUE(world.grid().nodes().empty());
  EXPECT_TRUE(world.known.empty());
  EXPECT_FALSE(world.devices["stranger"]->cluster);
  EXPECT_NE(world.agent_log.find("secret"), std::string::npos);
}

TEST(LinkLifecycle, ADeviceOfAnotherGridIsRefused) {
  SimGrid world;
  world.add_agent("wanderer");
  world.devices["wanderer"]->cluster = cluster_of(2);
  world.simulation.run_for(20 * kSecond);
  EXPECT_TRUE(world.grid().nodes().empty());
  EXPECT_NE(world.agent_log.find("another grid"), std::string::npos);
}

TEST(LinkLifecycle, ARestartedAgentTakesThePlaceOfItsOldLink) {
  SimGrid world;
  world.join_one();
  sim::Process& agent = world.simulation.process("agent-1");
  agent.power_loss();  // the gateway hears nothing
  agent.restart();
  ASSERT_TRUE(
      world.until([&] { return world.gateway_log.find("Node 1", 10) != std::string::npos; }));
  world.simulation.run_for(kSecond / 10);
  world.run([&](Loop& loop) -> Task<void> { EXPECT_TRUE(co_await write_small(world, 1, loop)); });
  EXPECT_EQ(world.grid().nodes().size(), 1u);
  world.simulation.run_for(30 * kSecond);
  EXPECT_TRUE(world.grid().usable(1));
}

TEST(LinkLifecycle, AgentsComeBackToARestartedGateway) {
  SimGrid world(1, sim::Faults::none(), 2);
  world.join_one();
  world.gateway.crash();
  world.simulation.run_for(40 * kSecond);
  world.gateway.restart();
  const Nanos back = world.simulation.now();
  ASSERT_TRUE(world.until([&] { return world.all_usable(1); }));
  EXPECT_LT(world.simulation.now() - back, 7 * kSecond);  // two links, each after at most 3 s
  world.run([&](Loop& loop) -> Task<void> { EXPECT_TRUE(co_await write_small(world, 1, loop)); });
}

TEST(LinkLifecycle, AGatewayMayDieWhileLinksJoin) {
  for (Nanos at = 0; at < 3 * kMillisecond; at += 100 * kMicrosecond) {
    SimGrid world;
    world.add_agent("agent-1");
    world.simulation.run_for(at);
    world.gateway.crash();
    world.gateway.restart();
    EXPECT_TRUE(world.until([&] { return world.all_usable(1); }));
  }
}

TEST(LinkLifecycle, ALinkCutInTheMiddleOfAWriteFailsItAndTheAgentForgets) {
  SimGrid world;
  MemoryDevice& device = world.join_one();
  const auto layout = layout_of({1, 1}, 10'000'000);
  device.append_time = 100 * kMillisecond;
  world.simulation.after(250 * kMillisecond, [&] {
    world.simulation.network().break_connections("gateway", "agent-1");
  });
  world.run([&](Loop& loop) -> Task<void> {
    const auto wrote = co_await SimGrid::write_shard(world.grid(), 1, {extent_of(1), 0}, layout, 1,
                                                     loop.after(60 * kSecond));
    EXPECT_TRUE(!wrote && wrote.error().code == Code::kUnavailable);
  });
  EXPECT_TRUE(world.until([&] { return device.begun == 1 && device.pending() == 0; }));
  EXPECT_EQ(device.abandoned, 1u);
  device.append_time = 0;
  ASSERT_TRUE(world.until([&] { return world.grid().usable(1); }));
  world.run([&](Loop& loop) -> Task<void> { EXPECT_TRUE(co_await write_small(world, 2, loop)); });
}

TEST(LinkLifecycle, ALinkThatIsLostFailsItsReadsAtOnce) {
  SimGrid world;
  MemoryDevice& device = world.join_one();
  device.reads_stuck = true;
  world.simulation.after(kSecond, [&] { world.simulation.process("agent-1").crash(); });
  world.run([&](Loop& loop) -> Task<void> {
    const Nanos begun = loop.now();
    const auto read =
        co_await world.grid().read(1, {extent_of(1), 0}, 0, 100, loop.after(60 * kSecond));
    EXPECT_TRUE(!read && read.error().code == Code::kUnavailable);
    EXPECT_LT(loop.now(), begun + 2 * kSecond);
  });
  EXPECT_FALSE(world.grid().usable(1));
  EXPECT_EQ(world.grid().nodes()[0].state, NodeState::kDown);
}

TEST(LinkLifecycle, ASilentNodeIsSuspectThenDownAndComesBack) {
  SimGrid world;
  world.join_one();
  sim::Process& agent = world.simulation.process("agent-1");
  const auto state = [&] { return world.grid().nodes()[0].state; };
  world.simulation.after(0, [&] { agent.pause(30 * kSecond); });
  const Nanos begun = world.simulation.now();
  ASSERT_TRUE(world.until([&] { return state() == NodeState::kSuspect; }));
  EXPECT_FALSE(world.grid().usable(1));
  EXPECT_GE(world.simulation.now() - begun, 2 * kSecond);
  EXPECT_LE(world.simulation.now() - begun, 4 * kSecond);
  ASSERT_TRUE(world.until([&] { return state() == NodeState::kDown; }));
  EXPECT_LE(world.simulation.now() - begun, 12 * kSecond);
  ASSERT_TRUE(world.until([&] { return state() == NodeState::kHealthy; }));
}

TEST(LinkLifecycle, AGatewayThatWentSilentIsLeftAndFoundAgain) {
  SimGrid world;
  world.join_one();
  sim::Network& network = world.simulation.network();
  network.partition("gateway", "agent-1");
  world.simulation.run_for(15 * kSecond);
  EXPECT_FALSE(world.grid().usable(1));
  network.heal_all();
  EXPECT_TRUE(world.until([&] { return world.grid().usable(1); }));
}

TEST(LinkLifecycle, AStoppedAgentIsQuiet) {
  SimGrid world;
  world.join_one();
  sim::Process& process = world.simulation.add_process("extra");
  process.add_loop();
  auto device = std::make_shared<MemoryDevice>();
  device->identity.bytes.fill(std::byte{9});
  AgentOptions options;
  options.name = "extra";
  options.secret = node_secret(secret_of(7), device->identity);
  options.gateways = {{kGridAddress}};
  sim::run_in(process, [&](Loop& loop) -> Task<void> {
    auto agent = Agent::start_with(loop, options, std::make_unique<MemoryShardStore>(loop, device));
    EXPECT_TRUE(agent);
    while ((*agent)->links() == 0) co_await sleep_for(loop, kMillisecond);
    EXPECT_TRUE(co_await (*agent)->stop());
    EXPECT_EQ((*agent)->links(), 0u);
  });
  EXPECT_TRUE(world.until([&] { return !world.grid().usable(2); }));
  EXPECT_EQ(process.loop().spawned(), 0u);
}

// Sends bytes to the gateway's door and tells when it was shut.
Task<Nanos> knock(Loop& loop, std::string bytes, std::string address = kGridAddress) {
  auto stream = co_await loop.net().connect({address}, loop.after(kSecond));
  EXPECT_TRUE(stream);
  const ByteView piece = as_bytes(bytes);
  if (!bytes.empty()) EXPECT_TRUE(co_await (*stream)->write({&piece, 1}, loop.after(kSecond)));
  Buffer answer(4096);
  answer.resize(4096);
  while (true) {
    const auto got = co_await (*stream)->read(answer.span(), loop.after(60 * kSecond));
    if (!got || *got == 0) co_return loop.now();
  }
}

TEST(GridDoor, NoiseAndSilenceAreShutOut) {
  SimGrid world;
  world.join_one();
  sim::Process& stranger = world.simulation.add_process("stranger");
  stranger.add_loop();
  const std::string noise = pattern(5000, 1);
  const std::string heartbeat = encode_frame({.type = FrameType::kHeartbeat}, encode(Heartbeat{}));
  for (const std::string& bytes : {noise, heartbeat}) {
    const Nanos begun = world.simulation.now();
    const Nanos shut = sim::run_in(stranger, [&](Loop& loop) { return knock(loop, bytes); });
    EXPECT_LT(shut - begun, 2 * kSecond);
  }
  const Nanos begun = world.simulation.now();
  const Nanos shut = sim::run_in(stranger, [&](Loop& loop) { return knock(loop, ""); });
  EXPECT_GE(shut - begun, kAdmitDeadline);
  EXPECT_LT(shut - begun, kAdmitDeadline + 2 * kSecond);
  EXPECT_TRUE(world.grid().usable(1));
}

TEST(GridDoor, LinksOverTcpAreInsideTls) {
  SimGrid world;
  AgentOptions options;
  options.gateways = {{kTlsAddress}};
  world.join_one(options);
  world.run([&](Loop& loop) -> Task<void> { EXPECT_TRUE(co_await write_small(world, 1, loop)); });

  // Who speaks without TLS is not even answered in frames.
  sim::Process& stranger = world.simulation.add_process("stranger");
  stranger.add_loop();
  const std::string hello = encode_frame({.type = FrameType::kHello}, encode(Hello{}));
  const Nanos begun = world.simulation.now();
  const Nanos shut =
      sim::run_in(stranger, [&](Loop& loop) { return knock(loop, hello, kTlsAddress); });
  EXPECT_LT(shut - begun, 2 * kSecond);
}

TEST(GridDoor, AWrongSecretDoesNotPassTls) {
  SimGrid world;
  AgentOptions options;
  options.gateways = {{kTlsAddress}};
  options.secret = NodeSecret{};
  world.add_agent("stranger", options);
  world.simulation.run_for(20 * kSecond);
  EXPECT_TRUE(world.grid().nodes().empty());
  EXPECT_TRUE(world.known.empty());
  EXPECT_NE(world.agent_log.find("TLS handshake"), std::string::npos) << world.agent_log;
}

// A link that is cut inside TLS is one that is down, and comes back.
TEST(GridDoor, LinksInsideTlsComeBack) {
  SimGrid world(1, sim::Faults::none(), 2);
  AgentOptions options;
  options.gateways = {{kTlsAddress}};
  world.join_one(options);
  world.gateway.crash();
  world.simulation.run_for(5 * kSecond);
  world.gateway.restart();
  ASSERT_TRUE(world.until([&] { return world.all_usable(1); }));
  world.simulation.process("agent-1").power_loss();
  world.simulation.run_for(kDownAfter + kSecond);
  EXPECT_FALSE(world.grid().usable(1));
  world.simulation.process("agent-1").restart();
  EXPECT_TRUE(world.until([&] { return world.all_usable(1); }));
}

}  // namespace
}  // namespace hydra::agent
