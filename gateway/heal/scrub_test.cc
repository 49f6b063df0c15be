#include "gateway/heal/scrub.h"

#include <gtest/gtest.h>

#include "gateway/heal/walk_fixture.h"

namespace hydra::heal {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

ScrubOptions quick() {
  ScrubOptions options;
  options.period_ms = kHourMs;
  options.ceiling = 1u << 30;
  return options;
}

bool always() { return true; }

// Waits for the end of the pass that is under way or about to begin.
Task<Result<catalog::WalkRow>> whole_pass(WalkWorld& world, const Scrub& scrub,
                                          std::int64_t after_ms = 0) {
  const bool ended = co_await world.wait_for(
      [&] { return scrub.status().row.last_finished_ms > after_ms; }, 24 * 3600 * kSecond);
  if (!ended) co_return fail(Code::kTimeout, "the pass does not end");
  co_return scrub.status().row;
}

TEST(Scrub, DamageIsReportedAndANodeThatIsAwayIsNotTakenForIt) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    std::vector<catalog::Extent> extents;
    for (int i = 0; i < 30; ++i) {
      HYDRA_CO_TRY(auto extent, co_await world.put("key" + std::to_string(i)));
      extents.push_back(std::move(extent));
    }
    world.grid.corrupt.insert({1, extents[3].shard(0)});
    world.grid.corrupt.insert({2, extents[3].shard(1)});
    world.grid.node(3).shards.erase(extents[29].shard(2));
    world.grid.node(4).up = false;
    world.grid.read_errors[2] = 1;  // and then it reads after all
    co_await sleep_for(world.loop, kSecond);
    Scrub& scrub = world.make<Scrub>(world.loop, world.grid, *world.catalog, quick(), always);
    world.loop.spawn(Scrub::run(&scrub));
    scrub.start_now();
    HYDRA_CO_TRY(const auto first, co_await whole_pass(world, scrub));
    EXPECT_EQ(first.last_counts.shards, 90u);
    EXPECT_EQ(first.last_counts.broken, 3u);
    EXPECT_EQ(first.last_counts.unreachable, 30u);
    for (std::size_t i = 0; i < extents.size(); ++i)
      EXPECT_EQ(world.missing(extents[i]), i == 3 ? 0b0011u : i == 29 ? 0b0100u : 0u) << i;
    EXPECT_EQ(world.catalog->totals()->repairs, 2u);

    world.grid.node(4).up = true;
    scrub.start_now();
    HYDRA_CO_TRY(const auto second, co_await whole_pass(world, scrub, first.last_finished_ms));
    EXPECT_EQ(second.last_counts.unreachable, 0u);
    EXPECT_EQ(second.last_counts.shards, 117u);  // those that are missing are not asked for
    EXPECT_EQ(second.last_counts.broken, 0u);
    co_return Status();
  });
}

TEST(Scrub, ADeviceThatDoesNotReadTwiceIsDamage) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    HYDRA_CO_TRY(const auto extent, co_await world.put("key"));
    world.grid.read_errors[2] = 2;
    co_await sleep_for(world.loop, kSecond);
    Scrub& scrub = world.make<Scrub>(world.loop, world.grid, *world.catalog, quick(), always);
    world.loop.spawn(Scrub::run(&scrub));
    HYDRA_CO_CHECK_OK(co_await whole_pass(world, scrub));
    EXPECT_EQ(world.missing(extent), 0b0010u);
    co_return Status();
  });
}

// How long a pass over a hundred extents of 1 MB takes, in seconds.
double pass_seconds(ScrubOptions options, bool hurried = false) {
  double seconds = 0;
  in_walk_world(1, [&](WalkWorld& world) -> Task<Status> {
    for (int i = 0; i < 100; ++i)
      HYDRA_CO_CHECK_OK(co_await world.put("key" + std::to_string(i), {1, 2, 3, 4}, 1'000'000));
    co_await sleep_for(world.loop, kSecond);
    Scrub& scrub = world.make<Scrub>(world.loop, world.grid, *world.catalog, options, always);
    world.loop.spawn(Scrub::run(&scrub));
    if (hurried) scrub.start_now();
    HYDRA_CO_TRY(const auto row, co_await whole_pass(world, scrub));
    EXPECT_EQ(row.last_counts.shards, 400u);
    seconds = static_cast<double>(row.last_finished_ms - row.last_started_ms) / 1000;
    co_return Status();
  });
  return seconds;
}

TEST(Scrub, APassIsSpreadOverThePeriodBetweenFloorAndCeiling) {
  ScrubOptions options;
  options.period_ms = kHourMs;
  options.floor = 1;
  options.ceiling = 1u << 30;
  EXPECT_NEAR(pass_seconds(options), 3600, 360);
  EXPECT_LT(pass_seconds(options, true), 10);
  options.ceiling = 20'000;  // 200 MB of shards
  EXPECT_NEAR(pass_seconds(options), 10'000, 1000);
  EXPECT_NEAR(pass_seconds(options, true), 10'000, 1000);
  options.floor = options.ceiling = 2'000'000;
  EXPECT_NEAR(pass_seconds(options), 100, 15);
}

TEST(Scrub, TheNextPassBeginsAPeriodAfterTheLastBegan) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    HYDRA_CO_CHECK_OK(co_await world.put("key"));
    ScrubOptions options = quick();
    options.floor = 1u << 20;
    co_await sleep_for(world.loop, kSecond);
    Scrub& scrub = world.make<Scrub>(world.loop, world.grid, *world.catalog, options, always);
    world.loop.spawn(Scrub::run(&scrub));
    HYDRA_CO_TRY(const auto first, co_await whole_pass(world, scrub));
    EXPECT_EQ(scrub.status().next_start_ms, first.last_started_ms + kHourMs);
    HYDRA_CO_TRY(const auto second, co_await whole_pass(world, scrub, first.last_finished_ms));
    EXPECT_NEAR(static_cast<double>(second.last_started_ms - first.last_started_ms), kHourMs, 3000);
    co_return Status();
  });
}

TEST(Scrub, WhatIsBornMeanwhileWaitsForTheNextPass) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    for (int i = 0; i < 100; ++i) HYDRA_CO_CHECK_OK(co_await world.put("key" + std::to_string(i)));
    ScrubOptions options = quick();
    options.floor = 1;
    co_await sleep_for(world.loop, kSecond);
    Scrub& scrub = world.make<Scrub>(world.loop, world.grid, *world.catalog, options, always);
    world.loop.spawn(Scrub::run(&scrub));
    // More is written than it can look at.
    int born = 0;
    while (scrub.status().row.last_finished_ms == 0 && born < 10'000) {
      HYDRA_CO_CHECK_OK(co_await world.put("new" + std::to_string(born)));
      ++born;
      co_await sleep_for(world.loop, kSecond);
    }
    EXPECT_LT(born, 5000);
    EXPECT_EQ(scrub.status().row.last_counts.shards, 400u);
    co_return Status();
  });
}

TEST(Scrub, WhoeverHasTheLeaseGoesOnWhereItWas) {
  in_walk_world(1, [](WalkWorld& world) -> Task<Status> {
    constexpr std::size_t kExtents = 200;
    std::vector<catalog::Extent> extents;
    for (std::size_t i = 0; i < kExtents; ++i) {
      HYDRA_CO_TRY(auto extent, co_await world.put("key" + std::to_string(i)));
      extents.push_back(std::move(extent));
    }
    ScrubOptions options = quick();
    options.floor = 1;
    options.save_interval = 60 * kSecond;
    bool& mine = world.make<bool>(true);
    bool& theirs = world.make<bool>(false);
    co_await sleep_for(world.loop, kSecond);
    Scrub& scrub =
        world.make<Scrub>(world.loop, world.grid, *world.catalog, options, [&] { return mine; });
    Scrub& other =
        world.make<Scrub>(world.loop, world.grid, *world.catalog, options, [&] { return theirs; });
    world.loop.spawn(Scrub::run(&scrub));
    world.loop.spawn(Scrub::run(&other));
    const auto asked = [&] { return world.grid.verifications[1]; };
    EXPECT_TRUE(co_await world.wait_for([&] { return asked() > kExtents / 2; }));
    EXPECT_TRUE(scrub.status().working);
    EXPECT_NEAR(scrub.status().progress, 0.5, 0.1);
    mine = false;
    co_await sleep_for(world.loop, 600 * kSecond);
    EXPECT_LT(asked(), kExtents / 2 + 10) << "it goes on without the lease";
    world.grid.corrupt.insert({1, extents[kExtents - 1].shard(0)});
    theirs = true;
    HYDRA_CO_TRY(const auto row, co_await whole_pass(world, other));
    // A minute's work is done twice, and some of it counted twice.
    EXPECT_GE(asked(), kExtents);
    EXPECT_LE(asked(), kExtents + 12);
    EXPECT_EQ(row.last_counts.broken, 1u);
    EXPECT_EQ(world.missing(extents[kExtents - 1]), 1u);
    co_return Status();
  });
}

TEST(Scrub, LastVerifiedIsWhenThePassBeganThatHasSeenIt) {
  const auto id = [](std::int64_t born_ms) {
    ExtentId extent;
    store_be(extent.bytes.data(), static_cast<std::uint64_t>(born_ms) << 16);
    return extent;
  };
  EXPECT_EQ(birth_ms(id(1234)), 1234);
  catalog::WalkRow row;
  EXPECT_EQ(last_verified(row, id(5)), std::nullopt);
  row.last_started_ms = 100;
  row.last_finished_ms = 150;
  EXPECT_EQ(last_verified(row, id(99)), 100);
  EXPECT_EQ(last_verified(row, id(100)), std::nullopt);  // born too late for that pass
  row.started_ms = 200;
  EXPECT_EQ(last_verified(row, id(99)), 100);
  row.cursor = id(120);
  EXPECT_EQ(last_verified(row, id(120)), 200);
  EXPECT_EQ(last_verified(row, id(121)), std::nullopt);
}

}  // namespace
}  // namespace hydra::heal
