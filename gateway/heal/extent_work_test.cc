// What may go wrong between reading the old shards and swapping the row.
#include "gateway/heal/extent_work.h"

#include <gmock/gmock.h>

#include "gateway/heal/heal_world_fixture.h"

namespace hydra::heal {
namespace {

using testing::IsEmpty;
using testing::Not;

bool idle(HealWorld& world) {
  const HealStatus status = world.status();
  return status.totals.repairs + status.totals.moves == 0 && status.running.empty() &&
         !status.surveying;
}

TEST(ExtentWork, ShardsThatTheirNodeCannotVerifyAreNotNamed) {
  HealWorld world(9);
  for (int i = 0; i < 12; ++i) world.put("key-" + std::to_string(i), 300'000);
  world.pass(30 * kSecond);
  world.node(7).spoils = world.node(8).spoils = true;
  world.node(3).up = false;
  ASSERT_TRUE(world.settles([&] { return world.flaw({3}).empty() && idle(world); }))
      << world.flaw({3});
  EXPECT_THAT(world.node(7).damaged.size() + world.node(8).damaged.size(), Not(0u));  // were tried
  for (const auto& extent : world.extents())
    for (std::size_t i = 0; i < extent.nodes.size(); ++i)
      EXPECT_FALSE(world.node(extent.nodes[i]).damaged.contains(extent.shard(i)));
  world.expect_readable();
}

TEST(ExtentWork, TheSourceStaysWhenItsCopyFails) {
  HealWorld world(8);
  for (int i = 0; i < 6; ++i) world.put("key-" + std::to_string(i), 300'000);
  world.pass(30 * kSecond);
  const std::size_t held = world.node(3).shards.size();
  ASSERT_GT(held, 0u);
  for (NodeId id = 1; id <= 8; ++id) world.node(id).refuses = true;
  world.change_node(3, {.draining = true});
  ASSERT_TRUE(world.settles([&] { return world.status().blocked > 0; }));
  world.pass(120 * kSecond);
  EXPECT_EQ(world.node(3).shards.size(), held);
  EXPECT_EQ(world.flaw(), "");
}

TEST(ExtentWork, AnotherProfileIsTakenWithAllOfItsShardsOrNotAtAll) {
  HealWorld world(6);
  world.node(5).up = world.node(6).up = false;
  for (int i = 0; i < 3; ++i) world.put("key-" + std::to_string(i), 300'000);
  world.node(5).up = world.node(6).up = true;
  world.node(5).refuses = true;
  ASSERT_TRUE(world.settles([&] { return world.status().blocked > 0; }));
  world.pass(60 * kSecond);
  EXPECT_TRUE(world.all_there());
  world.node(1).up = world.node(2).up = false;
  world.expect_readable();
  world.node(1).up = world.node(2).up = true;
  world.node(5).refuses = false;
  ASSERT_TRUE(world.settles([&] { return world.flaw().empty(); })) << world.flaw();
  world.expect_readable();
}

TEST(ExtentWork, AHealerThatHasLostItsLeaseChangesNoRow) {
  HealWorld world(6);
  world.node(2).fail_after = world.node(2).blocks + 1;
  world.put("key", 3u << 20);
  world.node(2).fail_after = SIZE_MAX;
  const catalog::Extent before = world.extents().front();
  ASSERT_NE(before.missing, 0u);
  auto facts = std::make_shared<Facts>();
  for (NodeId id = 1; id <= 6; ++id) facts->nodes[id].takes = true;
  const auto work_on = [&](bool holds_lease) {
    Result<ExtentWork::Outcome> outcome = ExtentWork::Outcome::kNothing;
    world.run([&](Loop& loop) -> Task<void> {
      const Foreground foreground;
      Pacer pacer(loop, foreground, {});
      WritesInFlight writes;
      ExtentWork work({.loop = loop,
                       .grid = world.grid(),
                       .catalog = world.catalog(),
                       .pacer = pacer,
                       .writes = writes,
                       .grace_ms = 300'000,
                       .may_commit = [=] { return holds_lease; }},
                      facts, {});
      outcome = co_await work.run({.extent = before.id});
    });
    return outcome;
  };
  const auto refused = work_on(false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_EQ(world.extents().front().missing, before.missing);
  const auto done = work_on(true);
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_EQ(*done, ExtentWork::Outcome::kDone);
  EXPECT_EQ(world.flaw(), "");
}

}  // namespace
}  // namespace hydra::heal
