#include "gateway/s3/conditions.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/encoding.h"

namespace hydra::s3 {
namespace {

constexpr std::int64_t kModified = 1'700'000'000'500;
std::string date(std::int64_t seconds_later) {
  return format_http_date(kModified + seconds_later * 1000);
}
Verdict judged(Conditions conditions) { return judge(conditions, "tag", kModified); }

TEST(Conditions, IfMatchDecidesOverIfUnmodifiedSince) {
  EXPECT_EQ(judged({.if_match = "\"tag\""}), Verdict::kProceed);
  EXPECT_EQ(judged({.if_match = "tag"}), Verdict::kProceed);
  EXPECT_EQ(judged({.if_match = "\"other\", \"tag\""}), Verdict::kProceed);
  EXPECT_EQ(judged({.if_match = "*"}), Verdict::kProceed);
  EXPECT_EQ(judged({.if_match = "\"other\""}), Verdict::kPreconditionFailed);
  EXPECT_EQ(judged({.if_match = "W/\"tag\""}), Verdict::kPreconditionFailed);
  EXPECT_EQ(judged({.if_match = "\"tag\"", .if_unmodified_since = date(-10)}), Verdict::kProceed);
  EXPECT_EQ(judged({.if_unmodified_since = date(-10)}), Verdict::kPreconditionFailed);
  EXPECT_EQ(judged({.if_unmodified_since = date(0)}), Verdict::kProceed);
}

TEST(Conditions, IfNoneMatchDecidesOverIfModifiedSince) {
  EXPECT_EQ(judged({.if_none_match = "\"tag\""}), Verdict::kNotModified);
  EXPECT_EQ(judged({.if_none_match = "*"}), Verdict::kNotModified);
  EXPECT_EQ(judged({.if_none_match = "\"other\"", .if_modified_since = date(10)}),
            Verdict::kProceed);
  EXPECT_EQ(judged({.if_modified_since = date(0)}), Verdict::kNotModified);
  EXPECT_EQ(judged({.if_modified_since = date(-1)}), Verdict::kProceed);
  EXPECT_EQ(judged({.if_modified_since = "yesterday"}), Verdict::kProceed);
  EXPECT_EQ(judged({.if_match = "\"other\"", .if_none_match = "\"tag\""}),
            Verdict::kPreconditionFailed);
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> range(std::string_view text,
                                                             std::uint64_t bytes) {
  const auto parsed = parse_range(text, bytes);
  if (!parsed || !*parsed) return std::nullopt;
  return std::pair((*parsed)->offset, (*parsed)->length);
}

TEST(Ranges, TheThreeForms) {
  EXPECT_EQ(range("bytes=0-4", 10), std::pair(0ul, 5ul));
  EXPECT_EQ(range("bytes=5-", 10), std::pair(5ul, 5ul));
  EXPECT_EQ(range("bytes=-3", 10), std::pair(7ul, 3ul));
  EXPECT_EQ(range("bytes=-30", 10), std::pair(0ul, 10ul));
  EXPECT_EQ(range("bytes=4-400", 10), std::pair(4ul, 6ul));
}

TEST(Ranges, OutsideIsAnErrorAndNonsenseIsIgnored) {
  for (const char* outside : {"bytes=10-", "bytes=10-12", "bytes=-0"}) {
    const auto parsed = parse_range(outside, 10);
    ASSERT_FALSE(parsed) << outside;
    EXPECT_EQ(parsed.error().code, Code::kInvalidRange);
  }
  EXPECT_FALSE(parse_range("bytes=-1", 0));
  for (const char* nonsense : {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4",
                               "lines=1-2", "bytes=0-1,3-4", "bytes=99999999999999999999-"}) {
    const auto parsed = parse_range(nonsense, 10);
    ASSERT_TRUE(parsed) << nonsense;
    EXPECT_FALSE(parsed->has_value()) << nonsense;
  }
}

RC_GTEST_PROP(Ranges, WhatIsParsedLiesInside, (const std::string& text, std::uint64_t bytes)) {
  const auto parsed = parse_range("bytes=" + text, bytes);
  if (parsed && *parsed) {
    RC_ASSERT((*parsed)->length > 0);
    RC_ASSERT((*parsed)->offset < bytes);
    RC_ASSERT((*parsed)->length <= bytes - (*parsed)->offset);
  }
}

TEST(Ranges, OfACopyMustLieInsideWhole) {
  EXPECT_EQ(parse_copy_range("bytes=0-9", 10)->length, 10u);
  EXPECT_EQ(parse_copy_range("bytes=0-10", 10).error().code, Code::kInvalidRange);
  for (const char* bad : {"0-9", "bytes=0-", "bytes=-5", "bytes=5-4", "bytes=0-1 "})
    EXPECT_EQ(parse_copy_range(bad, 10).error().code, Code::kInvalidArgument) << bad;
}

}  // namespace
}  // namespace hydra::s3
