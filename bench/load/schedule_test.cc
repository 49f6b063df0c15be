#include "bench/load/schedule.h"

#include <gtest/gtest.h>

namespace hydra::bench {
namespace {

TEST(OpenSchedule, EvenStartsDoNotDrift) {
  OpenSchedule schedule(3, /*poisson=*/false, 1);
  for (int i = 0; i < 3'000'000; ++i) schedule.take();
  EXPECT_EQ(schedule.next(), 1'000'000'000'000'000);
}

TEST(OpenSchedule, TakesTimesInOrderWhetherOrNotAnyoneWasFree) {
  OpenSchedule schedule(1000, /*poisson=*/false, 1);
  EXPECT_EQ(schedule.next(), 0);
  EXPECT_EQ(schedule.take(), 0);
  EXPECT_EQ(schedule.next(), 1'000'000);
  EXPECT_EQ(schedule.take(), 1'000'000);
  EXPECT_EQ(schedule.take(), 2'000'000);
}

TEST(OpenSchedule, PoissonStartsHaveTheRateAndTheSpread) {
  OpenSchedule schedule(1000, /*poisson=*/true, 42);
  constexpr int kCount = 100'000;
  std::int64_t last = schedule.take();
  int short_gaps = 0;
  for (int i = 0; i < kCount; ++i) {
    const std::int64_t now = schedule.take();
    ASSERT_GE(now, last);
    short_gaps += now - last < 1'000'000;
    last = now;
  }
  EXPECT_NEAR(static_cast<double>(last), kCount * 1e6, kCount * 1e4);
  // Of exponential gaps, 1 - 1/e are shorter than the mean.
  EXPECT_NEAR(short_gaps / static_cast<double>(kCount), 0.632, 0.01);
}

TEST(OpenSchedule, SeedDecidesTheStarts) {
  OpenSchedule a(10, true, 1), b(10, true, 1), c(10, true, 2);
  a.take(), b.take(), c.take();
  EXPECT_EQ(a.next(), b.next());
  EXPECT_NE(a.next(), c.next());
}

}  // namespace
}  // namespace hydra::bench
