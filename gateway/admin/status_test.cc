#include "gateway/admin/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <numeric>

namespace hydra::admin {
namespace {

using agent::NodeState;
using testing::ElementsAre;

NodeStatus node(NodeId id) {
  NodeStatus node;
  node.id = id;
  node.name = "agent-" + std::to_string(id);
  node.state = NodeState::kHealthy;
  node.placed = node.seen = true;
  node.capacity_bytes = 1000;
  node.load.shards = 10;
  return node;
}

// Six well nodes at 4+2, with data on them.
GridStatus grid(int nodes = 6) {
  GridStatus status;
  status.profile = {4, 2};
  status.totals.extents = 100;
  for (int i = 1; i <= nodes; ++i) status.nodes.push_back(node(static_cast<NodeId>(i)));
  return status;
}
GridStatus with_down(int down) {
  GridStatus status = grid();
  for (int i = 0; i < down; ++i) status.nodes[static_cast<std::size_t>(i)].state = NodeState::kDown;
  return status;
}
GridStatus assessed(GridStatus status, RepairOutlook repairs = {}) {
  assess(status, repairs);
  return status;
}

TEST(Verdict, HealthyGridMayLoseAsManyNodesAsTheProfileHasParity) {
  const GridStatus status = assessed(grid());
  EXPECT_EQ(status.verdict, Verdict::kHealthy);
  EXPECT_EQ(status.nodes_may_fail, 2);
  EXPECT_EQ(status.write_profile, (erasure::Profile{4, 2}));
  EXPECT_THAT(status.reasons, ElementsAre());
}

TEST(Verdict, EachNodeThatIsAwayTakesOneFromWhatMayFail) {
  GridStatus status = assessed(with_down(1));
  EXPECT_EQ(status.verdict, Verdict::kDegraded);
  EXPECT_EQ(status.nodes_may_fail, 1);
  EXPECT_EQ(status.write_profile, (erasure::Profile{3, 2}));
  EXPECT_THAT(status.reasons,
              ElementsAre("1 of 6 nodes away or failed",
                          "5 nodes take new data: it is written as 3+2 instead of 4+2"));
  status = assessed(with_down(2));
  EXPECT_EQ(status.verdict, Verdict::kAtRisk);
  EXPECT_EQ(status.nodes_may_fail, 0);
  EXPECT_EQ(status.reasons.back(), "no further node may fail without loss of data");
  status = assessed(with_down(3));
  EXPECT_EQ(status.verdict, Verdict::kAtRisk);
  EXPECT_EQ(status.nodes_may_fail, 0);
  EXPECT_EQ(status.reasons.back(), "some data cannot be read until nodes are back");
}

TEST(Verdict, FewerNodesThanParityPlusOneRefuseWrites) {
  const GridStatus status = assessed(with_down(4));
  EXPECT_EQ(status.verdict, Verdict::kUnavailable);
  EXPECT_FALSE(status.write_profile);
  EXPECT_EQ(status.reasons.back(), "writes are refused: 2 nodes take new data, and 4+2 needs 3");
}

TEST(Verdict, SuspectAndFencedNodesCountAsAway) {
  GridStatus status = grid();
  status.nodes[0].state = NodeState::kSuspect;
  status.nodes[1].load.fenced = true;
  status = assessed(std::move(status));
  EXPECT_EQ(status.verdict, Verdict::kAtRisk);
  EXPECT_EQ(status.nodes[1].word(), "fenced");
}

TEST(Verdict, QueuedRepairsDegrade) {
  GridStatus status = grid();
  status.totals.repairs = 3;
  status = assessed(std::move(status), {.worst_now = 1});
  EXPECT_EQ(status.verdict, Verdict::kDegraded);
  EXPECT_EQ(status.nodes_may_fail, 1);
  EXPECT_THAT(status.reasons, ElementsAre("3 extents wait for repair"));
}

TEST(Verdict, AnExtentWithoutSparesIsAtRiskWithAllNodesThere) {
  GridStatus status = grid();
  status.totals.repairs = 1;
  status = assessed(std::move(status), {.worst_now = 0});
  EXPECT_EQ(status.verdict, Verdict::kAtRisk);
}

TEST(Verdict, WhatWasHealedElsewhereMayBeLostAgain) {
  // A node is away for good, but a walk found all of its shards rebuilt on others.
  GridStatus status = grid(8);
  status.nodes[0].state = NodeState::kDown;
  status = assessed(std::move(status), {.walked = 2});
  EXPECT_EQ(status.verdict, Verdict::kDegraded);
  EXPECT_EQ(status.nodes_may_fail, 2);
  status = assessed(std::move(status), {.walked = 0});
  EXPECT_EQ(status.verdict, Verdict::kAtRisk);
}

TEST(Verdict, ExtentsThatWereNotExaminedCountWithTheNodesThatAreAway) {
  GridStatus status = with_down(1);
  status.totals.repairs = 100;  // all of them, so that each could have been examined
  EXPECT_EQ(assessed(status, {.worst_now = 1}).nodes_may_fail, 1);
  EXPECT_EQ(assessed(status, {.worst_now = 1, .rest_spare = 1}).nodes_may_fail, 0);
}

GridStatus with_journal(JournalStatus journal) {
  GridStatus status = grid();
  status.journal = journal;
  return assessed(std::move(status));
}

TEST(Verdict, TooFewNodesThatTakeTheJournalRefuseWrites) {
  const JournalStatus good = {.begun = true, .based = true, .copies = 3, .takers = 3};
  EXPECT_EQ(with_journal(good).verdict, Verdict::kHealthy);

  JournalStatus few = good;
  few.takers = 2;
  GridStatus status = with_journal(few);
  EXPECT_EQ(status.verdict, Verdict::kDegraded);
  EXPECT_THAT(status.reasons,
              ElementsAre("changes wait: 2 nodes take the journal, and it needs 3"));

  few.able = false;
  status = with_journal(few);
  EXPECT_EQ(status.verdict, Verdict::kUnavailable);
  EXPECT_THAT(status.reasons,
              ElementsAre("writes are refused: 2 nodes take the journal, and it needs 3"));

  JournalStatus none = few;  // there never were enough nodes
  none.begun = none.based = false;
  EXPECT_EQ(with_journal(none).verdict, Verdict::kHealthy);
}

TEST(Verdict, WithoutASnapshotOfTheCatalogChangesWait) {
  const GridStatus status = with_journal({.begun = true, .copies = 3, .takers = 6});
  EXPECT_EQ(status.verdict, Verdict::kDegraded);
  EXPECT_THAT(status.reasons,
              ElementsAre("changes wait for a first snapshot of the catalog on the nodes"));
}

// The nodes that are too few for the one are too few for the other; one reason will do.
TEST(Verdict, WritesAreRefusedForOneReason) {
  GridStatus status = with_down(4);
  status.journal = {.begun = true, .based = true, .able = false, .copies = 3, .takers = 2};
  status = assessed(std::move(status));
  EXPECT_EQ(status.verdict, Verdict::kUnavailable);
  EXPECT_EQ(std::ranges::count_if(
                status.reasons,
                [](const std::string& reason) { return reason.starts_with("writes are refused"); }),
            1);
}

TEST(Verdict, EmptyGridIsNeverAtRisk) {
  GridStatus status = with_down(2);
  status.totals.extents = 0;
  status = assessed(std::move(status));
  EXPECT_EQ(status.verdict, Verdict::kDegraded);
}

// What a node holds is known only from its last heartbeat: shards may have come after it.
TEST(Verdict, NodeThatSaidItWasEmptyCountsAsAway) {
  GridStatus status = grid(7);
  status.nodes[6].state = NodeState::kDown;
  status.nodes[6].load.shards = 0;
  EXPECT_EQ(assessed(status).nodes_may_fail, 1);
}

TEST(Verdict, NodesThatDrainOrAreNotPlacedTakeNoWrites) {
  GridStatus status = grid();
  status.nodes[0].draining = true;
  status.nodes[1].placed = false;
  status = assessed(std::move(status));
  EXPECT_EQ(status.write_profile, (erasure::Profile{2, 2}));
  EXPECT_EQ(status.nodes_may_fail, 2);
  EXPECT_EQ(status.verdict, Verdict::kDegraded);
}

TEST(Verdict, NamesAreReadBack) {
  for (const auto verdict :
       {Verdict::kHealthy, Verdict::kDegraded, Verdict::kAtRisk, Verdict::kUnavailable})
    EXPECT_EQ(parse_verdict(verdict_name(verdict)), verdict);
  for (const auto state : {NodeState::kHealthy, NodeState::kSuspect, NodeState::kDown})
    EXPECT_EQ(parse_state(state_name(state)), state);
  EXPECT_EQ(parse_verdict("fine"), std::nullopt);
}

TEST(Capacity, EvenNodesGiveTheProfilesShare) {
  const std::vector<std::uint64_t> rooms(6, 300);
  EXPECT_EQ(usable_bytes({4, 2}, rooms), 1200u);
  EXPECT_EQ(usable_bytes({1, 2}, rooms), 600u);
}

TEST(Capacity, OneLargeNodeCannotHoldMoreThanOneShardOfEach) {
  const std::vector<std::uint64_t> rooms = {100, 100, 1'000'000};
  EXPECT_EQ(usable_bytes({2, 1}, rooms), 200u);
  EXPECT_EQ(usable_bytes({1, 1}, rooms), 200u);
}

TEST(Capacity, TooFewNodesTakeASmallerProfileThenNothing) {
  EXPECT_EQ(usable_bytes({4, 2}, std::vector<std::uint64_t>(4, 100)), 200u);
  EXPECT_EQ(usable_bytes({4, 2}, std::vector<std::uint64_t>(2, 100)), 0u);
  EXPECT_EQ(usable_bytes({4, 2}, {}), 0u);
}

RC_GTEST_PROP(Capacity, FitsByPuttingShardsOnTheEmptiestNodes, ()) {
  const auto rooms = *rc::gen::container<std::vector<std::uint64_t>>(
      *rc::gen::inRange(3, 9),
      rc::gen::map(rc::gen::inRange(0, 60), [](int n) { return static_cast<std::uint64_t>(n); }));
  const erasure::Profile wanted{static_cast<std::uint8_t>(*rc::gen::inRange(1, 6)), 2};
  const auto profile = erasure::profile_for(wanted, rooms.size());
  RC_ASSERT(profile.has_value());
  std::vector<std::uint64_t> left = rooms;
  std::uint64_t rows = 0;  // of one byte a shard: emptiest first is optimal
  for (;; ++rows) {
    std::ranges::sort(left, std::greater<>());
    const auto width = static_cast<std::size_t>(profile->shards());
    if (left[width - 1] == 0) break;
    for (std::size_t i = 0; i < width; ++i) --left[i];
  }
  RC_ASSERT(usable_bytes(wanted, rooms) == rows * profile->k);
}

TEST(Capacity, IsMeasuredOverTheNodesThatCount) {
  GridStatus status = grid(7);
  for (auto& each : status.nodes) {
    each.load.used_bytes = 400;
    each.load.free_bytes = 600;
  }
  status.nodes[0].draining = true;
  status.nodes[1].state = NodeState::kDown;
  measure_capacity(status);
  EXPECT_EQ(status.capacity.raw_bytes, 7000u);
  EXPECT_EQ(status.capacity.used_bytes, 2800u);
  EXPECT_EQ(status.capacity.usable_bytes, 4000u);
  EXPECT_EQ(status.capacity.available_bytes, 1800u);  // five nodes, 3+2
}

}  // namespace
}  // namespace hydra::admin
