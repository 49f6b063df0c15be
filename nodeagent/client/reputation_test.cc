#include "nodeagent/client/reputation.h"

#include <gtest/gtest.h>

namespace hydra::agent {
namespace {

constexpr Nanos kMinute = 60 * kSecond;

class ReputationTest : public testing::Test {
 protected:
  ReputationTest() {
    for (NodeId node = 1; node <= 4; ++node) reputation.link_up(node, 0);
  }
  // `count` reads of each node, one of them taking its own time.
  void read_all(int count, NodeId slow = 0, Nanos slow_latency = 0) {
    for (int i = 0; i < count; ++i)
      for (NodeId node = 1; node <= 4; ++node)
        reputation.small_read(node, now, node == slow ? slow_latency : kMillisecond);
  }
  NodeScore score(NodeId node) { return reputation.score(node, now); }
  // As a read does: asks if it may, and says how long it took.
  bool probe(NodeId node, Nanos latency) {
    if (!reputation.ask_first(node, now)) return false;
    reputation.small_read(node, now, latency);
    return true;
  }

  Reputation reputation;
  Nanos now = 0;
};

TEST_F(ReputationTest, NewNodeIsTrusted) {
  EXPECT_EQ(score(1).score, 1);
  EXPECT_EQ(score(99).score, 1);
  EXPECT_TRUE(reputation.ask_first(99, now));
  EXPECT_TRUE(reputation.takes_new(99, now));
}

TEST_F(ReputationTest, PresenceFadesWhileAwayAndGrowsBack) {
  now = 10 * kMinute;
  reputation.link_lost(1, now);
  now += 10 * kMinute;
  EXPECT_NEAR(score(1).presence, 0.5, 1e-9);
  reputation.link_up(1, now);
  now += 10 * kMinute;
  EXPECT_NEAR(score(1).presence, 0.75, 1e-9);
  EXPECT_EQ(score(2).presence, 1);
}

TEST_F(ReputationTest, FlappingNodeGetsNoNewShardsForAWhile) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(reputation.takes_new(1, now)) << i;
    reputation.link_lost(1, now);
    reputation.link_up(1, now);
  }
  EXPECT_FALSE(reputation.takes_new(1, now));
  EXPECT_TRUE(score(1).flapping);
  EXPECT_NEAR(score(1).steadiness, 0.5946, 1e-4);  // 2^-(3/4)
  now += 9 * kMinute;
  EXPECT_FALSE(reputation.takes_new(1, now));
  now += 2 * kMinute;
  EXPECT_TRUE(reputation.takes_new(1, now));
  EXPECT_TRUE(reputation.takes_new(2, now));
}

TEST_F(ReputationTest, LinkThatIsLostTwiceInADayDoesNotFlap) {
  for (int i = 0; i < 10; ++i) {
    reputation.link_lost(1, now);
    reputation.link_up(1, now);
    now += 30 * kMinute;
    EXPECT_TRUE(reputation.takes_new(1, now));
  }
}

TEST_F(ReputationTest, ErrorsAreTheShareOfCallsThatFailed) {
  for (int i = 0; i < 1000; ++i)
    reputation.ended(1, now, i % 5 == 0 ? Status(fail(Code::kTimeout)) : Status());
  EXPECT_NEAR(score(1).errors, 0.2, 0.02);
  EXPECT_NEAR(score(1).score, 1 - score(1).errors, 1e-9);
  for (const Code code : {Code::kNotFound, Code::kNoSpace, Code::kUnavailable})
    reputation.ended(2, now, fail(code));
  EXPECT_EQ(score(2).errors, 0);
}

TEST_F(ReputationTest, SpeedIsMeasuredAgainstThePeers) {
  read_all(20, 4, 15 * kMillisecond);
  EXPECT_NEAR(score(4).speed, 10.0 / 15, 1e-9);
  EXPECT_EQ(score(1).speed, 1);
  EXPECT_FALSE(score(4).ejected);
}

TEST_F(ReputationTest, NodesThatAreAllSlowAreNotAtFault) {
  for (int i = 0; i < 50; ++i)
    for (NodeId node = 1; node <= 4; ++node) reputation.small_read(node, now, kSecond + node);
  for (NodeId node = 1; node <= 4; ++node) EXPECT_EQ(score(node).speed, 1);
}

TEST_F(ReputationTest, TwoNodesCannotTellWhichIsSlow) {
  Reputation pair;
  pair.link_up(1, 0);
  pair.link_up(2, 0);
  for (int i = 0; i < 50; ++i) {
    pair.small_read(1, 0, kMillisecond);
    pair.small_read(2, 0, kSecond);
  }
  EXPECT_EQ(pair.score(2, 0).speed, 1);
}

TEST_F(ReputationTest, OneSlowReadIsNoReason) {
  read_all(20);
  for (int round = 0; round < 20; ++round) {
    reputation.small_read(4, now, 9 * kSecond);
    EXPECT_FALSE(score(4).ejected);
    read_all(8);
  }
}

TEST_F(ReputationTest, SlowNodeIsEjectedProbedAndComesBack) {
  read_all(20);
  read_all(20, 4, 200 * kMillisecond);
  EXPECT_TRUE(score(4).ejected);
  EXPECT_FALSE(reputation.ask_first(4, now));
  EXPECT_TRUE(reputation.ask_first(1, now));
  // What was under way when it was ejected does not bring it back.
  for (int i = 0; i < 5; ++i) reputation.small_read(4, now, kMillisecond);
  EXPECT_TRUE(score(4).ejected);
  now += 10 * kSecond;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(probe(4, kMillisecond)) << i;
    EXPECT_FALSE(i < 2 && reputation.ask_first(4, now)) << "one probe at a time";
    now += 500 * kMillisecond;
  }
  EXPECT_FALSE(score(4).ejected);
  EXPECT_EQ(score(4).speed, 1);
  EXPECT_TRUE(reputation.ask_first(4, now));
  EXPECT_TRUE(reputation.ask_first(4, now));
}

TEST_F(ReputationTest, NodeThatFailsIsEjectedAndComesBack) {
  read_all(20);
  int failures = 0;
  for (; !score(4).ejected && failures < 100; ++failures)
    reputation.ended(4, now, fail(Code::kCorrupt));
  EXPECT_EQ(failures, 19);  // 1 - (63/64)^19 = 0.259
  now += 10 * kSecond;
  ASSERT_TRUE(reputation.ask_first(4, now));
  reputation.ended(4, now, fail(Code::kCorrupt));  // the probe failed: twice as long
  now += 19 * kSecond;
  EXPECT_FALSE(reputation.ask_first(4, now));
  now += kSecond;
  for (int i = 0; i < 3; ++i, now += kSecond) {
    reputation.ended(4, now, Status());
    EXPECT_TRUE(probe(4, kMillisecond));
  }
  EXPECT_FALSE(score(4).ejected);
  EXPECT_LE(score(4).errors, 0.125);
}

TEST_F(ReputationTest, NodeThatStaysSlowIsAskedMoreAndMoreRarely) {
  read_all(20);
  read_all(20, 4, 200 * kMillisecond);
  int probes = 0;
  for (; now < 20 * kMinute; now += 100 * kMillisecond)
    if (probe(4, 200 * kMillisecond)) ++probes;
  // After 10, 20, 40, 80, 160 s, then each 5 min.
  EXPECT_GE(probes, 7);
  EXPECT_LE(probes, 9);
}

TEST_F(ReputationTest, NodeThatWasGoodForLongIsForgiven) {
  read_all(20);
  for (int round = 0; round < 3; ++round) {
    read_all(20, 4, 200 * kMillisecond);
    ASSERT_TRUE(score(4).ejected);
    now += 10 * kSecond;
    for (int i = 0; i < 3; ++i, now += kSecond) ASSERT_TRUE(probe(4, kMillisecond)) << round;
    ASSERT_FALSE(score(4).ejected);
    now += 11 * kMinute;
  }
}

}  // namespace
}  // namespace hydra::agent
