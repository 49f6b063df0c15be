#include "gateway/ctl/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hydra::ctl {
namespace {

using admin::GridStatus;
using admin::NodeStatus;
using admin::Verdict;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kRepair = "12 extents wait.";

NodeStatus node(NodeId id, std::string name) {
  NodeStatus node;
  node.id = id;
  node.name = std::move(name);
  node.zone = "zone-1";
  node.state = agent::NodeState::kHealthy;
  node.seen = node.placed = true;
  node.capacity_bytes = 10ull << 30;
  node.load.used_bytes = 1536ull << 20;
  node.load.shards = 42;
  node.heartbeat_age_ms = 340;
  node.latency_p50_us = 250;
  node.latency_p95_us = 1900;
  return node;
}

GridStatus example() {
  GridStatus status;
  status.verdict = Verdict::kDegraded;
  status.reasons = {"1 of 2 nodes away or failed", "12 extents wait for repair"};
  status.profile = {4, 2};
  status.nodes_may_fail = 1;
  status.capacity = {20ull << 30, 3ull << 30, 13ull << 30, 9ull << 30, 1ull << 30};
  status.totals.repairs = 12;
  NodeStatus away = node(10, "node-of-the-attic");
  away.state = agent::NodeState::kDown;
  away.draining = true;
  away.heartbeat_age_ms = 187'000;
  away.latency_p50_us = away.latency_p95_us = 0;
  status.nodes = {node(9, "one"), away};
  return status;
}

TEST(Report, SaysTheVerdictFirstThenNodesThenWhatItMeans) {
  EXPECT_EQ(report(example(), kRepair, false),
            "degraded: 1 of 2 nodes away or failed; 12 extents wait for repair\n"
            "\n"
            "ID  NAME               ZONE    STATE              USED  CAPACITY  SHARDS  HEARTBEAT"
            "  READ P50  READ P95\n"
            " 9  one                zone-1  healthy         1.5 GiB  10.0 GiB      42      0.3 s"
            "    250 us    1.9 ms\n"
            "10  node-of-the-attic  zone-1  down, draining  1.5 GiB  10.0 GiB      42      3 min"
            "         -         -\n"
            "\n"
            "1 more node may fail without loss of data.\n"
            "Capacity: 20.0 GiB raw, 13.0 GiB of objects at 4+2; 1.0 GiB stored, 9.0 GiB still "
            "fit.\n"
            "Repair: 12 extents wait.\n");
}

TEST(Report, CacheNodesHaveATableOfTheirOwn) {
  GridStatus status = example();
  NodeStatus cache = node(11, "ssd");
  cache.role = agent::NodeRole::kCache;
  cache.cache = {.hits = 3, .hit_bytes = 3u << 20, .misses = 1};
  status.caches = {cache, NodeStatus{.id = 12, .name = "new", .zone = "z"}};
  const std::string text = report(status, kRepair, false);
  EXPECT_THAT(text, HasSubstr("\n"
                              "ID  CACHE NODE  ZONE    STATE              HELD  CAPACITY  ENTRIES"
                              "  HEARTBEAT  READS    HITS\n"
                              "11  ssd         zone-1  healthy         1.5 GiB  10.0 GiB       42"
                              "      0.3 s      4  75.0 %\n"
                              "12  new         z       down, not seen        -       0 B        -"
                              "          -      0       -\n"));
  EXPECT_THAT(text, HasSubstr("\nCache: gave 75.0 % of 4 reads since this gateway started, 3.0 MiB "
                              "in all.\n"));
  status.caches[0].cache = {};
  EXPECT_THAT(report(status, kRepair, false), HasSubstr("\nCache: not asked"));
  EXPECT_THAT(report(example(), kRepair, false), Not(HasSubstr("ache")));
}

TEST(Report, TellsOfTheJournal) {
  GridStatus status = example();
  status.journal = {.copies = 3};
  EXPECT_THAT(report(status, kRepair, false),
              HasSubstr("\nJournal: begins when 3 nodes have joined.\n"));
  status.journal = {.begun = true, .copies = 3, .takers = 1, .waiting_records = 2};
  EXPECT_THAT(report(status, kRepair, false),
              HasSubstr("\nJournal: 1 node takes it, 3 are needed; 2 changes wait; no snapshot "
                        "yet.\n"));
  status.journal->takers = 6;
  status.journal->waiting_records = 0;
  status.journal->snapshot_age_ms = 7'200'000;
  status.journal->bytes_since_snapshot = 2u << 20;
  EXPECT_THAT(report(status, kRepair, false),
              HasSubstr("\nJournal: 6 nodes take it, 3 are needed; nothing waits; last snapshot "
                        "2 h ago, 2.0 MiB of changes since.\n"));
  EXPECT_THAT(report(example(), kRepair, false), Not(HasSubstr("Journal")));
}

TEST(Report, NoMoreNodeMayFail) {
  GridStatus status = example();
  status.verdict = Verdict::kAtRisk;
  status.nodes_may_fail = 0;
  EXPECT_THAT(report(status, kRepair, false),
              HasSubstr("\nNo more node may fail without loss of data.\n"));
}

TEST(Report, NodeThatWasNeverSeenHasNoNumbers) {
  GridStatus status = example();
  status.nodes = {NodeStatus{.id = 1, .name = "ghost", .zone = "z"}};
  EXPECT_THAT(report(status, kRepair, false), HasSubstr("ghost  z     down, not seen"));
  EXPECT_THAT(report(status, kRepair, false), Not(HasSubstr("0.0 s")));
}

TEST(Report, GridWithoutNodes) {
  GridStatus status = example();
  status.nodes.clear();
  EXPECT_THAT(report(status, kRepair, false), HasSubstr("No node has joined yet.\n"));
}

TEST(Report, ColoursOnlyWhenAskedFor) {
  EXPECT_THAT(report(example(), kRepair, false), Not(HasSubstr("\x1b")));
  EXPECT_THAT(report(example(), kRepair, true), HasSubstr("\x1b[1;33mdegraded\x1b[0m: 1 of"));
}

TEST(Report, NamesCannotSteerTheTerminal) {
  GridStatus status = example();
  status.nodes[0].name = "a\x1b[2Jb\nc";
  EXPECT_THAT(report(status, kRepair, false), HasSubstr("a?[2Jb?c"));
}

TEST(Report, ExitCodesFollowTheVerdict) {
  EXPECT_EQ(exit_of(Verdict::kHealthy), 0);
  EXPECT_EQ(exit_of(Verdict::kDegraded), 4);
  EXPECT_EQ(exit_of(Verdict::kAtRisk), 5);
  EXPECT_EQ(exit_of(Verdict::kUnavailable), 5);
}

}  // namespace
}  // namespace hydra::ctl
