#include "gateway/ctl/node_report.h"

#include <gmock/gmock.h>

namespace hydra::ctl {
namespace {

using testing::HasSubstr;

TEST(NodeReport, ListsWhatAnOperatorAsksFor) {
  const Json answer = {{"nodes",
                        {{{"id", 7},
                          {"name", "attic"},
                          {"zone", "house"},
                          {"state", "healthy"},
                          {"draining", true},
                          {"seen", true},
                          {"role", "storage"},
                          {"weight", 0.5},
                          {"capacity_bytes", 4ull << 30},
                          {"used_bytes", 1ull << 30},
                          {"shards", 12},
                          {"sync_us", 1900},
                          {"reputation", {{"score", 0.5}, {"ejected", true}}}},
                         {{"id", 8},
                          {"name", "ssd"},
                          {"zone", "house"},
                          {"state", "healthy"},
                          {"role", "cache"},
                          {"capacity_bytes", 4ull << 30},
                          {"used_bytes", 3ull << 30},
                          {"shards", 3072},
                          {"cache", {{"hits", 3}, {"misses", 1}, {"hit_rate", 0.75}}},
                          {"reputation", {{"score", 1}}}}}}};
  EXPECT_EQ(
      node_list_text(answer),
      "ID  NAME   ROLE     ZONE   STATE                       WEIGHT     USED  CAPACITY    FILL"
      "  SHARDS    SYNC  SCORE    HITS\n"
      " 7  attic  storage  house  healthy, draining, ejected     0.5  1.0 GiB   4.0 GiB  25.0 %"
      "      12  1.9 ms   0.50       -\n"
      " 8  ssd    cache    house  healthy                          1  3.0 GiB   4.0 GiB  75.0 %"
      "    3072       -      -  75.0 %\n");
}

TEST(NodeReport, AnEmptyGridTellsHowToFillIt) {
  EXPECT_THAT(node_list_text({{"nodes", Json::array()}}), HasSubstr("hydractl node token"));
}

TEST(NodeReport, SaysWhenANodeMayBeUnplugged) {
  Json node = {{"id", 3}, {"name", "n"}, {"extents", 1}, {"extent_bytes", 2048}};
  EXPECT_EQ(holdings_text(node), "Node 3 (n) still holds shards of 1 extent, 2.0 KiB in all.\n");
  node["extents"] = 0;
  EXPECT_THAT(holdings_text(node), HasSubstr("safe to remove"));
}

TEST(NodeReport, NamesCannotSteerTheTerminal) {
  EXPECT_EQ(node_name({{"id", 3}, {"name", "a\x1b[2J"}}), "Node 3 (a?[2J)");
}

}  // namespace
}  // namespace hydra::ctl
