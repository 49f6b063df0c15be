#include "gateway/heal/node_watch.h"

#include <gtest/gtest.h>

namespace hydra::heal {
namespace {

class NodeWatchTest : public testing::Test {
 protected:
  NodeWatchTest() {
    for (NodeId id = 1; id <= 2; ++id) {
      catalog::NodeRow row{.id = id, .name = "n", .capacity_bytes = 1000};
      EXPECT_TRUE(map_.put({id, "n", "z", 1000}));
      roster_.push_back(row);
      agent::NodeView view;
      view.id = id;
      view.load.free_bytes = 500;
      view.state = agent::NodeState::kHealthy;
      views_.push_back(view);
    }
  }
  Presence at(Nanos now, NodeId node = 1) {
    watch_.update(now, roster_, views_, &map_);
    return watch_.facts().at(node).presence;
  }

  static constexpr WatchTimes kTimes{10 * kSecond, 100 * kSecond, 20 * kSecond};
  NodeWatch watch_{kTimes, 0};
  placement::ClusterMap map_;
  std::vector<catalog::NodeRow> roster_;
  std::vector<agent::NodeView> views_;
};

TEST_F(NodeWatchTest, TimeAwayTurnsIntoDownAndOverdue) {
  EXPECT_EQ(at(5 * kSecond), Presence::kHere);
  const std::uint64_t turns = watch_.turns();
  views_[0].state = agent::NodeState::kDown;  // its link broke
  EXPECT_EQ(at(6 * kSecond), Presence::kAway);
  EXPECT_EQ(watch_.turns(), turns);
  EXPECT_FALSE(watch_.facts().at(1).takes);
  EXPECT_EQ(at(15 * kSecond), Presence::kDown);
  EXPECT_EQ(watch_.turns(), turns + 1);
  EXPECT_EQ(watch_.next_overdue().at, 115 * kSecond);
  EXPECT_EQ(at(114 * kSecond), Presence::kDown);
  EXPECT_EQ(at(115 * kSecond), Presence::kOverdue);
  EXPECT_EQ(watch_.turns(), turns + 2);
  EXPECT_TRUE(watch_.next_overdue().is_never());
  views_[0].state = agent::NodeState::kHealthy;
  EXPECT_EQ(at(116 * kSecond), Presence::kHere);
  EXPECT_EQ(watch_.turns(), turns + 3);
  EXPECT_EQ(at(116 * kSecond, 2), Presence::kHere);
}

TEST_F(NodeWatchTest, AProcessThatJustStartedGivesEverybodyTime) {
  views_.clear();
  EXPECT_EQ(at(kSecond), Presence::kAway);
  EXPECT_EQ(at(29 * kSecond), Presence::kAway);
  EXPECT_EQ(at(30 * kSecond), Presence::kDown);
  EXPECT_EQ(at(130 * kSecond), Presence::kOverdue);
  // A node that joins later, and whose link is not here yet, has its time as well.
  roster_.push_back({.id = 3, .name = "n", .capacity_bytes = 1000});
  EXPECT_EQ(at(1000 * kSecond, 3), Presence::kAway);
  EXPECT_EQ(at(1011 * kSecond, 3), Presence::kDown);
}

TEST_F(NodeWatchTest, OnlyNodesThatCanTakeShardsTakeThem) {
  const auto takes = [&](NodeId node = 1) {
    watch_.update(kSecond, roster_, views_, &map_);
    return watch_.facts().at(node).takes;
  };
  EXPECT_TRUE(takes());
  views_[0].load.fenced = true;
  EXPECT_FALSE(takes());
  EXPECT_TRUE(watch_.facts().at(1).fenced);
  views_[0].load.fenced = false;
  views_[0].load.free_bytes = 20;  // 2 %
  EXPECT_FALSE(takes());
  views_[0].load.free_bytes = 500;
  EXPECT_TRUE(map_.put({1, "n", "z", 1000, 1.0, true}));
  EXPECT_FALSE(takes());
  EXPECT_TRUE(map_.remove(2));
  EXPECT_FALSE(takes(2));
  watch_.update(kSecond, roster_, views_, nullptr);
  EXPECT_FALSE(watch_.facts().at(1).takes);
}

}  // namespace
}  // namespace hydra::heal
