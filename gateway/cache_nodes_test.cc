// A whole gateway, storage nodes and a cache node in one simulation: its copies are read, and
// nothing that becomes of it makes a read fail, wrong, or the grid look worse than it is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/runtime/sim/run_sim.h"
#include "base/runtime/text_body.h"
#include "gateway/admin/grid_metrics.h"
#include "gateway/gateway.h"
#include "nodeagent/agent.h"
#include "nodeagent/memory_shard_store.h"
#include "nodeagent/plant_secret.h"

namespace hydra {
namespace {

constexpr const char* kGrid = "unix:/run/grid.sock";
constexpr std::uint64_t kMiB = 1u << 20;

std::string pattern(std::size_t bytes, std::uint64_t seed) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>((i * 31 + seed) % 251);
  return text;
}

class CacheNodesTest : public testing::Test {
 protected:
  CacheNodesTest() : simulation_(1), process_(simulation_.add_process("gateway")) {
    process_.add_loop();
    sim::run_in(process_, [this](Loop& loop) { return start(this, loop); });
    for (int number = 1; number <= 3; ++number) {
      auto device = device_of(number);
      auto& process = add_process(number);
      add_agent(process, agent_options(process, *device),
                std::make_unique<agent::MemoryShardStore>(process.loop(), device));
    }
    simulation_.run_for(5 * kSecond);
    EXPECT_TRUE(sim::run_in(process_, [this](Loop& loop) { return make_bucket(this, loop); }));
  }
  ~CacheNodesTest() override {
    for (std::size_t i = 0; i < simulation_.processes(); ++i)
      if (simulation_.process(i).running()) simulation_.process(i).crash();
  }

  static Task<void> start(CacheNodesTest* self, Loop& loop) {
    GatewayOptions options;
    options.catalog_directory = "/catalog";
    options.key_file_text = object::KeyRing::generate({});
    options.grid_addresses = {{kGrid}};
    options.credentials = *s3::CredentialStore::create({});
    options.store.profile = {2, 1};
    Loop* const loops[] = {&loop};
    auto gateway = co_await Gateway::start(loops, std::move(options));
    HYDRA_ASSERT(gateway.has_value());
    self->gateway_ = std::move(*gateway);
  }
  static Task<Status> make_bucket(CacheNodesTest* self, Loop& loop) {
    HYDRA_CO_TRY(const auto made,
                 co_await self->gateway_->catalog().create_bucket(loop, {.name = "bucket"}));
    self->bucket_ = made.id;
    co_return Status();
  }

  static std::shared_ptr<agent::MemoryDevice> device_of(int number) {
    auto device = std::make_shared<agent::MemoryDevice>();
    device->identity.bytes.fill(static_cast<std::byte>(number));
    return device;
  }
  sim::Process& add_process(int number) {
    auto& process = simulation_.add_process("agent-" + std::to_string(number));
    process.add_loop();
    return process;
  }
  static agent::GridSecret grid_secret() {
    return Gateway::grid_secret_of(*object::KeyRing::parse(object::KeyRing::generate({})));
  }
  static agent::AgentOptions agent_options(sim::Process& process,
                                           const agent::MemoryDevice& device) {
    agent::AgentOptions options;
    options.name = process.name();
    options.zone = "zone";
    options.gateways = {{kGrid}};
    options.secret = agent::node_secret(grid_secret(), device.identity);
    return options;
  }
  static void add_agent(sim::Process& process, agent::AgentOptions options,
                        std::unique_ptr<agent::ShardStore> store) {
    auto agent = agent::Agent::start_with(process.loop(), std::move(options), std::move(store));
    ASSERT_TRUE(agent);
    process.set_application(std::shared_ptr<agent::Agent>(std::move(*agent)));
  }
  // Node 4, on a device in memory.
  sim::Process& add_cache() {
    cache_device_ = device_of(4);
    auto& process = add_process(4);
    auto options = agent_options(process, *cache_device_);
    options.role = agent::NodeRole::kCache;
    add_agent(process, options,
              std::make_unique<agent::MemoryShardStore>(process.loop(), cache_device_));
    simulation_.run_for(3 * kSecond);
    return process;
  }

  object::ObjectStore& store() { return gateway_->workers().front()->store; }
  object::CacheUse use() {
    object::CacheUse sum;
    for (const auto& [id, use] : store().read_cache().use()) sum += use;
    return sum;
  }
  static Task<Status> put(CacheNodesTest* self, std::string key, std::string_view text) {
    TextSource source{std::string(text)};
    HYDRA_CO_TRY(auto body, co_await self->store().receive(source, text.size()));
    catalog::Version version{.key = std::move(key), .bytes = text.size()};
    HYDRA_CO_CHECK_OK(co_await self->store().commit_object(self->bucket_, std::move(version),
                                                           std::move(body), {}));
    co_return Status();
  }
  void put(std::string key, std::string_view text) {
    const Status status =
        sim::run_in(process_, [&](Loop&) { return put(this, std::move(key), text); });
    ASSERT_TRUE(status) << status.error().to_string();
  }
  static Task<Status> get(CacheNodesTest* self, std::string key, TextSink* sink) {
    auto found = self->gateway_->catalog().object_and_plan(
        self->bucket_, key, [](const catalog::Version& version) {
          return std::optional(std::pair<std::uint64_t, std::uint64_t>(0, version.bytes));
        });
    if (!found) co_return fail(found.error());
    co_return co_await self->store().send(found->second, *sink);
  }
  // Reads the object, and lets fills end. What happens at each piece is `on_write`'s.
  void expect(std::string key, std::string_view text, std::function<void()> on_write = {}) {
    TextSink sink;
    sink.on_write = std::move(on_write);
    const Status status =
        sim::run_in(process_, [&](Loop&) { return get(this, std::move(key), &sink); });
    EXPECT_TRUE(status) << status.error().to_string();
    EXPECT_TRUE(sink.text == text);
    simulation_.run_for(kSecond / 2);
  }
  static Task<admin::GridStatus> status(CacheNodesTest* self, Loop& loop) {
    admin::Sources sources;
    sources.catalog = &self->gateway_->catalog();
    sources.board = &self->gateway_->board();
    sources.profile = {2, 1};
    const auto& worker = self->gateway_->workers().front();
    sources.workers = {
        {&worker->loop, &worker->grid, &worker->store, worker->server.get(), nullptr}};
    const auto samples = co_await admin::sample_workers(sources, loop, loop.after(kSecond));
    co_return *admin::status_of(sources, samples, 10);
  }
  admin::GridStatus status() {
    return sim::run_in(process_, [this](Loop& loop) { return status(this, loop); });
  }

  sim::Simulation simulation_;
  sim::Process& process_;
  std::unique_ptr<Gateway> gateway_;
  catalog::BucketId bucket_ = 0;
  std::shared_ptr<agent::MemoryDevice> cache_device_;
};

TEST_F(CacheNodesTest, WhatWasReadIsReadFromItAndSeen) {
  add_cache();
  const std::string text = pattern(5 * kMiB, 1);
  put("key", text);
  EXPECT_TRUE(cache_device_->shards.empty()) << "it got shards";
  expect("key", text);
  expect("key", text);
  EXPECT_EQ(use().hits, 6u);  // five windows and a bit: segments have tags
  EXPECT_EQ(use().misses, 6u);
  EXPECT_EQ(cache_device_->shards.size(), 6u);
  simulation_.run_for(2 * kSecond);
  const admin::GridStatus seen = status();
  EXPECT_EQ(seen.verdict, admin::Verdict::kHealthy);
  EXPECT_EQ(seen.nodes.size(), 3u);
  EXPECT_EQ(seen.capacity.raw_bytes, 3ull << 30);
  ASSERT_EQ(seen.caches.size(), 1u);
  EXPECT_EQ(seen.caches[0].role, agent::NodeRole::kCache);
  EXPECT_EQ(seen.caches[0].cache.hits, 6u);
  EXPECT_FALSE(seen.caches[0].takes_writes());
  EXPECT_FALSE(seen.caches[0].score.ejected);
  metrics::Registry registry;
  admin::GridMetrics(registry).update(seen);
  const std::string metrics = registry.exposition();
  for (const char* line :
       {"hydra_cache_hits_total{node=\"agent-4\",zone=\"zone\"} 6",
        "hydra_cache_misses_total{node=\"agent-4\",zone=\"zone\"} 6",
        "hydra_cache_fills_total{node=\"agent-4\",zone=\"zone\"} 6",
        "hydra_cache_dropped_total{node=\"agent-4\",zone=\"zone\"} 0",
        "hydra_cache_up{node=\"agent-4\",zone=\"zone\"} 1", "hydra_nodes{state=\"healthy\"} 3"})
    EXPECT_THAT(metrics, testing::HasSubstr(std::string("\n") + line + "\n")) << line;
  EXPECT_THAT(metrics, testing::Not(testing::HasSubstr("hydra_node_up{node=\"agent-4\"")));
}

TEST_F(CacheNodesTest, ItDiesInTheMiddleOfARead) {
  auto& cache = add_cache();
  const std::string text = pattern(20 * kMiB, 2);
  put("key", text);
  expect("key", text);
  int pieces = 0;
  expect("key", text, [&] {
    if (++pieces == 20) simulation_.at(simulation_.now(), [&] { cache.crash(); });
  });
  EXPECT_GT(pieces, 40);
  EXPECT_GT(use().hits, 3u);
  EXPECT_LT(use().hits, 20u);
  simulation_.run_for(15 * kSecond);
  expect("key", text);
  const admin::GridStatus seen = status();
  EXPECT_EQ(seen.verdict, admin::Verdict::kHealthy);
  EXPECT_EQ(seen.nodes_may_fail, 1);
  ASSERT_EQ(seen.caches.size(), 1u);
  EXPECT_EQ(seen.caches[0].state, agent::NodeState::kDown);
}

TEST_F(CacheNodesTest, ItLosesItsPowerAndPeersHearNothing) {
  auto& cache = add_cache();
  const std::string text = pattern(10 * kMiB, 3);
  put("key", text);
  expect("key", text);
  cache.power_loss();
  const Nanos begun = process_.loop().now();
  expect("key", text);
  EXPECT_LT(process_.loop().now() - begun, 2 * kSecond);
  EXPECT_GE(use().lapses, 3u);
}

TEST_F(CacheNodesTest, BytesThatRotThereAreNotSent) {
  add_cache();
  const std::string text = pattern(5 * kMiB, 4);
  put("key", text);
  expect("key", text);
  // Their checksum is made when they are read: only the segments' tags can tell.
  for (auto& [id, shard] : cache_device_->shards) shard.bytes[shard.bytes.size() / 3] ^= 1;
  expect("key", text);
  EXPECT_GT(use().wrong, 0u);
  EXPECT_LT(cache_device_->shards.size(), 6u);
}

TEST_F(CacheNodesTest, BytesThatAreDamagedOnTheirWayAreNotSent) {
  add_cache();
  const std::string text = pattern(5 * kMiB, 5);
  put("key", text);
  expect("key", text);
  cache_device_->damages_reads = true;
  const auto hits = use().hits;
  expect("key", text);
  EXPECT_EQ(use().hits, hits);
  EXPECT_EQ(use().wrong, 0u);
  EXPECT_GT(use().lapses, 0u);
}

// On a real store with room for some thirty windows beside what it keeps free.
TEST_F(CacheNodesTest, ItIsBoundedByItsCapacity) {
  constexpr std::uint64_t kCapacity = 100 * kMiB;
  auto& process = add_process(4);
  const Status joined = sim::run_in(
      process, [](Loop& loop) { return agent::plant_secret(loop, "/device", grid_secret()); });
  ASSERT_TRUE(joined) << joined.error().to_string();
  agent::AgentOptions options;
  options.name = "cache";
  options.zone = "zone";
  options.gateways = {{kGrid}};
  options.role = agent::NodeRole::kCache;
  options.directory = "/device";
  options.capacity_bytes = kCapacity;
  options.log_bytes = 8 * kMiB;
  auto agent = sim::run_in(process, [&](Loop& loop) { return agent::Agent::start(loop, options); });
  ASSERT_TRUE(agent) << agent.error().to_string();
  process.set_application(std::shared_ptr<agent::Agent>(std::move(*agent)));
  simulation_.run_for(3 * kSecond);

  const std::string text = pattern(kMiB, 6);
  constexpr int kObjects = 50;  // of two windows each, one of them small
  for (int i = 0; i < kObjects; ++i) put(std::to_string(i), text);
  for (int pass = 0; pass < 4; ++pass)
    for (int i = 0; i < kObjects; ++i) expect(std::to_string(i), text);
  const auto filled = use().filled;
  EXPECT_GT(filled, 2u * kObjects) << "nothing was given to it once it was full";
  simulation_.run_for(5 * kSecond);
  const admin::GridStatus seen = status();
  ASSERT_EQ(seen.caches.size(), 1u);
  EXPECT_LT(seen.caches[0].load.shards, filled);
  EXPECT_LT(seen.caches[0].load.used_bytes, kCapacity);
  EXPECT_LE(process.disk().used_bytes(), kCapacity);
  // What is read again and again is there.
  for (int i = 0; i < 3; ++i) expect("0", text);
  const auto misses = use().misses;
  expect("0", text);
  EXPECT_EQ(use().misses, misses);
}

}  // namespace
}  // namespace hydra
