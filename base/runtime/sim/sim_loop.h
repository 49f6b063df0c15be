// A Loop whose clock, threads and randomness are the simulation's. Owned by its Process; after a
// crash the object stays as an inert shell until the Simulation ends, so that what still refers to
// it can be destroyed.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/runtime/io.h"
#include "base/runtime/loop.h"
#include "base/runtime/sim/faults.h"
#include "base/runtime/sim/scheduler.h"

namespace hydra::sim {

class Process;

class SimLoop final : public Loop {
 public:
  SimLoop(Process& process, Scheduler& scheduler, const Faults& faults, std::uint64_t id,
          std::uint32_t index, std::uint64_t seed);
  ~SimLoop() override;

  Nanos now() const override { return scheduler_.now(); }
  std::int64_t wall_ms() const override;
  void post(std::function<void()> fn) override;
  void offload(std::function<void()> work, std::function<void()> done) override;
  std::unique_ptr<Sequencer> make_sequencer(std::string_view name) override;
  TimerId call_at(Nanos at, std::function<void()> fn) override;
  void cancel(TimerId id) override;
  void random(MutableBytes out) override { prng_.fill(out); }
  Net& net() override { return *net_; }
  Disk& disk() override { return *disk_; }

  Process& process() { return process_; }
  const std::string& process_name() const;
  std::uint64_t id() const { return id_; }
  bool dead() const { return dead_; }
  Prng& prng() { return prng_; }

  // Destroys the tasks, youngest first, then all that was posted or timed. The loop runs nothing
  // any more.
  void kill();
  std::string report() const;  // what the loop still has to do

 private:
  friend class SimSequencer;
  void wake() override;
  void turn();
  void request_turn();
  // The rule of loop.h: only post() may come from elsewhere. Broken, it would be a data race in
  // production.
  bool on_own_thread() const;
  Scheduler::EventId start_thread_work(std::function<void()> work);

  Process& process_;
  Scheduler& scheduler_;
  const Faults& faults_;
  std::uint64_t id_;
  Prng prng_;           // for random(): the application's stream
  Prng schedule_prng_;  // for the order of turns
  bool dead_ = false;
  bool turn_requested_ = false;
  std::deque<std::function<void()>> posts_;
  std::unique_ptr<Net> net_;
  std::unique_ptr<Disk> disk_;
};

}  // namespace hydra::sim
