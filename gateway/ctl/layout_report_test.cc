#include "gateway/ctl/layout_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace hydra::ctl {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

Json node(int id, std::uint64_t now, std::uint64_t then, bool draining) {
  return {{"id", id},
          {"name", "n" + std::to_string(id)},
          {"zone", "z"},
          {"weight", 1.0},
          {"draining", draining},
          {"removed", false},
          {"capacity_bytes", 10u << 20},
          {"now_bytes", now},
          {"then_bytes", then},
          {"in_bytes", then > now ? then - now : 0},
          {"out_bytes", now > then ? now - then : 0}};
}

Json example() {
  return {{"epoch", 7},
          {"profile", "1+1"},
          {"extents", 4},
          {"moved_extents", 2},
          {"moved_shards", 2},
          {"moved_bytes", 1u << 20},
          {"touched_bytes", 1u << 20},
          {"rebuilt_bytes", 0},
          {"rate_bytes_per_second", 1u << 19},
          {"seconds", 3},
          {"warnings", Json::array({"it is tight"})},
          {"nodes", Json::array({node(1, 1u << 20, 0, true), node(2, 1u << 20, 2u << 20, false)})}};
}

TEST(LayoutReport, PlanTellsBytesAndTimeBeforeAnythingMoves) {
  EXPECT_EQ(
      *layout_report(example(), false),
      "ring epoch 7, profile 1+1\n"
      "\n"
      "ID  NAME  ZONE  WEIGHT  CAPACITY    HOLDS    GIVES     GETS     THEN    FILL  NOTE\n"
      " 1  n1    z          1  10.0 MiB  1.0 MiB  1.0 MiB      0 B      0 B   0.0 %  draining\n"
      " 2  n2    z          1  10.0 MiB  1.0 MiB      0 B  1.0 MiB  2.0 MiB  20.0 %\n"
      "\n"
      "1.0 MiB in 2 shards of 2 extents would move; about 3.0 s at the healer's 512 KiB/s.\n"
      "Careful: it is tight.\n");
}

TEST(LayoutReport, UnmeasuredRateIsSaid) {
  Json layout = example();
  layout["seconds"] = nullptr;
  EXPECT_THAT(*layout_report(layout, false), HasSubstr("how long it takes is not known"));
}

TEST(LayoutReport, ShowTellsWhatIs) {
  Json layout = example();
  layout["moved_bytes"] = 0;
  EXPECT_THAT(*layout_report(layout, true), HasSubstr("Everything lies where the ring wants it."));
}

TEST(LayoutReport, AnswerOfAnotherKindIsRefused) {
  EXPECT_EQ(layout_report(Json::object(), true).error().code, Code::kCorrupt);
}

TEST(LayoutChanges, AreReadFromOptions) {
  LayoutOptions options;
  options.drain = {"attic"};
  options.weight = {"a=b=0.5"};
  options.zone = {"3=west"};
  EXPECT_EQ(layout_changes(options)->dump(),
            R"({"changes":[{"node":"attic","draining":true},{"node":"a=b","weight":0.5},)"
            R"({"node":"3","zone":"west"}]})");
  for (const char* wrong : {"a", "=1", "a=", "a=x", "a=1x"}) {
    LayoutOptions bad;
    bad.weight = {wrong};
    EXPECT_EQ(layout_changes(bad).error().code, Code::kInvalidArgument) << wrong;
  }
}

}  // namespace
}  // namespace hydra::ctl
