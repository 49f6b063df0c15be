#include "erasure/profile.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace hydra::erasure {
namespace {

TEST(Profile, TextRoundTrips) {
  for (int k = 1; k < kMaxShards; ++k)
    for (int m = 1; k + m <= kMaxShards; ++m) {
      const Profile profile{static_cast<std::uint8_t>(k), static_cast<std::uint8_t>(m)};
      const auto parsed = Profile::parse(profile.to_string());
      ASSERT_TRUE(parsed.has_value()) << profile.to_string();
      EXPECT_EQ(*parsed, profile);
    }
  EXPECT_EQ((Profile{4, 2}).to_string(), "4+2");
}

TEST(Profile, AnythingElseIsRefused) {
  for (const char* text : {"",     "+",     "4",    "4+",   "+2",   "4+0",           "0+2",
                           "4-2",  " 4+2",  "4+2 ", "04+2", "4+02", "4++2",          "4+2+1",
                           "31+2", "300+1", "-4+2", "4+-2", "a+b",  "999999999999+1"}) {
    const auto parsed = Profile::parse(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error().code, Code::kInvalidArgument);
  }
}

TEST(Profile, QuorumIsDataPlusHalfTheParityRoundedUp) {
  EXPECT_EQ(write_quorum({4, 2}), 5);
  EXPECT_EQ(write_quorum({2, 1}), 3);
  EXPECT_EQ(write_quorum({1, 2}), 2);
  EXPECT_EQ(write_quorum({3, 3}), 5);
  EXPECT_EQ(write_quorum({8, 4}), 10);
  EXPECT_EQ(write_quorum({1, 31}), 17);
}

TEST(Profile, FewNodesShrinkTheDataAndNeverTheParity) {
  EXPECT_EQ(profile_for({4, 2}, 100).value(), (Profile{4, 2}));
  EXPECT_EQ(profile_for({4, 2}, 6).value(), (Profile{4, 2}));
  EXPECT_EQ(profile_for({4, 2}, 5).value(), (Profile{3, 2}));
  EXPECT_EQ(profile_for({4, 2}, 4).value(), (Profile{2, 2}));
  EXPECT_EQ(profile_for({4, 2}, 3).value(), (Profile{1, 2}));
  for (std::size_t live = 0; live < 3; ++live) {
    const auto none = profile_for({4, 2}, live);
    ASSERT_FALSE(none.has_value());
    EXPECT_EQ(none.error().code, Code::kUnavailable);
  }
}

}  // namespace
}  // namespace hydra::erasure
