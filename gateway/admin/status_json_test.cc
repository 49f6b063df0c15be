#include "gateway/admin/status_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace hydra::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

GridStatus example() {
  GridStatus status;
  status.verdict = Verdict::kAtRisk;
  status.reasons = {"one", "two"};
  status.version = "1.2.3";
  status.cluster = "00ff";
  status.profile = {4, 2};
  status.write_profile = erasure::Profile{2, 2};
  status.nodes_may_fail = 1;
  status.ring_epoch = 7;
  status.capacity = {1ull << 60, 2, 3, 4, 5};
  status.totals = {1, 2, 3, 4, 5, 6, 7};
  status.journal = {.begun = true,
                    .based = true,
                    .able = false,
                    .copies = 3,
                    .takers = 2,
                    .waiting_records = 4,
                    .bytes_since_snapshot = 5,
                    .snapshot_age_ms = 6,
                    .records = 7,
                    .retries = 8,
                    .snapshots = 9};
  NodeStatus node;
  node.id = 3;
  node.name = "agent \"3\"";
  node.zone = "west";
  node.version = "1.2.2";
  node.state = agent::NodeState::kSuspect;
  node.draining = node.placed = node.seen = true;
  node.capacity_bytes = 1000;
  node.heartbeat_age_ms = 3500;
  node.latency_p50_us = 250;
  node.latency_p95_us = 1900;
  node.load = {.used_bytes = 400,
               .free_bytes = 600,
               .shards = 12,
               .syncs = 13,
               .bytes_written = 14,
               .errors = 15,
               .sync_us = 16,
               .fenced = true};
  node.weight = 0.5;
  node.score = {0.1, 0.2, 0.3, 0.4, 0.5, true, true};
  status.nodes = {node, NodeStatus{.id = 4, .name = "agent-4"}};
  NodeStatus cache{.id = 5, .name = "cache-1", .role = agent::NodeRole::kCache};
  cache.cache = {
      .hits = 3, .hit_bytes = 4, .misses = 1, .lapses = 5, .wrong = 6, .filled = 7, .dropped = 8};
  status.caches = {cache, cache};
  return status;
}

TEST(StatusJson, EverythingIsReadBack) {
  const GridStatus status = example();
  const auto read = parse_status(to_json(status));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, status);
}

TEST(StatusJson, RefusedWritesHaveNoProfile) {
  GridStatus status = example();
  status.write_profile.reset();
  EXPECT_THAT(to_json(status), HasSubstr("\"write_profile\": null"));
  EXPECT_EQ(*parse_status(to_json(status)), status);
}

TEST(StatusJson, AJournalMayBeUnknownAndHaveNoSnapshot) {
  GridStatus status = example();
  status.journal->snapshot_age_ms.reset();
  EXPECT_EQ(*parse_status(to_json(status)), status);
  status.journal.reset();
  EXPECT_EQ(*parse_status(to_json(status)), status);
}

TEST(StatusJson, HitRateIsThatOfAllCacheNodesAndNullWhenNoneWasAsked) {
  GridStatus status = example();
  auto json = write_status(status);
  EXPECT_EQ(json["cache"]["hits"], 6);
  EXPECT_EQ(json["cache"]["hit_rate"], 0.75);
  EXPECT_EQ(json["cache"]["nodes"][1]["role"], "cache");
  EXPECT_EQ(json["cache"]["nodes"][1]["cache"]["hit_rate"], 0.75);
  EXPECT_EQ(json["nodes"].size(), 2u);
  for (auto& cache : status.caches) cache.cache = {};
  EXPECT_EQ(write_status(status)["cache"]["hit_rate"], nullptr);
}

TEST(StatusJson, UnknownMembersArePassedOver) {
  std::string json = to_json(example());
  json.insert(1, "\"from_the_future\": [1],");
  EXPECT_EQ(*parse_status(json), example());
}

TEST(StatusJson, WhatIsNoStatusIsRefused) {
  std::string json = to_json(example());
  json.replace(json.find("at risk"), 7, "at rest");
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{}"), std::string("{\"verdict\": 3}"), json})
    EXPECT_EQ(parse_status(text).error().code, Code::kInvalidArgument) << text;
}

TEST(StatusJson, BrokenTextOfAnAgentDoesNotBreakTheAnswer) {
  GridStatus status = example();
  status.nodes[0].name = "\xff\xfe";
  EXPECT_TRUE(parse_status(to_json(status)));
}

TEST(StatusJson, PublicFormNamesNobody) {
  const std::string json = to_public_json(example());
  EXPECT_THAT(json, HasSubstr("\"verdict\": \"at risk\""));
  EXPECT_THAT(json, HasSubstr("\"suspect\": 1"));
  EXPECT_THAT(json, HasSubstr("\"down\": 1"));
  EXPECT_THAT(json, HasSubstr("\"writable\": 0"));
  for (const char* secret : {"agent", "west", "00ff", "1.2.3"})
    EXPECT_THAT(json, Not(HasSubstr(secret)));
}

TEST(StatusJson, UnavailableSaysWhy) {
  EXPECT_THAT(unavailable_json("a \"quoted\" reason"), HasSubstr("a \\\"quoted\\\" reason"));
}

}  // namespace
}  // namespace hydra::admin
