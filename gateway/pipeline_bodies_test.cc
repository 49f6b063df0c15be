#include "gateway/pipeline_bodies.h"

#include <gtest/gtest.h>

#include "gateway/heal/heal_world_fixture.h"

namespace hydra {
namespace {

struct Attempt {
  Status status;
  int commits = 0;
  std::vector<catalog::Extent> extents;  // that were committed
};

constexpr std::size_t kBytes = 3u << 20;

Attempt store(heal::HealWorld& world, Status answer = {}) {
  Attempt attempt;
  world.run([&](Loop&) -> Task<void> {
    TextSource source(std::string(kBytes, '\7'));
    PipelineBodies bodies(world.store());
    attempt.status = co_await bodies.store(
        source, kBytes, [&](catalog::NewData data, catalog::Slice) -> Task<Status> {
          ++attempt.commits;
          attempt.extents = std::move(data.extents);
          co_return answer;
        });
  });
  world.pass(kSecond);
  return attempt;
}

TEST(PipelineBodies, WhatIsCommittedLiesOnAllOfItsNodes) {
  heal::HealWorld world(6);
  const Attempt attempt = store(world);
  ASSERT_TRUE(attempt.status) << attempt.status.error().to_string();
  ASSERT_EQ(attempt.commits, 1);
  for (const auto& extent : attempt.extents) {
    EXPECT_EQ(extent.missing, 0u);
    EXPECT_EQ(extent.wanted, extent.profile);
    for (std::size_t i = 0; i < extent.nodes.size(); ++i)
      EXPECT_TRUE(world.node(extent.nodes[i]).shards.contains(extent.shard(i)));
  }
}

// A root names its snapshot for good: m nodes may be lost at once with the gateway.
TEST(PipelineBodies, WithAShardTooFewItIsNotCommitted) {
  heal::HealWorld world(6);
  world.node(2).fail_after = world.node(2).blocks + 1;
  const Attempt attempt = store(world);
  EXPECT_FALSE(attempt.status);
  EXPECT_EQ(attempt.commits, 0);
  EXPECT_EQ(world.shards(), 0u);
}

TEST(PipelineBodies, WhatTheCatalogRefusedIsFreed) {
  heal::HealWorld world(6);
  EXPECT_FALSE(store(world, fail(Code::kConflict)).status);
  EXPECT_EQ(world.shards(), 0u);
  // It may have been committed all the same.
  EXPECT_FALSE(store(world, fail(Code::kIo)).status);
  EXPECT_GT(world.shards(), 0u);
}

}  // namespace
}  // namespace hydra
