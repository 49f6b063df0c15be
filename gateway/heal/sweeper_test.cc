#include <gmock/gmock.h>

#include "gateway/heal/heal_world_fixture.h"

namespace hydra::heal {
namespace {

HealOptions small_batches() {
  HealOptions options = HealWorld::quick();
  options.sweep.batch = 2;
  return options;
}

TEST(Sweeper, DeadExtentsGoAfterTheirGrace) {
  HealWorld world(6);
  world.put("a", 100'000);
  world.put("b", 3u << 20);
  world.erase("a");
  world.erase("b");
  world.pass(290 * kSecond);
  EXPECT_GT(world.shards(), 0u);
  ASSERT_TRUE(world.settles([&] { return world.status().totals.dead_extents == 0; }, 30 * kSecond));
  EXPECT_EQ(world.shards(), 0u);
}

TEST(Sweeper, ThoseOnAnAwayNodeKeepNobodyWaiting) {
  HealWorld world(8, small_batches());
  for (int i = 0; i < 5; ++i) world.put("small-" + std::to_string(i), 1000);  // on three nodes
  for (int i = 0; i < 5; ++i) world.erase("small-" + std::to_string(i));
  const NodeId away = [&] {
    for (const auto& [id, node] : world.grid().all())
      if (!node.shards.empty()) return id;
    return NodeId{0};
  }();
  world.node(away).up = false;
  world.put("later", 300'000);
  world.erase("later");
  ASSERT_TRUE(world.settles([&] {
    for (const auto& [id, node] : world.grid().all())
      for (const auto& [shard, bytes] : node.shards)
        if (id != away && bytes.size() > 50'000) return false;
    return true;
  }));
  EXPECT_GT(world.status().totals.dead_extents, 0u);
  EXPECT_FALSE(world.node(away).shards.empty());
  world.node(away).up = true;
  ASSERT_TRUE(world.settles([&] { return world.status().totals.dead_extents == 0; }));
  EXPECT_EQ(world.shards(), 0u);
}

TEST(Sweeper, ARemovedNodeIsNotWaitedFor) {
  HealWorld world(8, small_batches());
  for (int i = 0; i < 4; ++i) world.put("dead-" + std::to_string(i), 300'000);
  for (int i = 0; i < 4; ++i) world.put("live-" + std::to_string(i), 300'000);
  world.pass(30 * kSecond);
  world.node(2).up = false;
  for (int i = 0; i < 4; ++i) world.erase("dead-" + std::to_string(i));
  world.pass(600 * kSecond);
  EXPECT_GT(world.status().totals.dead_extents, 0u);
  EXPECT_GT(world.status().totals.strays, 0u);
  world.change_node(2, {.remove = true});
  ASSERT_TRUE(world.settles([&] {
    const auto totals = world.status().totals;
    return totals.dead_extents == 0 && totals.strays == 0;
  }));
  EXPECT_EQ(world.flaw({2}), "");
  world.expect_readable();
}

// A catalog that is rebuilt from the journal must not name shards that are gone.
TEST(Sweeper, NothingIsFreedBeforeTheJournalHasWhy) {
  HealWorld world(6);
  world.put("a", 100'000);
  world.erase("a");
  world.pass(kSecond);
  ASSERT_EQ(world.status().totals.dead_extents, 1u);
  Busy busy;
  std::optional<Sweeper> sweeper;
  std::optional<Result<Sweeper::Swept>> swept;
  const auto sweep = [&] {
    swept.reset();
    world.run([&](Loop& loop) -> Task<void> {
      if (!sweeper)
        sweeper.emplace(loop, world.grid(), world.catalog(), busy, SweepOptions{.grace_ms = 0});
      struct Sweep {
        static Task<void> run(Sweeper* self, std::optional<Result<Sweeper::Swept>>* into) {
          *into = co_await self->sweep({}, [] { return true; });
        }
      };
      loop.spawn(Sweep::run(&*sweeper, &swept));
      co_return;
    });
    world.pass(5 * kSecond);
  };
  world.journal().holds = true;
  sweep();
  EXPECT_FALSE(swept);
  EXPECT_EQ(world.shards(), 6u);
  world.journal().answer(fail(Code::kInternal, "it takes too long"));
  world.pass(kSecond);
  ASSERT_TRUE(swept);
  EXPECT_FALSE(*swept);
  EXPECT_EQ(world.shards(), 6u);
  world.journal().holds = false;
  world.journal().answer({});
  sweep();
  ASSERT_TRUE(swept && *swept);
  EXPECT_EQ((*swept)->extents, 1u);
  EXPECT_EQ(world.shards(), 0u);
}

TEST(Sweeper, AbandonedUploadsExpire) {
  HealOptions options = small_batches();
  options.sweep.upload_expiry_ms = 2 * 3'600'000;
  HealWorld world(6, options);
  const auto begin = [&](std::string id) {
    world.run([&](Loop& loop) -> Task<void> {
      catalog::Upload upload{.bucket = world.bucket(), .key = "k", .upload_id = id};
      upload.initiated_ms = loop.wall_ms();
      EXPECT_TRUE(co_await world.catalog().create_upload(loop, upload));
    });
  };
  for (const char* id : {"a", "b", "c", "d", "e"}) begin(id);
  world.pass(5000 * kSecond);
  begin("young");
  EXPECT_EQ(world.status().totals.uploads, 6u);
  world.pass(6500 * kSecond);
  EXPECT_EQ(world.status().totals.uploads, 1u);
  EXPECT_TRUE(world.catalog().upload(world.bucket(), "k", "young"));
}

}  // namespace
}  // namespace hydra::heal
