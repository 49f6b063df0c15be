// Nemesis: harms the grid at random moments, decided by the seed, and makes it whole again.
//
// It runs outside every process, as an operator, a power cut or a broken switch would.
#pragma once

#include <map>
#include <vector>

#include "tests/simulation/grid_world.h"

namespace hydra::gridsim {

struct NemesisOptions {
  std::size_t most_agents_at_once = 2;
  sim::Range pause{300 * kMillisecond, 6 * kSecond};  // between two harms
  bool harm_gateway = true;
  bool blackouts = false;  // power cuts of everything at once
};

class Nemesis {
 public:
  Nemesis(GridWorld& world, std::uint64_t seed, NemesisOptions options)
      : world_(world), prng_(seed), options_(options), harmed_(world.agents(), false) {}

  void start();
  // No new harm; everything is started, connected and quick again, in a healthy world.
  void stop();
  std::size_t harms() const { return harms_; }

  // Single harms, each undone after `duration`. For scripts.
  void take_down(sim::Process& process, bool power, Nanos duration);
  void black_out(Nanos duration);

 private:
  void harm();
  void harm_agent(std::size_t index);
  void harm_gateway();
  bool may_harm(std::size_t index);
  // Ends the harm of an agent.
  void later(Nanos duration, std::function<void()> fn);
  void start_process(sim::Process& process);

  GridWorld& world_;
  sim::Prng prng_;
  NemesisOptions options_;
  std::vector<bool> harmed_;
  std::map<const sim::Process*, std::uint64_t>
      falls_;  // how often each was taken down; never iterated
  bool active_ = false;
  std::size_t harms_ = 0;
};

}  // namespace hydra::gridsim
