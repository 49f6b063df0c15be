// Nemesis: harms the grid at random moments, decided by the seed, and makes it whole again.
//
// It runs outside every process, as an operator, a power cut or a broken switch would.
//
// Some agents may be sick: their devices lose, change or refuse what they should hold. Among at
// most m failures they count all the time; the others' failures end, and leave what was durable as
// it is.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "tests/simulation/grid_world.h"

namespace hydra::gridsim {

struct NemesisOptions {
  std::size_t most_agents_at_once = 2;
  sim::Range pause{300 * kMillisecond, 6 * kSecond};  // between two harms
  bool harm_gateway = true;
  bool blackouts = false;  // power cuts of everything at once
  std::size_t most_sick = 0;
  double sick_at_all = 0.5;  // chance that any is
};

class Nemesis {
 public:
  Nemesis(GridWorld& world, std::uint64_t seed, NemesisOptions options)
      : world_(world), prng_(seed), options_(options) {}

  void start();
  // No new harm; everything is started, connected and quick again, in a healthy world.
  void stop();
  std::size_t harms() const { return harms_; }
  // When the last stopped process goes on: stop() cannot end that.
  Nanos quiet_from() const { return quiet_from_; }

  // Single harms, each undone after `duration`. For scripts.
  void take_down(sim::Process& process, bool power, Nanos duration);
  void black_out(Nanos duration);

 private:
  void harm();
  void harm_agent(std::size_t index);
  void harm_link(sim::Process& process, std::uint64_t kind, Nanos duration);
  // A device that is full, or fails a write or a sync and is fenced until an operator has looked.
  void harm_device(std::size_t index, Nanos duration);
  void repair_device(sim::Process& process);
  // A sick device: bit rot, lost and misdirected writes, reads that fail.
  void worsen(std::size_t index);
  void rot(sim::SimDisk& disk);
  void shift_clock();
  void harm_gateway();
  bool may_harm(std::size_t index);
  void choose_sick();
  // Ends the harm of an agent.
  void later(Nanos duration, std::function<void()> fn);
  void start_process(sim::Process& process);
  void pause(sim::Process& process, Nanos duration);

  GridWorld& world_;
  sim::Prng prng_;
  NemesisOptions options_;
  std::set<std::size_t> harmed_;
  std::map<const sim::Process*, std::uint64_t>
      falls_;  // how often each was taken down; never iterated
  bool active_ = false;
  std::size_t harms_ = 0;
  Nanos quiet_from_ = 0;
};

}  // namespace hydra::gridsim
