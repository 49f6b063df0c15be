#include "gateway/ctl/heal_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace hydra::ctl {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;
using testing::Not;

// A healer in the middle of its work.
Json example() {
  return {{"active", true},
          {"lease_holder", "me"},
          {"surveying", false},
          {"surveyed", 0},
          {"queue",
           {{"repairs", 12},
            {"repair_bytes", 48u << 20},
            {"moves", 0},
            {"move_bytes", 0},
            {"strays", 3},
            {"dead_extents", 1},
            {"trims", 1},
            {"half_dead_extents", 2},
            {"half_dead_bytes", 96u << 20}}},
          {"rate_bytes_per_second", 4u << 20},
          {"pace_bytes_per_second", 16u << 20},
          {"seconds_left", 12},
          {"ends", "2026-01-01T00:00:12.000Z"},
          {"healed_extents", 5},
          {"healed_bytes", 20u << 20},
          {"written_bytes", 5u << 20},
          {"running", 2},
          {"blocked", 0},
          {"blocked_why", ""},
          {"census",
           {{"ended", "2026-01-01T00:00:00.000Z"},
            {"extents", 100},
            {"bytes", 400u << 20},
            {"smallest_spare", 0},
            {"waiting_extents", 10},
            {"below", Json::array({{{"spare", -1}, {"extents", 1}, {"bytes", 4u << 20}},
                                   {{"spare", 1}, {"extents", 11}, {"bytes", 44u << 20}}})}}}};
}

admin::GridStatus degraded() {
  admin::GridStatus status;
  status.verdict = admin::Verdict::kDegraded;
  status.reasons = {"1 of 6 nodes away or failed"};
  status.nodes_may_fail = 1;
  return status;
}

TEST(HealReport, TellsWhatIsBelowItsProfileTheRateAndTheEnd) {
  EXPECT_EQ(*heal_report(example(), degraded(), false),
            "degraded: 1 of 6 nodes away or failed\n"
            "\n"
            "12 extents wait for repair (48.0 MiB), at 4.0 MiB/s, 12 s left (until "
            "2026-01-01T00:00:12.000Z).\n"
            "1 more node may fail without loss of data.\n"
            "Below their profile at 2026-01-01T00:00:00.000Z, by the shards that they may still "
            "lose:\n"
            "MAY STILL LOSE  EXTENTS     BYTES\n"
            "    unreadable        1   4.0 MiB\n"
            "             1       11  44.0 MiB\n"
            "10 of them wait for nodes that may come back.\n"
            "Since its start this gateway healed 5 extents (20.0 MiB); it may move 16.0 MiB/s "
            "now.\n"
            "To be freed after grace: 1 dead extent, 3 shards left behind.\n"
            "Waiting for compaction: 96.0 MiB in 2 extents, and 1 body to be trimmed.\n");
}

TEST(HealReport, LineForTheStatusAndForTheVerdict) {
  EXPECT_EQ(*heal_progress(example()),
            ", at 4.0 MiB/s, 12 s left (until 2026-01-01T00:00:12.000Z)");
  Json idle = example();
  idle["queue"]["repairs"] = 0;
  idle["rate_bytes_per_second"] = 0;
  EXPECT_EQ(*heal_progress(idle), "");
  EXPECT_EQ(*heal_line(idle), "no extents wait for repair.");
  EXPECT_EQ(*heal_progress(nullptr), "");
  EXPECT_EQ(*heal_line(nullptr), "the healer does not answer.");
}

TEST(HealReport, EndIsUnknownWithoutARate) {
  Json stuck = example();
  stuck["seconds_left"] = stuck["ends"] = nullptr;
  EXPECT_THAT(*heal_line(stuck), HasSubstr("until an unknown time"));
  stuck["rate_bytes_per_second"] = 0;
  stuck["blocked"] = 12;
  stuck["blocked_why"] = "no room\x1b";
  EXPECT_THAT(*heal_line(stuck), Not(HasSubstr("left")));
  EXPECT_THAT(*heal_report(stuck, degraded(), false),
              HasSubstr("12 extents cannot be helped now: no room?\n"));
}

TEST(HealReport, WholeGridIsSaidToBeWhole) {
  Json whole = example();
  whole["census"]["below"] = Json::array();
  EXPECT_THAT(*heal_report(whole, degraded(), false),
              HasSubstr("All 100 extents were whole at 2026-01-01T00:00:00.000Z.\n"));
  whole["census"] = nullptr;
  EXPECT_THAT(*heal_report(whole, degraded(), false), HasSubstr("not been walked over yet"));
}

TEST(HealReport, HealerElsewhereIsNamed) {
  Json elsewhere = example();
  elsewhere["active"] = false;
  EXPECT_THAT(*heal_report(elsewhere, degraded(), false),
              HasSubstr("The healer runs elsewhere: me.\n"));
}

TEST(HealReport, AnswerOfAnotherKindIsRefused) {
  EXPECT_EQ(heal_report(Json::object(), degraded(), false).error().code, Code::kCorrupt);
  EXPECT_EQ(heal_line(Json::object()).error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace hydra::ctl
