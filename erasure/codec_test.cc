#include "erasure/codec.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <random>
#include <vector>

namespace hydra::erasure {
namespace {

using Shards = std::vector<std::vector<std::byte>>;

Shards encoded(Profile profile, std::size_t length, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Shards shards(static_cast<std::size_t>(profile.shards()), std::vector<std::byte>(length));
  std::vector<ByteView> data;
  std::vector<MutableBytes> parity;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    if (i >= profile.k) {
      parity.emplace_back(shards[i]);
      continue;
    }
    for (std::byte& byte : shards[i]) byte = static_cast<std::byte>(random());
    data.emplace_back(shards[i]);
  }
  codec_for(profile).encode(data, parity);
  return shards;
}

// Rebuilds the shards of the mask from the first k of the others, and compares.
::testing::AssertionResult rebuilds(Profile profile, const Shards& shards, std::uint32_t lost) {
  std::vector<Shard> present;
  std::vector<MissingShard> missing;
  Shards rebuilt(shards.size(), std::vector<std::byte>(shards[0].size(), std::byte{0xee}));
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const auto index = static_cast<std::uint8_t>(i);
    if ((lost >> i & 1) != 0)
      missing.push_back({index, rebuilt[i]});
    else if (present.size() < profile.k)
      present.push_back({index, shards[i]});
  }
  // Neither order matters.
  std::reverse(present.begin(), present.end());
  std::reverse(missing.begin(), missing.end());
  if (const Status status = codec_for(profile).reconstruct(present, missing); !status)
    return ::testing::AssertionFailure() << status.error().to_string();
  for (const MissingShard& shard : missing)
    if (rebuilt[shard.index] != shards[shard.index])
      return ::testing::AssertionFailure()
             << profile.to_string() << " lost mask " << lost << " shard " << int{shard.index};
  return ::testing::AssertionSuccess();
}

class EveryLoss : public ::testing::TestWithParam<Profile> {};

TEST_P(EveryLoss, OfAtMostMShardsIsRebuiltBitExact) {
  const Profile profile = GetParam();
  const Shards shards = encoded(profile, 173, 7);
  for (std::uint32_t lost = 1; lost < (1u << profile.shards()); ++lost)
    if (std::popcount(lost) <= profile.m) {
      ASSERT_TRUE(rebuilds(profile, shards, lost));
    }
}

TEST_P(EveryLoss, OfMoreThanMShardsIsAnError) {
  const Profile profile = GetParam();
  const Shards shards = encoded(profile, 64, 7);
  std::vector<Shard> present;
  for (std::uint8_t i = 1; i < profile.k; ++i) present.push_back({i, shards[i]});
  std::vector<std::byte> out(64);
  const MissingShard missing{0, out};
  const Status status = codec_for(profile).reconstruct(present, {&missing, 1});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kUnavailable);
}

INSTANTIATE_TEST_SUITE_P(Codec, EveryLoss,
                         ::testing::Values(Profile{1, 2}, Profile{2, 1}, Profile{3, 3},
                                           Profile{4, 2}, Profile{8, 4}),
                         [](const auto& named) {
                           return std::to_string(named.param.k) + "p" +
                                  std::to_string(named.param.m);
                         });

TEST(Codec, AnyProfileAndLengthSurvivesAnyMLosses) {
  EXPECT_TRUE(rc::check([] {
    const int k = *rc::gen::inRange(1, kMaxShards);
    const int m = *rc::gen::inRange(1, kMaxShards - k + 1);
    const Profile profile{static_cast<std::uint8_t>(k), static_cast<std::uint8_t>(m)};
    const auto length =
        *rc::gen::inRange<std::size_t>(1, *rc::gen::element<std::size_t>(2, 130, 2000, 70000));
    const Shards shards = encoded(profile, length, *rc::gen::arbitrary<std::uint64_t>());
    std::vector<int> order(shards.size());
    std::iota(order.begin(), order.end(), 0);
    std::mt19937_64 random(*rc::gen::arbitrary<std::uint64_t>());
    std::shuffle(order.begin(), order.end(), random);
    const int losses = *rc::gen::inRange(1, m + 1);
    std::uint32_t lost = 0;
    for (int i = 0; i < losses; ++i) lost |= 1u << order[static_cast<std::size_t>(i)];
    RC_ASSERT(static_cast<bool>(rebuilds(profile, shards, lost)));
  }));
}

TEST(Codec, AnyRangeOfColumnsIsRebuiltAlone) {
  const Profile profile{4, 2};
  const Shards shards = encoded(profile, 100'000, 3);
  std::vector<std::byte> out(333);
  const auto columns = [&](std::size_t i) { return ByteView(shards[i]).subspan(40'001, 333); };
  const std::vector<Shard> present = {
      {5, columns(5)}, {0, columns(0)}, {4, columns(4)}, {3, columns(3)}};
  const MissingShard missing{1, out};
  ASSERT_TRUE(codec_for(profile).reconstruct(present, {&missing, 1}).has_value());
  EXPECT_TRUE(std::ranges::equal(out, columns(1)));
}

TEST(Codec, ReplicasAreCopies) {
  for (std::uint8_t m = 1; m < kMaxShards; ++m) {
    const Shards shards = encoded({1, m}, 777, m);
    for (const auto& shard : shards) EXPECT_EQ(shard, shards[0]);
  }
}

TEST(Codec, FirstParityIsTheXorOfTheData) {
  const Shards shards = encoded({5, 3}, 50, 11);
  for (std::size_t at = 0; at < 50; ++at) {
    std::byte sum{0};
    for (std::size_t i = 0; i < 5; ++i) sum ^= shards[i][at];
    EXPECT_EQ(shards[5][at], sum);
  }
}

// The matrix is a disk format: shards written today are read with it in ten years. See
// docs/FORMAT-extent.md.
TEST(Codec, MatrixOfTheDocumentedExampleIsUnchanged) {
  const Codec& codec = codec_for({4, 2});
  const Shards shards = {{std::byte{1}}, {std::byte{2}}, {std::byte{3}}, {std::byte{4}}};
  const std::vector<ByteView> data(shards.begin(), shards.end());
  std::byte first{0};
  std::byte second{0};
  const std::vector<MutableBytes> parity = {{&first, 1}, {&second, 1}};
  codec.encode(data, parity);
  EXPECT_EQ(first, std::byte{0x04});
  EXPECT_EQ(second, std::byte{0xc0});
  const std::vector<int> second_parity = {1, 217, 92, 172};
  for (int column = 0; column < 4; ++column) {
    EXPECT_EQ(codec.coefficient(4, column), 1);
    EXPECT_EQ(codec.coefficient(5, column), second_parity[static_cast<std::size_t>(column)]);
  }
}

TEST(Codec, MalformedCallsAreRefused) {
  const Profile profile{2, 2};
  const Shards shards = encoded(profile, 64, 1);
  std::vector<std::byte> out(64);
  const auto refused = [&](Shard a, Shard b, MissingShard missing) {
    const std::vector<Shard> present = {a, b};
    const Status status = codec_for(profile).reconstruct(present, {&missing, 1});
    return !status && status.error().code == Code::kInvalidArgument;
  };
  const ByteView bytes = shards[1];
  EXPECT_TRUE(refused({1, bytes}, {1, bytes}, {0, out}));            // named twice
  EXPECT_TRUE(refused({1, bytes}, {2, bytes}, {1, out}));            // present and missing
  EXPECT_TRUE(refused({1, bytes}, {4, bytes}, {0, out}));            // no such shard
  EXPECT_TRUE(refused({1, bytes}, {2, bytes}, {32, out}));           // no such shard
  EXPECT_TRUE(refused({1, bytes}, {2, bytes.first(63)}, {0, out}));  // unequal lengths
  EXPECT_TRUE(refused({1, bytes}, {2, bytes}, {0, MutableBytes(out).first(63)}));
  EXPECT_TRUE(refused({1, {}}, {2, {}}, {0, {}}));  // nothing at all
}

TEST(Codec, MoreLossPatternsThanAreCachedStillRebuild) {
  const Profile profile{8, 4};
  const Shards shards = encoded(profile, 16, 5);
  for (int round = 0; round < 2; ++round)
    for (std::uint32_t a = 0; a < 12; ++a)
      for (std::uint32_t b = 0; b < a; ++b)
        for (std::uint32_t c = 0; c < b; ++c)
          ASSERT_TRUE(rebuilds(profile, shards, 1u << a | 1u << b | 1u << c));
}

}  // namespace
}  // namespace hydra::erasure
