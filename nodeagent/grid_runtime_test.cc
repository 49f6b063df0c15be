// The grid over real sockets, threads and files: two workers, links handed between threads, a clean
// stop.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "base/crc32c.h"
#include "base/runtime/pistache/runtime.h"
#include "nodeagent/agent.h"
#include "nodeagent/client/grid_server.h"
#include "nodeagent/plant_secret.h"

namespace hydra::agent {
namespace {

template <typename T>
Task<void> fulfil(Task<T> task, std::promise<T>* done) {
  done->set_value(co_await task);
}
// Runs what make() gives on the loop and waits for it on this thread.
template <typename Make>
auto run_on(Loop& loop, Make make) {
  using T = decltype(make().await_resume());
  std::promise<T> done;
  loop.post([&] { loop.spawn(fulfil(make(), &done)); });
  return done.get_future().get();
}
// The same for what is no coroutine.
template <typename Call>
auto call_on(Loop& loop, Call call) {
  std::promise<decltype(call())> done;
  loop.post([&] { done.set_value(call()); });
  return done.get_future().get();
}

Task<Result<NodeId>> join() { co_return NodeId{1}; }

Task<Status> write_and_read(GridClient& grid, std::uint8_t index) {
  const auto layout = *erasure::Layout::of({2, 1}, 3'000'000);
  const ShardId shard{ExtentId{{std::byte{9}}}, index};
  const Deadline deadline = grid.loop().after(60 * kSecond);
  std::string bytes(layout.shard_bytes(), static_cast<char>('a' + index));
  const auto writer = grid.write(1, shard, layout);
  for (std::uint32_t i = 0; i < layout.stripes(); ++i) {
    const auto block = as_bytes(bytes).subspan(layout.block_shard_offset(i), layout.block_size(i));
    HYDRA_CO_CHECK_OK(
        co_await writer->append(block, crc32c(block), i + 1 == layout.stripes(), deadline));
  }
  HYDRA_CO_TRY(const Buffer read, co_await grid.read(1, shard, 0, layout.shard_bytes(), deadline));
  if (as_text(read.view()) != bytes) co_return fail(Code::kCorrupt, "other bytes came back");
  HYDRA_CO_CHECK_OK(co_await grid.free(1, {shard}, deadline));
  co_return Status();
}

struct RealGrid {
  explicit RealGrid(const Address& address)
      : directory(std::filesystem::temp_directory_path() /
                  ("hydra-grid-test-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(directory);
    gateway = std::move(*Runtime::create({.workers = 2}));
    agent_runtime = std::move(*Runtime::create({.workers = 1}));
    EXPECT_TRUE(gateway->start());
    EXPECT_TRUE(agent_runtime->start());
    GridServerOptions options;
    options.addresses = {address};
    options.on_link = [](NodeDescription, Loop&) { return join(); };
    for (Loop* loop : gateway->loops()) {
      clients.push_back(std::make_unique<GridClient>(*loop));
      options.workers.push_back(clients.back().get());
    }
    Loop& first = *gateway->loops().front();
    server = call_on(first, [&] { return std::move(*GridServer::start(first, options)); });
    bound = call_on(first, [&] { return server->addresses().front(); });
  }
  ~RealGrid() {
    agent_runtime->stop();
    agent.reset();
    call_on(*gateway->loops().front(), [&] {
      server.reset();
      return true;
    });
    gateway->stop();
    clients.clear();
    std::filesystem::remove_all(directory);
  }
  void start_agent() {
    AgentOptions options;
    options.name = "real";
    options.directory = (directory / "device").string();
    options.capacity_bytes = 512u << 20;
    options.log_bytes = 64u << 20;
    options.gateways = {bound};
    Loop& loop = *agent_runtime->loops().front();
    const auto planted =
        run_on(loop, [&] { return plant_secret(loop, options.directory, GridSecret{}); });
    ASSERT_TRUE(planted) << planted.error().to_string();
    auto started = run_on(loop, [&] { return Agent::start(loop, options); });
    ASSERT_TRUE(started) << started.error().to_string();
    agent = std::move(*started);
  }
  void wait_for_links() {
    for (const auto& client : clients)
      while (!call_on(client->loop(), [&] { return client->usable(1); })) ::usleep(1000);
  }
  Status stop_agent() {
    return run_on(*agent_runtime->loops().front(), [&] { return agent->stop(); });
  }

  std::filesystem::path directory;
  std::unique_ptr<Runtime> gateway;
  std::unique_ptr<Runtime> agent_runtime;
  std::vector<std::unique_ptr<GridClient>> clients;
  std::unique_ptr<GridServer> server;
  Address bound;
  std::unique_ptr<Agent> agent;
};

void write_through_every_worker(RealGrid& grid) {
  grid.start_agent();
  grid.wait_for_links();
  std::uint8_t index = 0;
  for (const auto& client : grid.clients) {
    const Status status = run_on(client->loop(), [&] { return write_and_read(*client, index); });
    EXPECT_TRUE(status) << status.error().to_string();
    ++index;
  }
  EXPECT_TRUE(grid.stop_agent());
}

TEST(RealGrid, ServesOverAUnixSocket) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("hydra-grid-test-" + std::to_string(::getpid()) + ".sock");
  RealGrid grid({"unix:" + path.string()});
  write_through_every_worker(grid);
}

// Over TCP, so inside TLS.
TEST(RealGrid, ServesOverTlsAndAcrossARestartOfTheAgent) {
  RealGrid grid({"127.0.0.1:0"});
  write_through_every_worker(grid);
  grid.agent.reset();
  write_through_every_worker(grid);
}

}  // namespace
}  // namespace hydra::agent
