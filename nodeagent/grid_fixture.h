// A small grid in one simulation for tests: a gateway with some workers, and agents over
// MemoryDevices.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/endian.h"
#include "base/runtime/sim/run_sim.h"
#include "nodeagent/agent.h"
#include "nodeagent/client/grid_server.h"
#include "nodeagent/memory_shard_store.h"
#include "nodeagent/plant_secret.h"

namespace hydra::agent {

inline GridSecret secret_of(int byte) {
  GridSecret secret;
  secret.bytes.fill(static_cast<std::byte>(byte));
  return secret;
}
inline ClusterId cluster_of(int byte) {
  ClusterId cluster;
  cluster.bytes.fill(static_cast<std::byte>(byte));
  return cluster;
}
inline ExtentId extent_of(std::uint64_t number) {
  ExtentId extent;
  std::memcpy(extent.bytes.data(), &number, sizeof number);
  return extent;
}
// Bytes that differ from place to place.
inline std::string pattern(std::size_t bytes, std::uint64_t seed) {
  std::string text((bytes + 7) / 8 * 8, '\0');
  std::uint64_t state = seed * 2 + 1;
  for (std::size_t at = 0; at < text.size(); at += 8) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    store_le(text.data() + at, state ^ (state >> 29));
  }
  text.resize(bytes);
  return text;
}

constexpr const char* kGridAddress = "unix:/run/hydra/grid";
constexpr const char* kTlsAddress = "10.0.0.1:9100";  // the gateway listens on both

// What a gateway process holds.
struct TestGateway {
  std::vector<std::unique_ptr<GridClient>> clients;
  std::unique_ptr<GridServer> server;
};

class SimGrid {
 public:
  explicit SimGrid(std::uint64_t seed = 1, sim::Faults faults = sim::Faults::none(),
                   int workers = 1)
      : simulation(seed, faults), gateway(simulation.add_process("gateway")) {
    for (int i = 0; i < workers; ++i) gateway.add_loop();
    gateway.set_boot([this](sim::Process& process) { boot_gateway(process); });
  }

  sim::Process& add_agent(const std::string& name, AgentOptions options = {}) {
    auto& device = devices[name];
    device = std::make_shared<MemoryDevice>();
    device->identity.bytes.fill(static_cast<std::byte>(devices.size()));
    options.name = name;
    if (options.gateways.empty()) options.gateways = {{kGridAddress}};
    if (!options.secret) options.secret = node_secret(secret_of(7), device->identity);
    options.log = [this](std::string_view line) { agent_log += std::string(line) + "\n"; };
    sim::Process& process = simulation.add_process(name);
    process.add_loop();
    process.set_boot([device, options](sim::Process& booted) {
      auto store = std::make_unique<MemoryShardStore>(booted.loop(), device);
      auto agent = Agent::start_with(booted.loop(), options, std::move(store));
      EXPECT_TRUE(agent) << agent.error().to_string();
      booted.set_application(std::shared_ptr<Agent>(std::move(*agent)));
    });
    return process;
  }
  // An agent over the real store on the simulated disk.
  sim::Process& add_stored_agent(const std::string& name) {
    AgentOptions options;
    options.name = name;
    options.directory = "/data";
    options.log_bytes = 128u << 20;
    options.capacity_bytes = 2ull << 30;
    options.gateways = {{kGridAddress}};
    sim::Process& process = simulation.add_process(name);
    process.add_loop();
    process.set_boot(
        [options](sim::Process& booted) { booted.loop().spawn(open_agent(booted, options)); });
    return process;
  }
  // With one agent linked to all workers.
  MemoryDevice& join_one(AgentOptions options = {}) {
    add_agent("agent-1", std::move(options));
    EXPECT_TRUE(until([this] { return all_usable(1); })) << simulation.report() << agent_log;
    return *devices["agent-1"];
  }

  GridClient& grid(std::size_t worker = 0) { return *live->clients[worker]; }
  bool all_usable(NodeId node) {
    for (const auto& client : live->clients)
      if (!client->usable(node)) return false;
    return true;
  }
  bool until(const std::function<bool()>& holds, Nanos limit = 60 * kSecond) {
    return simulation.run_until(holds, limit);
  }
  template <typename Make>
  auto run(Make make) {
    return sim::run_in(gateway, make);
  }

  // Writes the blocks of one shard whose bytes are pattern(shard_bytes, seed).
  static Task<Status> write_shard(Grid& grid, NodeId node, ShardId shard, erasure::Layout layout,
                                  std::uint64_t seed, Deadline deadline) {
    const std::string bytes = pattern(layout.shard_bytes(), seed);
    const auto writer = grid.write(node, shard, layout);
    for (std::uint32_t stripe = 0; stripe < layout.stripes(); ++stripe) {
      const ByteView block =
          as_bytes(bytes).subspan(layout.block_shard_offset(stripe), layout.block_size(stripe));
      HYDRA_CO_CHECK_OK(
          co_await writer->append(block, crc32c(block), stripe + 1 == layout.stripes(), deadline));
    }
    co_return Status();
  }

  sim::Simulation simulation;
  sim::Process& gateway;
  std::map<std::string, std::shared_ptr<MemoryDevice>> devices;
  std::map<NodeIdentity, NodeId> known;
  std::string gateway_log;
  std::string agent_log;
  FindClaim find_claim;  // for gateways that boot from now on
  JoinHandler on_join;
  TestGateway* live = nullptr;  // of the running gateway process

 private:
  static Task<void> open_agent(sim::Process& process, AgentOptions options) {
    const Status planted = co_await plant_secret(process.loop(), options.directory, secret_of(7));
    EXPECT_TRUE(planted) << planted.error().to_string();
    auto agent = co_await Agent::start(process.loop(), std::move(options));
    EXPECT_TRUE(agent) << agent.error().to_string();
    if (agent) process.set_application(std::shared_ptr<Agent>(std::move(*agent)));
  }
  static Task<Result<NodeId>> join(SimGrid& grid, NodeIdentity identity) {
    const auto next = static_cast<NodeId>(grid.known.size() + 1);
    co_return grid.known.emplace(identity, next).first->second;
  }
  void boot_gateway(sim::Process& process) {
    auto fresh = std::make_shared<TestGateway>();
    GridServerOptions options;
    options.addresses = {{kGridAddress}, {kTlsAddress}};
    options.cluster = cluster_of(1);
    options.secret = secret_of(7);
    options.on_link = [this](NodeDescription node, Loop&) { return join(*this, node.identity); };
    options.find_claim = find_claim;
    options.on_join = on_join;
    options.log = [this](std::string line) { gateway_log += line + "\n"; };
    for (std::size_t i = 0; i < process.loops(); ++i) {
      fresh->clients.push_back(std::make_unique<GridClient>(process.loop(i)));
      options.workers.push_back(fresh->clients.back().get());
    }
    auto server = GridServer::start(process.loop(), options);
    EXPECT_TRUE(server) << server.error().to_string();
    fresh->server = std::move(*server);
    live = fresh.get();
    process.set_application(std::move(fresh));
  }
};

inline erasure::Layout layout_of(erasure::Profile profile, std::uint64_t length) {
  return *erasure::Layout::of(profile, length);
}

}  // namespace hydra::agent
