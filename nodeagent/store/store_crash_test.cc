// Crashes and power losses at any moment, over many seeds: what was acknowledged is there, nothing
// is half there.
#include <cstdlib>
#include <map>
#include <optional>
#include <set>

#include "base/runtime/sim/run_sim.h"
#include "base/runtime/sync.h"
#include "nodeagent/store/store_fixture.h"

namespace hydra::agent {
namespace {

StoreOptions crash_store() {
  StoreOptions options;
  options.directory = kStoreDirectory;
  options.log_bytes = 1u << 20;
  options.reserve_bytes = 1u << 20;
  options.checkpoint_bytes = 600'000;
  options.checkpoint_changes = 24;
  options.checkpoint_interval = 40 * kMillisecond;
  return options;
}

// What the callers of the store know of one shard.
struct Known {
  erasure::Layout layout;
  std::optional<std::uint64_t>
      acknowledged;  // the content that must be there, unless a later one is
  std::map<std::uint64_t, std::uint32_t> possible;  // number of the content -> its CRC32C
  bool busy = false;
};

struct World {
  explicit World(std::uint64_t seed) : simulation(seed), process(simulation.add_process("agent")) {
    process.add_loop();
  }
  sim::Simulation simulation;
  sim::Process& process;
  std::unique_ptr<ShardStore> store;
  std::map<ShardId, Known> shards;
  std::uint64_t next_content = 1;
  std::uint64_t commits = 0;
  std::uint64_t refused = 0;
  StoreOptions options = crash_store();
};

erasure::Layout random_layout(sim::Prng& prng) {
  const std::uint64_t kind = prng.below(20);
  if (kind < 15) return layout_of(prng.between(1, 20'000), 1, 1);
  if (kind < 18) return layout_of(prng.between(1, 300'000), 2, 1);
  if (kind < 19) return layout_of(prng.between(260'000, 700'000), 1, 2);
  return layout_of(prng.between(1'000'000, 1'500'000), 1, 1);
}

Task<void> write_one(World& world, ShardId id, Known& known) {
  const std::uint64_t content = world.next_content++;
  auto pending = co_await start_shard(*world.store, id, known.layout, content);
  if (!pending) {
    ++world.refused;
    co_return;
  }
  if (world.simulation.prng().chance(0.1)) co_return;  // abandoned
  if (world.simulation.prng().chance(0.1)) co_await sleep_for(world.process.loop(), kMillisecond);
  known.possible[content] = crc32c(as_bytes(shard_content(content, known.layout.shard_bytes())));
  const Status done = co_await (*pending)->commit();
  if (!done) {
    ++world.refused;
    co_return;
  }
  ++world.commits;
  known.acknowledged = content;
}

Task<void> free_one(World& world, ShardId id, Known& known) {
  known.acknowledged.reset();
  const Status freed = co_await world.store->free(id);
  EXPECT_TRUE(freed) << freed.error().to_string();
}

Task<void> worker(World& world) {
  sim::Prng& prng = world.simulation.prng();
  for (;;) {
    const ShardId id = shard_id(prng.below(60));
    auto [entry, fresh] = world.shards.try_emplace(id);
    Known& known = entry->second;
    if (known.busy) {
      co_await sleep_for(world.process.loop(), 100 * kMicrosecond);
      continue;
    }
    if (fresh) known.layout = random_layout(prng);
    known.busy = true;
    if (prng.chance(known.acknowledged ? 0.5 : 0.1))
      co_await free_one(world, id, known);
    else
      co_await write_one(world, id, known);
    known.busy = false;
    if (prng.chance(0.3)) co_await sleep_for(world.process.loop(), prng.below(3 * kMillisecond));
  }
}

Task<void> open_and_check(World& world, bool must_exist) {
  auto opened = co_await ShardStore::open(world.process.loop(), world.options);
  ASSERT_OK_CO(opened);
  world.store = std::move(*opened);
  for (const LogDamage& damage : world.store->damage())
    ADD_FAILURE() << "false damage: log " << damage.generation << " at " << damage.offset << ", "
                  << damage.bytes << " bytes";
  std::set<ShardId> listed;
  const auto list = world.store->list(std::nullopt, 1000);
  ASSERT_OK_CO(list);
  for (const ShardInfo& info : *list) listed.insert(info.id);
  for (auto& [id, known] : world.shards) {
    const auto got = co_await get_shard(*world.store, id);
    if (!got) {
      EXPECT_EQ(got.error().code, Code::kNotFound) << got.error().to_string();
      EXPECT_FALSE(known.acknowledged && must_exist) << "lost " << id.extent.to_string();
      EXPECT_FALSE(listed.contains(id));
      known.acknowledged.reset();
      known.busy = false;
      continue;
    }
    EXPECT_TRUE(listed.contains(id));
    const Status verified = co_await world.store->verify(id);
    EXPECT_TRUE(verified) << verified.error().to_string();
    std::optional<std::uint64_t> which;
    for (const auto& [content, crc] : known.possible)
      if (crc32c(as_bytes(*got)) == crc && got->size() == known.layout.shard_bytes())
        which = content;
    EXPECT_TRUE(which) << "other bytes in " << id.extent.to_string();
    if (which && known.acknowledged) EXPECT_GE(*which, *known.acknowledged);
    // A shard that a free did not end for good counts as there from now on.
    known.acknowledged = which;
    known.busy = false;
  }
}

void run_seed(std::uint64_t seed, int rounds, std::uint64_t capacity_bytes) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  World world(seed);
  world.options.capacity_bytes = capacity_bytes;
  for (int round = 0; round < rounds && !testing::Test::HasFailure(); ++round) {
    sim::run_in(world.process, [&](Loop&) { return open_and_check(world, true); });
    if (testing::Test::HasFailure()) return;
    for (int i = 0; i < 6; ++i) world.process.loop().spawn(worker(world));
    world.simulation.run_for(
        static_cast<Nanos>(world.simulation.prng().between(1, 150 * kMillisecond)));
    if (world.simulation.prng().chance(0.25))
      world.process.crash();
    else
      world.process.power_loss();
    world.store.reset();
    world.process.restart();
  }
  // Without its index everything is found again.
  world.process.disk().erase(std::string(kStoreDirectory) + "/index");
  sim::run_in(world.process, [&](Loop&) { return open_and_check(world, true); });
  EXPECT_GT(world.commits, 0u);
  if (capacity_bytes == 0) EXPECT_EQ(world.refused, 0u);
  sim::run_in(world.process, [&](Loop&) -> Task<void> {
    ASSERT_OK_CO(co_await world.store->close());
    world.store.reset();
    co_await open_and_check(world, true);
  });
}

// HYDRA_SEED=N repeats one run.
void run_seeds(std::uint64_t first, std::uint64_t last, std::uint64_t capacity_bytes) {
  if (const char* seed = std::getenv("HYDRA_SEED"))
    return run_seed(std::stoull(seed), 3, capacity_bytes);
  for (std::uint64_t seed = first; seed <= last && !testing::Test::HasFailure(); ++seed)
    run_seed(seed, 3, capacity_bytes);
}

TEST(StoreCrash, AcknowledgedShardsSurviveAnyMoment) { run_seeds(1, 60, 0); }

// Where there is hardly room, logs are dropped, punched and compacted all the time.
TEST(StoreCrash, AcknowledgedShardsSurviveOnAFullDevice) { run_seeds(1001, 1060, 7u << 20); }

}  // namespace
}  // namespace hydra::agent
