#include "gateway/ctl/scrub_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace hydra::ctl {
namespace {

using Json = nlohmann::ordered_json;

Json pass(int broken, int unreachable) {
  return {{"started", "T1"}, {"finished", "T2"}, {"shards", 7},
          {"bytes", 2048},   {"broken", broken}, {"unreachable", unreachable}};
}

Json idle() {
  return {{"working", false}, {"progress", 0.0}, {"bytes_per_second", 0}, {"ends", nullptr},
          {"next", nullptr},  {"now", nullptr},  {"last", nullptr}};
}

TEST(ScrubReport, BeforeTheFirstPass) {
  EXPECT_EQ(*scrub_report(idle()),
            "No scrub is under way, and none is planned.\nNo scrub has been finished yet.\n");
}

TEST(ScrubReport, TellsWhatWasFound) {
  Json scrub = idle();
  scrub["next"] = "T3";
  scrub["last"] = pass(1, 2);
  EXPECT_EQ(*scrub_report(scrub),
            "No scrub is under way; the next begins at T3.\n"
            "The last one ended at T2: 7 shards (2.0 KiB) verified, 1 broken, 2 on nodes that were "
            "away.\n");
}

TEST(ScrubReport, PassUnderWay) {
  Json scrub = idle();
  scrub["now"] = pass(0, 0);
  scrub["progress"] = 0.256;
  scrub["bytes_per_second"] = 1024;
  scrub["ends"] = "T4";
  EXPECT_EQ(*scrub_report(scrub),
            "A scrub is under way since T1: 25.6 %, 7 shards (2.0 KiB) verified, 0 broken, 1.0 "
            "KiB/s, until T4.\nNo scrub has been finished yet.\n");
}

TEST(ScrubReport, AnswerOfAnotherKindIsRefused) {
  EXPECT_EQ(scrub_report(Json::object()).error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace hydra::ctl
