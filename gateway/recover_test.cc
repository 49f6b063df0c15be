// The loss of a gateway machine in a simulated grid: whatever clients were told of is there after a
// recovery onto an empty machine with m agents dead, and nothing that was deleted is back.
#include "gateway/recover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "base/kv/memory_store.h"
#include "base/runtime/sim/run_sim.h"
#include "base/runtime/text_body.h"
#include "gateway/catalog/catalog_audit.h"
#include "gateway/gateway.h"
#include "nodeagent/agent.h"
#include "nodeagent/memory_shard_store.h"

namespace hydra {
namespace {

constexpr const char* kGrid = "unix:/run/grid.sock";
constexpr const char* kCatalog = "/var/catalog";
constexpr int kAgents = 5;
constexpr int kClients = 3;
constexpr int kKeys = 6;  // of each client
constexpr int kAbsent = 0;

std::string content_of(int version) {
  std::string text;
  for (int i = 0; i < 40 + version * 97 % 3000; ++i)
    text += static_cast<char>('a' + (i * version) % 26);
  return text;
}

using Rows = std::map<std::string, std::string>;

struct World {
  explicit World(std::uint64_t seed)
      : simulation(seed), random(seed * 77 + 1), process(simulation.add_process("gateway")) {
    process.add_loop();
    for (int i = 1; i <= kAgents; ++i) add_agent(i);
  }
  ~World() {
    for (std::size_t i = 0; i < simulation.processes(); ++i)
      if (simulation.process(i).running()) simulation.process(i).crash();
  }

  static std::string key_file() {
    object::DataKey key;
    key.fill(std::byte{0x3c});
    return object::KeyRing::generate(key);
  }
  static agent::NodeSecret secret_of(const NodeIdentity& node) {
    return agent::node_secret(Gateway::grid_secret_of(*object::KeyRing::parse(key_file())), node);
  }

  void add_agent(int number) {
    const std::string name = "agent-" + std::to_string(number);
    auto device = std::make_shared<agent::MemoryDevice>();
    device->identity.bytes.fill(static_cast<std::byte>(number));
    devices.push_back(device);
    sim::Process& made = simulation.add_process(name);
    made.add_loop();
    made.set_boot([device, name, number](sim::Process& booted) {
      agent::AgentOptions options;
      options.name = name;
      options.zone = "zone-" + std::to_string(number % 3);
      options.gateways = {{kGrid}};
      options.secret = secret_of(device->identity);
      auto store = std::make_unique<agent::MemoryShardStore>(booted.loop(), device);
      auto agent = agent::Agent::start_with(booted.loop(), options, std::move(store));
      ASSERT_TRUE(agent);
      booted.set_application(std::shared_ptr<agent::Agent>(std::move(*agent)));
    });
    agents.push_back(&made);
  }

  // ---- the gateway ----------------------------------------------------------------------------

  static Task<void> start(World* self) {
    GatewayOptions options;
    options.catalog_directory = kCatalog;
    options.key_file_text = key_file();
    options.grid_addresses = {{kGrid}};
    options.credentials = *s3::CredentialStore::create({});
    options.store.profile = {2, 2};
    options.healing.sweep.interval = kSecond;
    options.healing.sweep.grace_ms = 1000;
    options.journal.least_snapshot_after = 6000;
    Loop* loop = &self->process.loop();
    auto gateway = co_await Gateway::start({&loop, 1}, std::move(options));
    EXPECT_TRUE(gateway) << gateway.error().to_string();
    if (!gateway) co_return;
    struct Application {
      Application(World& owner, std::unique_ptr<Gateway> made)
          : world(owner), gateway(std::move(made)) {
        world.gateway = gateway.get();
      }
      ~Application() { world.gateway = nullptr; }
      World& world;
      std::unique_ptr<Gateway> gateway;
    };
    self->process.set_application(std::make_shared<Application>(*self, std::move(*gateway)));
    for (int i = 0; self->clients_run && i < kClients; ++i) loop->spawn(client(self, i));
  }
  void boot_gateway() {
    process.set_boot([this](sim::Process& booted) { booted.loop().spawn(start(this)); });
    restart();
  }
  void restart() {
    if (process.running()) process.crash();
    process.restart();
  }
  bool until(const std::function<bool()>& holds, Nanos limit = 300 * kSecond) {
    return simulation.run_until(holds, limit);
  }
  bool settled() const {
    if (gateway == nullptr) return false;
    const auto state = gateway->journal().state();
    return state.based && state.safe == state.sequence;
  }

  // ---- clients ----------------------------------------------------------------------------------

  static Task<catalog::BucketId> bucket_of(World* self, Loop& loop) {
    for (;;) {
      catalog::Bucket bucket;
      bucket.name = "bucket";
      bucket.owner = {"owner", ""};
      const auto made = co_await self->gateway->catalog().create_bucket(loop, bucket);
      if (made) co_return made->id;
      co_await sleep_for(loop, 100 * kMillisecond);
    }
  }
  static Task<Status> put(Gateway::Worker& worker, catalog::BucketId bucket, std::string key,
                          int version) {
    const std::string text = content_of(version);
    TextSource source(text);
    HYDRA_CO_TRY(auto body, co_await worker.store.receive(source, text.size()));
    catalog::Version row;
    row.key = key;
    row.etag = std::to_string(version);
    row.bytes = text.size();
    auto id = co_await worker.store.commit_object(bucket, std::move(row), std::move(body), {});
    if (!id) co_return fail(id.error());
    co_return Status();
  }
  static Task<Status> erase(Gateway::Worker& worker, catalog::BucketId bucket, std::string key) {
    auto done = co_await worker.store.catalog().delete_object(worker.loop, bucket, {key, {}, {}},
                                                              worker.loop.wall_ms());
    if (!done) co_return fail(done.error());
    co_return Status();
  }
  static Task<void> client(World* self, int number) {
    Gateway::Worker& worker = *self->gateway->workers().front();
    const catalog::BucketId bucket = co_await bucket_of(self, worker.loop);
    while (self->clients_run) {
      const std::string key =
          "c" + std::to_string(number) + "/k" + std::to_string(self->random.between(0, kKeys - 1));
      auto& possible = self->possible.try_emplace(key, std::set<int>{kAbsent}).first->second;
      const std::set<int> before = possible;
      const int version = self->random.chance(0.3) ? kAbsent : ++self->last_version;
      possible.insert(version);
      const Status status = version == kAbsent ? co_await erase(worker, bucket, key)
                                               : co_await put(worker, bucket, key, version);
      if (status) {
        possible = {version};
        ++self->acknowledged;
      } else if (status.error().code == Code::kUnavailable ||
                 status.error().code == Code::kSlowDown) {
        possible = before;
        co_await sleep_for(worker.loop, 50 * kMillisecond);
      }
    }
    ++self->clients_ended;
  }
  void run_clients(std::size_t operations) {
    const std::size_t goal = acknowledged + operations;
    ASSERT_TRUE(until([&] { return acknowledged >= goal; })) << simulation.report();
  }

  // ---- loss and recovery ------------------------------------------------------------------------

  static Task<void> recover_task(World* self) {
    RecoverOptions options;
    options.catalog_directory = kCatalog;
    options.key_file_text = key_file();
    options.grid_addresses = {{kGrid}};
    options.wait = 20 * kSecond;
    options.say = [self](std::string sentence) { self->said += sentence + "\n"; };
    self->report = co_await recover(self->process.loop(), std::move(options));
  }
  // The machine is lost, and another one stands in its place.
  void lose_machine() {
    if (process.running()) process.crash();
    process.disk().wipe();
  }
  void boot_recovery() {
    report.reset();
    process.set_boot([this](sim::Process& booted) { booted.loop().spawn(recover_task(this)); });
    restart();
  }
  void recover_now() {
    boot_recovery();
    ASSERT_TRUE(until([&] { return report.has_value(); })) << simulation.report() << said;
    ASSERT_TRUE(*report) << report->error().to_string() << "\n" << said;
  }

  Rows rows() const {
    Rows found;
    const auto image = process.disk().kv_image(kCatalog);
    if (image == nullptr) return found;
    const auto store = kv::open_memory(image, {});
    const auto snapshot = store->snapshot();
    const auto cursor = (*snapshot)->cursor();
    for (auto more = cursor->seek({}); more && *more; more = cursor->next())
      if (!journal::is_local(as_text(cursor->key())))
        found.emplace(as_text(cursor->key()), as_text(cursor->value()));
    return found;
  }

  static Task<void> read_all(World* self, std::size_t* objects) {
    Gateway::Worker& worker = *self->gateway->workers().front();
    const catalog::BucketId bucket = co_await bucket_of(self, worker.loop);
    for (const auto& [key, possible] : self->possible) {
      const auto found = self->gateway->catalog().object_and_plan(
          bucket, key, [](const catalog::Version& version) {
            return std::optional(std::pair<std::uint64_t, std::uint64_t>(0, version.bytes));
          });
      const int version = found ? std::stoi(found->first.etag) : kAbsent;
      EXPECT_TRUE(possible.contains(version)) << key << " is " << version;
      if (!found) continue;
      ++*objects;
      TextSink sink;
      const Status sent = co_await worker.store.send(found->second, sink);
      EXPECT_TRUE(sent) << key << ": " << sent.error().to_string();
      EXPECT_EQ(sink.text, content_of(version)) << key;
    }
  }
  // Everything that clients were told of, and nothing else.
  void expect_model() {
    boot_gateway();
    ASSERT_TRUE(until([&] { return settled(); })) << simulation.report();
    std::size_t objects = 0;
    sim::run_in(process, [&](Loop&) { return read_all(this, &objects); });
    for (auto& [key, possible] : possible)
      if (possible.size() > 1) narrow(key, possible);
  }
  // What was open is decided now, and must stay so.
  void narrow(const std::string& key, std::set<int>& possible) {
    const auto bucket = gateway->catalog().bucket("bucket");
    const auto found = gateway->catalog().object(bucket->id, key);
    possible = {found ? std::stoi(found->etag) : kAbsent};
  }

  sim::Simulation simulation;
  sim::Prng random;
  sim::Process& process;
  std::vector<sim::Process*> agents;
  std::vector<std::shared_ptr<agent::MemoryDevice>> devices;
  Gateway* gateway = nullptr;
  bool clients_run = true;
  int clients_ended = 0;
  int last_version = 0;
  std::size_t acknowledged = 0;
  std::map<std::string, std::set<int>> possible;
  std::optional<Result<RecoverReport>> report;
  std::string said;
};

std::vector<std::uint64_t> seeds() {
  const char* text = std::getenv("SIM_SEEDS");
  const std::uint64_t count = text == nullptr ? 10 : std::clamp(std::atoi(text), 1, 1000);
  std::vector<std::uint64_t> seeds;
  for (std::uint64_t seed = 1; seed <= std::min<std::uint64_t>(count, 40); ++seed)
    seeds.push_back(seed);
  return seeds;
}

class RecoverSeeds : public testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, RecoverSeeds, testing::ValuesIn(seeds()));

TEST_P(RecoverSeeds, WhatWasAcknowledgedOutlivesTheMachine) {
  World world(GetParam());
  world.boot_gateway();
  world.run_clients(20);
  for (auto crashes = world.random.between(0, 3); crashes > 0; --crashes) {
    world.run_clients(world.random.between(1, 60));
    world.simulation.run_for(static_cast<Nanos>(world.random.between(0, 20)) * kMillisecond);
    world.restart();
  }
  world.run_clients(world.random.between(1, 60));
  const bool quiet = GetParam() % 2 == 0;
  if (quiet) {
    world.clients_run = false;
    ASSERT_TRUE(world.until([&] { return world.settled() && world.clients_ended >= kClients; }));
  } else {
    world.simulation.run_for(static_cast<Nanos>(world.random.between(0, 20)) * kMillisecond);
  }
  world.process.crash();
  world.clients_run = false;
  const Rows before = world.rows();
  ASSERT_FALSE(before.empty());
  world.lose_machine();
  // m agents die with it.
  const std::size_t first = world.random.between(0, kAgents - 1);
  world.agents[first]->crash();
  world.agents[(first + 1 + world.random.between(0, kAgents - 2)) % kAgents]->crash();
  if (GetParam() % 3 == 0) {  // and the recovery is cut off once
    world.boot_recovery();
    world.simulation.run_for(static_cast<Nanos>(world.random.between(1, 25'000)) * kMillisecond);
    if (!world.report) EXPECT_TRUE(world.rows().empty());
    world.lose_machine();
  }
  world.recover_now();
  if (quiet) EXPECT_EQ(world.rows(), before);
  world.expect_model();

  // The grid goes on, and the next machine is lost as well.
  world.clients_run = true;
  world.boot_gateway();
  world.run_clients(30);
  world.lose_machine();
  world.clients_run = false;
  world.recover_now();
  world.expect_model();
}

class RecoverTest : public testing::Test {
 protected:
  void SetUp() override {
    world_.boot_gateway();
    world_.run_clients(40);
    world_.clients_run = false;
    ASSERT_TRUE(world_.until([&] { return world_.settled() && world_.clients_ended == kClients; }));
    world_.process.crash();
  }
  Code recover_code() {
    world_.boot_recovery();
    EXPECT_TRUE(world_.until([&] { return world_.report.has_value(); }));
    return *world_.report ? Code{} : world_.report->error().code;
  }
  std::string message() { return world_.report->error().message; }
  World world_{1};
};

TEST_F(RecoverTest, ACatalogThatIsThereIsLeftAlone) {
  const Rows before = world_.rows();
  EXPECT_EQ(recover_code(), Code::kAlreadyExists);
  EXPECT_EQ(world_.rows(), before);
}

TEST_F(RecoverTest, MoreThanMNodesMustNotBeMissing) {
  world_.lose_machine();
  for (int i = 0; i < 3; ++i) world_.agents[i]->crash();
  const Code code = recover_code();
  EXPECT_THAT(code, testing::AnyOf(Code::kUnavailable, Code::kNotFound)) << message();
  EXPECT_FALSE(world_.process.disk().exists(kCatalog));
  EXPECT_FALSE(world_.process.disk().exists(std::string(kCatalog) + ".recovering"));
}

TEST_F(RecoverTest, ALostRecordIsNamedAndNothingIsLeft) {
  world_.lose_machine();
  // All copies of the last record that a later one says was acknowledged.
  std::set<std::uint64_t> sequences;
  std::uint64_t lost = 0;
  for (const auto& device : world_.devices)
    for (const auto& [shard, stored] : device->shards)
      if (const auto name = journal::parse_reserved(shard.extent);
          name && name->kind == journal::Kind::kRecord) {
        sequences.insert(name->sequence);
        const auto header =
            journal::decode_header(as_bytes(stored.bytes).first(stored.layout.length));
        ASSERT_TRUE(header);
        lost = std::max(lost, header->acknowledged);
      }
  ASSERT_TRUE(sequences.contains(lost));
  ASSERT_GT(*sequences.rbegin(), lost);
  for (const auto& device : world_.devices)
    std::erase_if(device->shards, [&](const auto& entry) {
      const auto name = journal::parse_reserved(entry.first.extent);
      return name && name->sequence == lost;
    });
  EXPECT_EQ(recover_code(), Code::kCorrupt);
  EXPECT_THAT(message(), testing::HasSubstr("record " + std::to_string(lost)));
  EXPECT_FALSE(world_.process.disk().exists(kCatalog));
}

TEST_F(RecoverTest, AGatewayWithAnEmptyCatalogTakesNoOldNodes) {
  world_.lose_machine();
  world_.boot_gateway();
  world_.simulation.run_for(5 * kSecond);
  ASSERT_NE(world_.gateway, nullptr);
  EXPECT_TRUE(world_.gateway->catalog().nodes()->empty());
}

TEST(JournalOnAGrid, WhatANewRootStandsForIsFreedEverywhere) {
  World world(5);
  world.boot_gateway();
  const auto snapshots = [&] {
    return world.gateway == nullptr ? 0 : world.gateway->journal().counters().snapshots;
  };
  // How much the clients must do for the next snapshot depends on what its rows take.
  const auto work_until_snapshot = [&](std::uint64_t number) {
    ASSERT_TRUE(world.until([&] { return snapshots() >= number; })) << world.simulation.report();
  };
  work_until_snapshot(2);
  world.agents[1]->crash();  // and comes back with what it held of roots that count no more
  work_until_snapshot(snapshots() + 1);
  world.agents[1]->restart();
  world.clients_run = false;
  ASSERT_TRUE(world.until([&] { return world.settled() && world.clients_ended == kClients; }));
  world.simulation.run_for(20 * kSecond);
  const auto state = world.gateway->journal().state();
  std::size_t roots = 0;
  std::map<std::uint64_t, std::size_t> records;
  for (const auto& device : world.devices)
    for (const auto& [shard, stored] : device->shards) {
      const auto name = journal::parse_reserved(shard.extent);
      if (!name) continue;
      if (name->kind == journal::Kind::kRoot)
        EXPECT_EQ(name->sequence, state.root);
      else
        EXPECT_GT(name->sequence, state.root);
      if (name->kind == journal::Kind::kRoot)
        ++roots;
      else
        ++records[name->sequence];
    }
  EXPECT_EQ(roots, 3u);
  for (std::uint64_t sequence = state.root + 1; sequence <= state.sequence; ++sequence)
    EXPECT_GE(records[sequence], 3u) << sequence;
  EXPECT_EQ(world.gateway->catalog().snapshots()->size(), 1u);
}

}  // namespace
}  // namespace hydra
