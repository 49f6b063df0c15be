#include "base/runtime/sim/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"

namespace hydra::sim {

namespace {
std::uint64_t seed_of(std::uint64_t seed, std::string_view name) {
  return combine(seed, hash_bytes(as_bytes(name)));
}
}  // namespace

Process::Process(Simulation& simulation, std::string name, std::uint64_t seed)
    : simulation_(simulation),
      name_(std::move(name)),
      seed_(seed),
      disk_(simulation.scheduler(), simulation.faults().disk, combine(seed, 0xd15c)) {
  Prng prng(combine(seed, 0xc10c));
  const Nanos most = simulation.faults().clock_skew;
  clock_skew_ = prng.in({-most, most});
}

Process::~Process() {
  if (running_) stop(false);
}

SimLoop& Process::add_loop() {
  HYDRA_ASSERT(running_);
  const auto index = static_cast<std::uint32_t>(loops_.size());
  const std::uint64_t seed = combine(combine(seed_, incarnation_), index);
  loops_.push_back(std::make_unique<SimLoop>(*this, simulation_.scheduler_, simulation_.faults_,
                                             simulation_.next_loop_id_++, index, seed));
  return *loops_.back();
}

SimLoop& Process::loop(std::size_t index) {
  HYDRA_ASSERT(running_ && index < loops_.size());
  return *loops_[index];
}

void Process::set_application(std::shared_ptr<void> application) {
  HYDRA_ASSERT(running_);
  application_ = std::move(application);
}

void Process::set_boot(std::function<void(Process&)> boot) {
  boot_ = std::move(boot);
  if (running_) boot_(*this);
}

void Process::stop(bool power) {
  HYDRA_ASSERT(running_);
  HYDRA_ASSERT(simulation_.scheduler_.current() == Scheduler::kWorld);
  running_ = false;
  simulation_.network_.host_stopped(name_, power);
  // Tasks go first, the youngest loop's first; then what they shared; the loops themselves stay as
  // shells.
  for (auto loop = loops_.rbegin(); loop != loops_.rend(); ++loop) (*loop)->kill();
  application_.reset();
  disk_.process_stopped();
  if (power) disk_.lose_power();
}

void Process::crash() { stop(false); }

void Process::power_loss() { stop(true); }

void Process::restart() {
  HYDRA_ASSERT(!running_);
  const std::size_t count = loops_.size();
  std::move(loops_.begin(), loops_.end(), std::back_inserter(shells_));
  loops_.clear();
  running_ = true;
  ++incarnation_;
  simulation_.network_.host_started(name_);
  while (loops_.size() < count) add_loop();
  if (boot_) boot_(*this);
}

void Process::pause(Nanos duration) {
  for (const auto& loop : loops_)
    simulation_.scheduler_.hold(loop->id(), simulation_.now() + duration);
}

Simulation::Simulation(std::uint64_t seed, Faults faults)
    : seed_(seed),
      faults_(faults),
      scheduler_(seed),
      prng_(combine(seed, 0x7e57)),
      network_(scheduler_, faults_.net, combine(seed, 0x4e7)) {}

Simulation::~Simulation() {
  for (auto process = processes_.rbegin(); process != processes_.rend(); ++process)
    if ((*process)->running()) (*process)->stop(false);
}

Process& Simulation::add_process(std::string name) {
  for (const auto& process : processes_) HYDRA_ASSERT(process->name() != name);
  const std::uint64_t seed = seed_of(seed_, name);
  processes_.push_back(std::make_unique<Process>(*this, std::move(name), seed));
  network_.host_started(processes_.back()->name());
  return *processes_.back();
}

Process& Simulation::process(std::string_view name) {
  for (const auto& process : processes_)
    if (process->name() == name) return *process;
  HYDRA_ASSERT(!"no process of this name");
}

void Simulation::at(Nanos at, std::function<void()> fn) {
  scheduler_.at(at, EventKind::kWorld, Scheduler::kWorld, std::move(fn));
}

bool Simulation::run_until(const std::function<bool()>& predicate, Nanos limit) {
  const Nanos end = limit > kNever - now() ? kNever : now() + limit;
  const std::uint64_t last = scheduler_.executed() + faults_.max_events;
  out_of_events_ = false;
  while (!predicate()) {
    if (scheduler_.executed() >= last) {
      out_of_events_ = true;
      return false;
    }
    if (scheduler_.pending() == 0 && end == kNever) return false;
    if (!scheduler_.step(end)) return false;
  }
  return true;
}

bool Simulation::run_for(Nanos duration) {
  run_until([] { return false; }, duration);
  return !out_of_events_;
}

std::string Simulation::report() const {
  std::string text = fmt::format(
      "seed {} at {} ns after {} events{}; {} events pending", seed_, scheduler_.now(),
      scheduler_.executed(), out_of_events_ ? " (event limit reached)" : "", scheduler_.pending());
  if (scheduler_.pending() > 0) text += fmt::format(", the next at {} ns", scheduler_.next_at());
  for (const auto& process : processes_) {
    text += fmt::format("\n  {}{}", process->name(), process->running() ? "" : " (down)");
    if (!process->running()) continue;
    for (const auto& loop : process->loops_) text += "\n    " + loop->report();
    text += process->disk_.report();
  }
  return text + network_.report();
}

}  // namespace hydra::sim
