#include "tests/simulation/nemesis.h"

#include <fmt/format.h>

namespace hydra::gridsim {

void Nemesis::start() {
  active_ = true;
  later(prng_.in(options_.pause), [this] { harm(); });
}

void Nemesis::later(Nanos duration, std::function<void()> fn) {
  world_.simulation.after(duration, std::move(fn));
}

void Nemesis::start_process(sim::Process& process) {
  if (process.running()) return;
  world_.model.note(process.name() + " starts");
  process.restart();
}

void Nemesis::stop() {
  active_ = false;
  world_.model.note("all harm ends");
  sim::Faults& faults = world_.simulation.faults();
  const std::uint64_t max_events = faults.max_events;
  faults = sim::Faults::none();
  faults.max_events = max_events;
  world_.simulation.network().heal_all();
  for (std::size_t i = 0; i < world_.agents(); ++i) {
    world_.agent_process(i).disk().set_slow(1);
    world_.agent_process(i).disk().faults() = faults.disk;
    start_process(world_.agent_process(i));
    harmed_[i] = false;
  }
  start_process(world_.gateway_process());
}

void Nemesis::take_down(sim::Process& process, bool power, Nanos duration) {
  if (!process.running()) return;
  world_.model.note(fmt::format("{} {} for {} ms", process.name(),
                                power ? "loses power" : "is killed", duration / kMillisecond));
  if (power)
    process.power_loss();
  else
    process.crash();
  // What its clients were told nothing about has been decided.
  if (&process == &world_.gateway_process()) world_.model.settle();
  // Only this fall's restart: an earlier one's, still due, must not cut this one short.
  const std::uint64_t fall = ++falls_[&process];
  later(duration, [this, &process, fall] {
    if (falls_[&process] == fall) start_process(process);
  });
}

void Nemesis::black_out(Nanos duration) {
  for (std::size_t i = 0; i < world_.agents(); ++i)
    take_down(world_.agent_process(i), true, duration + prng_.in({0, kSecond}));
  take_down(world_.gateway_process(), true, duration + prng_.in({0, kSecond}));
}

// An agent that is not usable yet after its last harm counts as harmed.
bool Nemesis::may_harm(std::size_t index) {
  std::size_t harmed = 0;
  for (std::size_t i = 0; i < world_.agents(); ++i)
    if (i != index) harmed += harmed_[i] || !world_.usable(i);
  return harmed < options_.most_agents_at_once && !harmed_[index];
}

void Nemesis::harm() {
  if (!active_) return;
  later(prng_.in(options_.pause), [this] { harm(); });
  const auto dice = prng_.below(20);
  const std::size_t index = prng_.below(world_.agents());
  if (dice < 3 && options_.harm_gateway) {
    ++harms_;
    harm_gateway();
  } else if (dice == 3 && options_.blackouts) {
    ++harms_;
    black_out(prng_.in({100 * kMillisecond, 5 * kSecond}));
  } else if (may_harm(index)) {
    ++harms_;
    harm_agent(index);
  }
}

void Nemesis::harm_gateway() {
  sim::Process& process = world_.gateway_process();
  if (prng_.chance(0.2)) {
    const Nanos duration = prng_.in({100 * kMillisecond, 12 * kSecond});
    world_.model.note(fmt::format("gateway is stopped for {} ms", duration / kMillisecond));
    if (process.running()) process.pause(duration);
    return;
  }
  take_down(process, prng_.chance(0.5), prng_.in({50 * kMillisecond, 4 * kSecond}));
}

void Nemesis::harm_agent(std::size_t index) {
  sim::Process& process = world_.agent_process(index);
  sim::Network& network = world_.simulation.network();
  const Nanos duration = prng_.in({50 * kMillisecond, 20 * kSecond});
  const auto kind = prng_.below(9);
  harmed_[index] = true;
  later(duration, [this, index] { harmed_[index] = false; });
  if (kind < 4) {
    take_down(process, kind < 2, duration);
    return;
  }
  const std::string what[] = {"is cut off",          "is not heard", "hears nothing",
                              "has a slow disk",     "is far away",  "is stopped",
                              "has its links broken"};
  const auto other = prng_.below(7);
  world_.model.note(
      fmt::format("{} {} for {} ms", process.name(), what[other], duration / kMillisecond));
  const auto heal = [&network, &process] { network.heal(process.name(), "gateway"); };
  switch (other) {
    case 0:
      network.partition(process.name(), "gateway");
      later(duration, heal);
      break;
    case 1:
      network.partition_one_way(process.name(), "gateway");
      later(duration, heal);
      break;
    case 2:
      network.partition_one_way("gateway", process.name());
      later(duration, heal);
      break;
    case 3:
      process.disk().set_slow(static_cast<double>(prng_.between(5, 500)));
      later(duration, [&process] { process.disk().set_slow(1); });
      break;
    case 4:
      network.set_slow(process.name(), "gateway", static_cast<double>(prng_.between(5, 500)));
      later(duration, [&network, &process] { network.set_slow(process.name(), "gateway", 1); });
      break;
    case 5:
      if (process.running()) process.pause(duration);
      break;
    default:
      network.break_connections(process.name(), "gateway");
  }
}

}  // namespace hydra::gridsim
