// hydra-link-bench: what the grid's links cost in CPU time on each side, over a unix socket and a
// store that keeps nothing. Prints one line a workload (of those
// whose name has the argument in it): throughput, and CPU time of the gateway's
// and the agent's thread.
#include <fmt/format.h>

#include <ctime>
#include <future>

#include "base/crc32c.h"
#include "base/runtime/pistache/runtime.h"
#include "nodeagent/agent.h"
#include "nodeagent/client/grid_server.h"

namespace {

using namespace hydra;
using namespace hydra::agent;

// Checks what comes, as the real store does, and gives what was asked for.
class NullStore : public ShardStore {
 public:
  NodeIdentity identity() const override { return NodeIdentity{{std::byte{1}}}; }
  std::optional<ClusterId> cluster() const override { return cluster_; }
  Task<Status> set_cluster(ClusterId cluster) override {
    cluster_ = cluster;
    co_return Status();
  }
  Task<Result<std::unique_ptr<PendingShard>>> begin(ShardId, erasure::Layout) override {
    std::unique_ptr<PendingShard> pending = std::make_unique<Pending>();
    co_return std::move(pending);
  }
  Task<Result<ShardPieces>> read(ShardId, std::uint64_t, std::uint64_t length) override {
    ShardPieces pieces{Buffer(length), {}};
    pieces.bytes.resize(length);
    std::memset(pieces.bytes.data(), 'x', length);
    if (length != crc_length_) {
      crc_length_ = length;
      crc_ = crc32c(pieces.bytes.view());
    }
    pieces.pieces.push_back({0, static_cast<std::uint32_t>(length), crc_});
    co_return pieces;
  }
  Result<ShardInfo> info(ShardId) override { return fail(Code::kNotFound); }
  Task<Status> free(ShardId) override { co_return Status(); }
  Result<std::vector<ShardInfo>> list(std::optional<ShardId>, std::size_t) override {
    return std::vector<ShardInfo>();
  }
  Task<Status> verify(ShardId) override { co_return Status(); }
  StoreSpace space() const override { return {}; }
  bool fenced() const override { return false; }
  std::uint64_t syncs() const override { return 0; }
  std::uint64_t bytes_written() const override { return 0; }
  Task<Status> close() override { co_return Status(); }

 private:
  struct Pending : PendingShard {
    Task<Status> append(ByteView block, std::uint32_t crc) override {
      if (crc32c(block) != crc) co_return fail(Code::kCorrupt, "damaged");
      co_return Status();
    }
    Task<Status> commit() override { co_return Status(); }
  };
  std::optional<ClusterId> cluster_;
  std::uint64_t crc_length_ = 0;
  std::uint32_t crc_ = 0;
};

Nanos thread_cpu() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}
Nanos cpu_of(Loop& loop) {
  std::promise<Nanos> cpu;
  loop.post([&] { cpu.set_value(thread_cpu()); });
  return cpu.get_future().get();
}

struct Workload {
  const char* name;
  bool reads;
  std::uint64_t shard_bytes;  // of one operation
  std::uint64_t operations;
  std::size_t at_once;
};

struct Run {
  GridClient& grid;
  const Workload& work;
  const Buffer& block;
  std::uint32_t crc;
  std::uint64_t left;
  std::size_t running;
  std::promise<void> done;
};

Task<Status> write_one(Run& run, erasure::Layout layout, ShardId shard) {
  const auto writer = run.grid.write(1, shard, layout);
  for (std::uint32_t i = 0; i < layout.stripes(); ++i)
    HYDRA_CO_CHECK_OK(co_await writer->append(run.block.view(), run.crc, i + 1 == layout.stripes(),
                                              run.grid.loop().after(30 * kSecond)));
  co_return Status();
}

Task<void> work(Run& run) {
  const auto layout = *erasure::Layout::of({4, 2}, run.work.shard_bytes * 4);
  while (run.left > 0) {
    ShardId shard;
    std::memcpy(shard.extent.bytes.data(), &run.left, sizeof run.left);
    --run.left;
    Status status;
    if (run.work.reads) {
      const auto read = co_await run.grid.read(1, shard, 0, run.work.shard_bytes,
                                               run.grid.loop().after(30 * kSecond));
      if (!read) status = fail(read.error());
    } else {
      status = co_await write_one(run, layout, shard);
    }
    if (!status) fmt::print(stderr, "{}\n", status.error().to_string());
    HYDRA_ASSERT(status);
  }
  if (--run.running == 0) run.done.set_value();
}

void measure(Loop& gateway, Loop& agent, GridClient& grid, const Workload& load) {
  const std::uint64_t block_bytes = std::min<std::uint64_t>(load.shard_bytes, 256u << 10);
  Buffer block(block_bytes);
  block.resize(block_bytes);
  std::memset(block.data(), 'y', block_bytes);
  Run run{grid, load, block, crc32c(block.view()), load.operations, load.at_once, {}};
  const Nanos gateway_cpu = cpu_of(gateway);
  const Nanos agent_cpu = cpu_of(agent);
  const Nanos begun = gateway.now();
  gateway.post([&] {
    for (std::size_t i = 0; i < load.at_once; ++i) gateway.spawn(work(run));
  });
  run.done.get_future().wait();
  const double seconds = static_cast<double>(gateway.now() - begun) / kSecond;
  const auto operations = static_cast<double>(load.operations);
  const double gib = operations * static_cast<double>(load.shard_bytes) / (1u << 30);
  const auto show = [&](const char* side, Nanos cpu) {
    const double spent = static_cast<double>(cpu) / kSecond;
    fmt::print("  {} {:6.2f} us/op {:6.3f} CPU-s/GiB", side, spent / operations * 1e6, spent / gib);
  };
  fmt::print("{:32} {:9.0f} op/s {:6.2f} GiB/s", load.name, operations / seconds, gib / seconds);
  show("gateway", cpu_of(gateway) - gateway_cpu);
  show("agent", cpu_of(agent) - agent_cpu);
  fmt::print("\n");
}

Task<Result<NodeId>> join() { co_return NodeId{1}; }

// Those whose name has the given word in it.
int run_all(std::string_view word) {
  auto gateway_runtime = Runtime::create({.workers = 1});
  auto agent_runtime = Runtime::create({.workers = 1});
  if (!gateway_runtime || !agent_runtime) return 1;
  Loop& gateway = *(*gateway_runtime)->loops().front();
  Loop& device = *(*agent_runtime)->loops().front();
  const Address address{fmt::format("unix:/tmp/hydra-link-bench-{}.sock", ::getpid())};
  std::unique_ptr<GridClient> grid = std::make_unique<GridClient>(gateway);
  std::unique_ptr<GridServer> server;
  std::unique_ptr<Agent> agent;
  gateway.post([&] {
    GridServerOptions options;
    options.addresses = {address};
    options.workers = {grid.get()};
    options.on_link = [](NodeDescription, Loop&) { return join(); };
    auto started = GridServer::start(gateway, std::move(options));
    HYDRA_ASSERT(started);
    server = std::move(*started);
    device.post([&] {
      AgentOptions agent_options;
      agent_options.name = "bench";
      agent_options.gateways = {address};
      agent_options.secret = node_secret(GridSecret{}, NullStore().identity());
      agent = *Agent::start_with(device, agent_options, std::make_unique<NullStore>());
    });
  });
  if (!(*gateway_runtime)->start() || !(*agent_runtime)->start()) return 1;
  for (bool usable = false; !usable;) {
    std::promise<bool> answer;
    gateway.post([&] { answer.set_value(grid->usable(1)); });
    usable = answer.get_future().get();
  }
  const Workload loads[] = {
      {"write 16 MiB shards, 4 at once", false, 16u << 20, 128, 4},
      {"write 256 KiB shards, 4 at once", false, 256u << 10, 4096, 4},
      {"read 256 KiB, 4 at once", true, 256u << 10, 8192, 4},
      {"read 1 MiB, 4 at once", true, 1u << 20, 2048, 4},
      {"write 4 KiB, 1 at once", false, 4096, 30'000, 1},
      {"write 4 KiB, 32 at once", false, 4096, 100'000, 32},
      {"read 4 KiB, 1 at once", true, 4096, 30'000, 1},
      {"read 4 KiB, 32 at once", true, 4096, 100'000, 32},
  };
  for (const Workload& load : loads)
    if (std::string_view(load.name).find(word) != std::string_view::npos)
      measure(gateway, device, *grid, load);
  (*agent_runtime)->stop();
  (*gateway_runtime)->stop();
  agent.reset();
  server.reset();
  grid.reset();
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return run_all(argc > 1 ? argv[1] : ""); }
