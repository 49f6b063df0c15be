// The expected values were worked out by hand from the formulas in the header.
#include "gateway/admin/durability.h"

#include <gtest/gtest.h>

#include <array>

namespace hydra::admin {
namespace {

constexpr FailureRates kRates = {.node = 0.05, .latent = 0.01};
constexpr erasure::Profile k42 = {4, 2}, k12 = {1, 2}, k84 = {8, 4}, k21 = {2, 1};

TEST(Durability, ShardIsAwayForRepairAndUntilTheNextScrub) {
  // (0.05 * 0.5 + 0.01 * 30) / 365 = 0.325 / 365
  EXPECT_NEAR(shard_away(kRates, {.repair_days = 0.5, .scrub_days = 30}), 8.90411e-4, 1e-9);
  // 0.05 * 1 / 365
  EXPECT_NEAR(shard_away({.node = 0.05, .latent = 0}, {.repair_days = 1, .scrub_days = 30}),
              1.369863e-4, 1e-10);
  EXPECT_EQ(shard_away({.node = 100, .latent = 0}, {.repair_days = 365}), 1);
}

TEST(Durability, LossIsOneShardMoreWhileMAreAway) {
  // 6 * 0.06 * C(5,2) * q^2 = 3.6 * 7.928317e-7
  EXPECT_NEAR(loss_per_year(k42, kRates, 8.90411e-4), 2.854194e-6, 1e-11);
  // 3 * 0.06 * C(2,2) * q^2
  EXPECT_NEAR(loss_per_year(k12, kRates, 8.90411e-4), 1.427097e-7, 1e-12);
  // 12 * 0.06 * C(11,4) * q^4 = 0.72 * 330 * 6.285821e-13
  EXPECT_NEAR(loss_per_year(k84, kRates, 8.90411e-4), 1.493511e-10, 1e-15);
  // 3 * 0.06 * C(2,1) * q
  EXPECT_NEAR(loss_per_year(k21, kRates, 1e-3), 3.6e-4, 1e-12);
  EXPECT_EQ(loss_per_year(k42, kRates, 1), 1);  // 3.6 is no probability
}

TEST(Durability, MeasuredTimesCountBeforeConfiguredOnes) {
  TimeFacts facts = {.wait_seconds = 864,
                     .node_bytes = 1'000'000,
                     .measured_rate = 0,
                     .configured_rate = 100,
                     .measured_scrub_seconds = 0,
                     .configured_scrub_seconds = 30 * 86'400.0};
  GridTimes times = times_of(facts);
  EXPECT_NEAR(times.repair_days, (864 + 10'000) / 86'400.0, 1e-12);
  EXPECT_FALSE(times.repair_measured);
  EXPECT_NEAR(times.scrub_days, 30, 1e-12);
  EXPECT_FALSE(times.scrub_measured);
  facts.measured_rate = 1000;
  facts.measured_scrub_seconds = 86'400;
  times = times_of(facts);
  EXPECT_NEAR(times.repair_days, (864 + 1000) / 86'400.0, 1e-12);
  EXPECT_TRUE(times.repair_measured);
  EXPECT_NEAR(times.scrub_days, 1, 1e-12);
  EXPECT_TRUE(times.scrub_measured);
}

TEST(Durability, WeakestProfileCounts) {
  const GridTimes times = {.repair_days = 0.5, .scrub_days = 30};
  const auto found = durability_of(std::array{k12, k42}, kRates, times);
  EXPECT_EQ(found.profile, k42);
  EXPECT_EQ(found.nines, 5);  // 2.85e-6
  EXPECT_EQ(nines_text(found), "5 nines (modelled)");
  EXPECT_EQ(durability_of(std::array{k12}, kRates, times).nines, 6);
  EXPECT_EQ(durability_of(std::array{k84}, kRates, times).nines, 9);
}

TEST(Durability, NeverClaimsMoreThanElevenNines) {
  // An hour to repair, scrubbed daily: q = 0.01208 / 365 = 3.3105e-5; 8+8 gives 2.4e-32.
  const auto found = durability_of(std::array{erasure::Profile{8, 8}}, kRates,
                                   {.repair_days = 1.0 / 24, .scrub_days = 1});
  EXPECT_LT(found.loss_per_year, 1e-20);
  EXPECT_EQ(nines_text(found), ">= 11 nines (modelled)");
  EXPECT_EQ(nines_text(durability_of(std::array{k42}, {0, 0}, {})), ">= 11 nines (modelled)");
}

TEST(Durability, LongRepairsLeaveNothingToClaim) {
  // q = (0.05 * 400 + 0.01 * 400) / 365 = 0.06575; P = 3.6 * q^2 = 0.01556
  const auto found =
      durability_of(std::array{k42}, kRates, {.repair_days = 400, .scrub_days = 400});
  EXPECT_NEAR(found.loss_per_year, 0.015565, 1e-6);
  EXPECT_EQ(nines_text(found), "1 nine (modelled)");
  EXPECT_EQ(durability_of(std::array{k42}, kRates, {.repair_days = 9999}).nines, 0);
}

TEST(Durability, EachFasterRepairIsWorthSomething) {
  double previous = 1;
  for (const double days : {30.0, 7.0, 1.0, 0.1}) {
    const auto found =
        durability_of(std::array{k42}, kRates, {.repair_days = days, .scrub_days = 30});
    EXPECT_LT(found.loss_per_year, previous);
    previous = found.loss_per_year;
  }
}

}  // namespace
}  // namespace hydra::admin
