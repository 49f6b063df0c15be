#include "base/config/value.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace hydra::config {
namespace {

TEST(ConfigValue, SizesAreExact) {
  EXPECT_EQ(parse_size("0"), 0u);
  EXPECT_EQ(parse_size("512"), 512u);
  EXPECT_EQ(parse_size("512B"), 512u);
  EXPECT_EQ(parse_size("64KiB"), 65536u);
  EXPECT_EQ(parse_size("64 kib"), 65536u);
  EXPECT_EQ(parse_size("10MB"), 10'000'000u);
  EXPECT_EQ(parse_size("1.5GiB"), 3ull << 29);
  EXPECT_EQ(parse_size("0.001KB"), 1u);
  EXPECT_EQ(parse_size("18446744073709551615"), UINT64_MAX);
}

TEST(ConfigValue, WhatIsNoSizeIsRefused) {
  for (const char* text : {"", "x", "-1", "1.", ".5MiB", "1.5", "1.5B", "0.1KiB", "12 parsecs",
                           "1MiB ", "1e3", "18446744073709551616", "16384PiB", "0x10", "1,5MiB"})
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
}

TEST(ConfigValue, DurationsAreExact) {
  EXPECT_EQ(parse_duration("0"), 0);
  EXPECT_EQ(parse_duration("150ms"), 150'000'000);
  EXPECT_EQ(parse_duration("3s"), 3'000'000'000);
  EXPECT_EQ(parse_duration("1.5h"), 5'400'000'000'000);
  EXPECT_EQ(parse_duration("30d"), 30ll * 86'400 * 1'000'000'000);
  EXPECT_EQ(parse_duration("7us"), 7'000);
}

TEST(ConfigValue, WhatIsNoDurationIsRefused) {
  for (const char* text : {"", "3", "s", "-3s", "3 sec", "0.5ns", "1h30m", "300000d"})
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

TEST(ConfigValue, Addresses) {
  for (const char* text : {"0.0.0.0:9000", "localhost:0", "[::1]:9000", "[fe80::1%eth0]:1",
                           "unix:/run/hydra.sock", "node-1.lan:65535"})
    EXPECT_TRUE(is_address(text)) << text;
  for (const char* text :
       {"", "localhost", ":9000", "localhost:", "localhost:65536", "a b:1", "localhost:+1",
        "::1:9000", "[::1]", "[]:1", "unix:", "unix:relative", "http://localhost:1"})
    EXPECT_FALSE(is_address(text)) << text;
}

TEST(ConfigValue, EditDistanceCountsSwapsOnce) {
  EXPECT_EQ(edit_distance("listen", "listen"), 0u);
  EXPECT_EQ(edit_distance("listne", "listen"), 1u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

RC_GTEST_PROP(ConfigValue, SizesComeBackAsTheyWereFormatted, (std::uint64_t bytes)) {
  RC_ASSERT(parse_size(format_size(bytes)) == bytes);
  RC_ASSERT(parse_size(format_size(bytes << 20)) == bytes << 20);
}

RC_GTEST_PROP(ConfigValue, DurationsComeBackAsTheyWereFormatted, ()) {
  auto value = *rc::gen::inRange<std::int64_t>(0, INT64_MAX);
  RC_ASSERT(parse_duration(format_duration(value)) == value);
}

RC_GTEST_PROP(ConfigValue, AnyTextIsParsedOrRefused, (std::string text)) {
  (void)parse_size(text);
  (void)parse_duration(text);
  (void)is_address(text);
}

}  // namespace
}  // namespace hydra::config
