#include "gateway/ctl/object_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace hydra::ctl {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

Json shard(int index, const char* state) {
  return {{"index", index}, {"node", index + 1},   {"name", "agent"}, {"zone", "z"},
          {"state", state}, {"verified", nullptr}, {"error", nullptr}};
}

Json example() {
  Json extent = {{"id", "00ff"},  {"profile", "1+2"}, {"wanted", "1+2"},
                 {"bytes", 1536}, {"spare", 2},       {"shards", Json::array()}};
  for (int i = 0; i < 3; ++i) extent["shards"].push_back(shard(i, "present"));
  return {{"bucket", "b"},     {"key", "a\x1b/k"},   {"version_id", "null"},
          {"bytes", 1500},     {"etag", "e"},        {"modified", "2026-01-01T00:00:00.000Z"},
          {"extent_count", 1}, {"truncated", false}, {"extents", Json::array({extent})}};
}

TEST(S3Url, BucketAndKey) {
  EXPECT_EQ(*parse_s3_url("s3://b/a/k"), std::pair(std::string("b"), std::string("a/k")));
  EXPECT_EQ(parse_s3_url("s3://b//k")->second, "/k");
  for (const char* wrong : {"", "b/k", "s3://", "s3://b", "s3://b/", "s3:///k"})
    EXPECT_EQ(parse_s3_url(wrong).error().code, Code::kInvalidArgument) << wrong;
}

TEST(ObjectReport, TellsWhereEachShardLives) {
  EXPECT_EQ(*object_report(example(), false),
            "s3://b/a?/k\n"
            "version null, 1.5 KiB, modified 2026-01-01T00:00:00.000Z, 1 extent\n"
            "\n"
            "extent 0  00ff  1+2, 1.5 KiB: 2 more shards may be lost\n"
            "SHARD  NODE  NAME   ZONE  STATE    VERIFIED  ERROR\n"
            "    0     1  agent  z     present  unknown\n"
            "    1     2  agent  z     present  unknown\n"
            "    2     3  agent  z     present  unknown\n"
            "\n");
}

TEST(ObjectReport, ShardsThatWereNotAskedForAreNotTold) {
  Json object = example();
  object["extents"][0].erase("spare");
  object["extents"][0].erase("shards");
  EXPECT_THAT(*object_report(object, false), HasSubstr("1+2, 1.5 KiB\n"));
  EXPECT_EQ(object_exit(object), kExitOk);
}

TEST(ObjectReport, ExitTellsHowMuchIsLeft) {
  Json object = example();
  EXPECT_EQ(object_exit(object), kExitOk);
  object["extents"][0]["shards"][1]["state"] = "corrupt";
  object["extents"][0]["spare"] = 1;
  EXPECT_EQ(object_exit(object), kExitDegraded);
  object["extents"][0]["spare"] = 0;
  EXPECT_EQ(object_exit(object), kExitAtRisk);
  object["extents"][0]["spare"] = -1;
  EXPECT_THAT(*object_report(object, true), HasSubstr("\x1b[1;31mcannot be read now\x1b[0m"));
}

TEST(ObjectReport, AnswerOfAnotherKindIsRefused) {
  EXPECT_EQ(object_report(Json::array(), false).error().code, Code::kCorrupt);
  EXPECT_EQ(object_report(Json{{"bucket", 1}}, false).error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace hydra::ctl
