// Simulation: a whole grid in one process and one thread, under a seeded scheduler with simulated
// clock, network and disks (invariant 10). The same seed and the same program give the same run,
// event by event: trace_hash() proves it. docs/SIMULATION.md tells what is simulated, which faults
// there are and how to replay a seed.
//
//   Simulation simulation(seed, Faults::none());
//   Process& agent = simulation.add_process("agent-1");
//   SimLoop& loop = agent.add_loop();
//   loop.spawn(serve(loop));
//   ASSERT_TRUE(simulation.run_until([&] { return done; }, 60 * kSecond)) << simulation.report();
//
// One thread. The Simulation owns all: processes, loops, disks. Objects of the test that refer to
// loops may be destroyed after a crash or a power loss, but before the Simulation.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/runtime/sim/faults.h"
#include "base/runtime/sim/scheduler.h"
#include "base/runtime/sim/sim_disk.h"
#include "base/runtime/sim/sim_loop.h"
#include "base/runtime/sim/sim_net.h"

namespace hydra::sim {

class Simulation;

// One process on a host of its own, with a disk that outlives it. Addresses carry no host: what it
// listens on is found by its text.
class Process {
 public:
  Process(Simulation& simulation, std::string name, std::uint64_t seed);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  const std::string& name() const { return name_; }
  Simulation& simulation() { return simulation_; }
  bool running() const { return running_; }
  SimLoop& add_loop();
  SimLoop& loop(std::size_t index = 0);
  std::size_t loops() const { return loops_.size(); }
  SimDisk& disk() { return disk_; }

  // The object the process is about (an Agent, a Gateway): dropped at a crash after the tasks are
  // destroyed.
  void set_application(std::shared_ptr<void> application);
  // What main() would do: runs now, and again at each restart(), to create the application on fresh
  // loops.
  void set_boot(std::function<void(Process&)> boot);

  // kill -9: tasks end where they stand, connections close; the disk keeps the page cache.
  // Like power_loss(), not to be called from a task of this process: use Simulation::at().
  void crash();
  // The plug is pulled: also loses unsynced writes (SimDisk::lose_power), and peers hear nothing.
  void power_loss();
  // Gives as many fresh loops as there were, then runs the boot function.
  void restart();
  // SIGSTOP for a while: no event of the process runs, its kernel still takes and acknowledges
  // data.
  void pause(Nanos duration);

  Nanos clock_skew() const { return clock_skew_; }
  void set_clock_skew(Nanos skew) { clock_skew_ = skew; }

 private:
  friend class Simulation;
  void stop(bool power);

  Simulation& simulation_;
  std::string name_;
  std::uint64_t seed_;
  Nanos clock_skew_ = 0;
  bool running_ = true;
  std::uint64_t incarnation_ = 0;
  SimDisk disk_;
  std::vector<std::unique_ptr<SimLoop>> loops_;
  std::vector<std::unique_ptr<SimLoop>> shells_;  // dead loops, kept for references to them
  std::shared_ptr<void> application_;
  std::function<void(Process&)> boot_;
};

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed, Faults faults = Faults::none());
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // Names are unique.
  Process& add_process(std::string name);
  Process& process(std::string_view name);
  std::size_t processes() const { return processes_.size(); }
  Process& process(std::size_t index) { return *processes_[index]; }

  std::uint64_t seed() const { return seed_; }
  Nanos now() const { return scheduler_.now(); }
  const Faults& faults() const { return faults_; }
  // For changes while it runs, e.g. to end all faults and see the grid settle.
  Faults& faults() { return faults_; }
  Network& network() { return network_; }
  Scheduler& scheduler() { return scheduler_; }
  // The test's own stream of the seed.
  Prng& prng() { return prng_; }

  // Runs fn outside every process: a test's script, an operator, a power cut.
  void at(Nanos at, std::function<void()> fn);
  void after(Nanos delay, std::function<void()> fn) { at(now() + delay, std::move(fn)); }

  // Runs events until the predicate holds. False after `limit` of virtual time, after
  // Faults::max_events, or when nothing is left to happen: report() then tells what is pending.
  bool run_until(const std::function<bool()>& predicate, Nanos limit);
  // Runs what happens in the next `duration`. False when Faults::max_events were not enough for it.
  bool run_for(Nanos duration);

  // A running hash of every event and every byte on the wires and disks; equal for equal seeds.
  std::uint64_t trace_hash() const { return scheduler_.trace_hash(); }
  std::string report() const;

 private:
  friend class Process;
  std::uint64_t seed_;
  Faults faults_;
  Scheduler scheduler_;
  Prng prng_;
  Network network_;
  std::uint64_t next_loop_id_ = 1;
  bool out_of_events_ = false;
  std::vector<std::unique_ptr<Process>> processes_;
};

}  // namespace hydra::sim
