// Operator: what a person does with the grid while it runs: lets devices join, drains nodes, takes
// some of that back, removes what is empty, and replaces devices that are beyond repair.
//
// It acts outside of every process. What it asked for may be lost with the gateway; it looks at the
// catalog again and goes on. At least as many nodes as there were in the beginning stay in service.
#pragma once

#include <set>

#include "tests/simulation/grid_world.h"

namespace hydra::gridsim {

struct OperatorOptions {
  bool active = false;
  std::size_t most_agents = 8;  // in service
  sim::Range pause{2 * kSecond, 9 * kSecond};
};

class Operator {
 public:
  Operator(GridWorld& world, std::uint64_t seed, OperatorOptions options)
      : world_(world), prng_(seed), options_(options) {
    world.on_look = [this] { look(); };
  }

  void start();
  // Begins nothing new.
  void stop() { active_ = false; }
  // Nothing that was begun is left.
  bool idle();
  // Another device is to join in the place of this one, which is never started again.
  void replace(std::size_t index);

  struct Counters {
    std::size_t joins = 0, drains = 0, removals = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  void act();
  // Goes on with what was begun.
  void look();
  void set_draining(std::size_t index, bool draining);
  const catalog::NodeRow* row_of(std::size_t index,
                                 const std::vector<catalog::NodeRow>& rows) const;
  static Task<void> change(Gateway* gateway, NodeId node, catalog::NodeChange change);
  static Task<void> remove(Operator* self, Gateway* gateway, NodeId node, bool lost);

  GridWorld& world_;
  sim::Prng prng_;
  OperatorOptions options_;
  Counters counters_;
  std::set<std::size_t> lost_;     // beyond repair, to be removed
  std::set<std::size_t> leaving_;  // asked to be emptied, which may take its time, or be lost
  Nanos looked_at_ = 0, asked_at_ = 0;
  bool active_ = false;
};

}  // namespace hydra::gridsim
