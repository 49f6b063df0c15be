#include "gateway/ctl/text.h"

#include <gtest/gtest.h>

namespace hydra::ctl {
namespace {

TEST(Text, BytesHaveThreeDigits) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(100ull << 30), "100 GiB");
  EXPECT_EQ(bytes_text(UINT64_MAX), "16.0 EiB");
}

TEST(Text, DurationsAreShort) {
  EXPECT_EQ(duration_text(340), "0.3 s");
  EXPECT_EQ(duration_text(119'999), "119 s");
  EXPECT_EQ(duration_text(187'000), "3 min");
  EXPECT_EQ(duration_text(7'200'000), "2 h");
  EXPECT_EQ(duration_text(172'800'000), "2 d");
}

TEST(Text, UnknownLatencyIsADash) {
  EXPECT_EQ(latency_text(0), "-");
  EXPECT_EQ(latency_text(250), "250 us");
  EXPECT_EQ(latency_text(1900), "1.9 ms");
}

TEST(Text, SharesAreInPercent) {
  EXPECT_EQ(share_text(0.8312), "83.1 %");
  EXPECT_EQ(share_text(0.0), "0.0 %");
  EXPECT_EQ(share_text(std::nullopt), "-");
}

TEST(Text, TableSetsNumbersToTheRight) {
  Table table({">ID", "NAME"});
  table.add({"7", "äb"});
  table.add({"123", "a\x1b[2J"});
  EXPECT_EQ(table.to_string(),
            " ID  NAME\n"
            "  7  äb\n"
            "123  a?[2J\n");
}

TEST(Text, ColoursOnlyWhenAskedFor) {
  EXPECT_EQ(coloured("x", Colour::kRed, false), "x");
  EXPECT_EQ(coloured("x", Colour::kGreen, true), "\x1b[1;32mx\x1b[0m");
}

}  // namespace
}  // namespace hydra::ctl
