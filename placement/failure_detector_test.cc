#include "placement/failure_detector.h"

#include <gtest/gtest.h>

namespace hydra::placement {
namespace {

constexpr NodeId kA{1};
constexpr NodeId kB{2};
using Change = FailureDetector::Change;

TEST(FailureDetector, SilenceTurnsHealthyIntoSuspectIntoDown) {
  FailureDetector detector;
  detector.heartbeat(kA, 100 * kSecond);
  EXPECT_EQ(detector.state(kA, 100 * kSecond), NodeState::kHealthy);
  EXPECT_EQ(detector.state(kA, 103 * kSecond - 1), NodeState::kHealthy);
  EXPECT_EQ(detector.state(kA, 103 * kSecond), NodeState::kSuspect);
  EXPECT_EQ(detector.state(kA, 110 * kSecond - 1), NodeState::kSuspect);
  EXPECT_EQ(detector.state(kA, 110 * kSecond), NodeState::kDown);
}

TEST(FailureDetector, AHeartbeatHealsFromAnyState) {
  FailureDetector detector;
  detector.heartbeat(kA, 0);
  EXPECT_EQ(detector.state(kA, 60 * kSecond), NodeState::kDown);
  detector.heartbeat(kA, 60 * kSecond);
  EXPECT_EQ(detector.state(kA, 60 * kSecond), NodeState::kHealthy);
}

TEST(FailureDetector, LimitsAreConfigurable) {
  FailureDetector detector({.suspect_after = 10, .down_after = 20});
  detector.heartbeat(kA, 0);
  EXPECT_EQ(detector.state(kA, 9), NodeState::kHealthy);
  EXPECT_EQ(detector.state(kA, 10), NodeState::kSuspect);
  EXPECT_EQ(detector.state(kA, 20), NodeState::kDown);
}

TEST(FailureDetector, AnExpectedNodeIsSuspectUntilItsTimeIsUp) {
  FailureDetector detector;
  EXPECT_EQ(detector.state(kA, 0), NodeState::kDown);
  detector.expect(kA, 0);
  EXPECT_EQ(detector.state(kA, 0), NodeState::kSuspect);
  EXPECT_FALSE(detector.last_heard(kA).has_value());
  EXPECT_EQ(detector.state(kA, 10 * kSecond), NodeState::kDown);
  detector.heartbeat(kA, 11 * kSecond);
  detector.expect(kA, 15 * kSecond);
  EXPECT_EQ(detector.state(kA, 13 * kSecond), NodeState::kHealthy);
  EXPECT_EQ(detector.last_heard(kA), 11 * kSecond);
}

TEST(FailureDetector, ALostLinkIsSuspectAtOnceAndDownInItsTime) {
  FailureDetector detector;
  detector.heartbeat(kA, 0);
  detector.link_lost(kA);
  EXPECT_EQ(detector.state(kA, 1), NodeState::kSuspect);
  EXPECT_EQ(detector.state(kA, 10 * kSecond), NodeState::kDown);
  detector.heartbeat(kA, 10 * kSecond);
  EXPECT_EQ(detector.state(kA, 10 * kSecond), NodeState::kHealthy);
}

TEST(FailureDetector, ChangesAreToldOnce) {
  FailureDetector detector;
  detector.expect(kB, 0);
  detector.heartbeat(kA, 0);
  EXPECT_EQ(detector.changes(0),
            (std::vector<Change>{{kA, NodeState::kSuspect, NodeState::kHealthy}}));
  EXPECT_TRUE(detector.changes(kSecond).empty());
  EXPECT_EQ(detector.changes(10 * kSecond),
            (std::vector<Change>{{kA, NodeState::kHealthy, NodeState::kDown},
                                 {kB, NodeState::kSuspect, NodeState::kDown}}));
}

TEST(FailureDetector, StatesListEveryKnownNode) {
  FailureDetector detector;
  detector.heartbeat(kB, 5 * kSecond);
  detector.expect(kA, 0);
  EXPECT_EQ(
      detector.states(6 * kSecond),
      (std::vector<FailureDetector::Entry>{{kA, NodeState::kSuspect}, {kB, NodeState::kHealthy}}));
  detector.forget(kA);
  EXPECT_EQ(detector.states(6 * kSecond).size(), 1u);
  EXPECT_EQ(to_string(NodeState::kSuspect), "suspect");
}

TEST(FailureDetector, AnOlderHeartbeatDoesNotTurnBackTheClock) {
  FailureDetector detector;
  detector.heartbeat(kA, 5 * kSecond);
  detector.heartbeat(kA, 1 * kSecond);
  EXPECT_EQ(detector.last_heard(kA), 5 * kSecond);
}

}  // namespace
}  // namespace hydra::placement
