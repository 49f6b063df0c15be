#include "tests/simulation/nemesis.h"

#include <fmt/format.h>

#include <algorithm>

namespace hydra::gridsim {

namespace {
// Two clocks are never further apart than signatures allow: 15 minutes.
constexpr Nanos kMostClockShift = 7 * 60 * kSecond;
constexpr Nanos kAgentClockShift = 400 * 24 * 3600 * kSecond;
}  // namespace

void Nemesis::start() {
  active_ = true;
  choose_sick();
  later(prng_.in(options_.pause), [this] { harm(); });
}

void Nemesis::choose_sick() {
  if (options_.most_sick == 0 || !prng_.chance(options_.sick_at_all)) return;
  for (auto count = prng_.between(1, options_.most_sick); count > 0; --count) {
    const std::size_t index = prng_.below(world_.agents());
    if (world_.sick().insert(index).second)
      world_.model.note(world_.agent_process(index).name() + " has a sick device");
  }
}

void Nemesis::later(Nanos duration, std::function<void()> fn) {
  world_.simulation.after(duration, std::move(fn));
}

void Nemesis::start_process(sim::Process& process) {
  if (process.running()) return;
  world_.model.note(process.name() + " starts");
  process.restart();
}

void Nemesis::pause(sim::Process& process, Nanos duration) {
  if (!process.running()) return;
  process.pause(duration);
  quiet_from_ = std::max(quiet_from_, world_.simulation.now() + duration);
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
    repair_device(world_.agent_process(i));
    start_process(world_.agent_process(i));
  }
  harmed_.clear();
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

// An agent that is not usable yet after its last harm counts as harmed; the sick count always.
bool Nemesis::may_harm(std::size_t index) {
  if (harmed_.contains(index) || world_.retired(index)) return false;
  if (world_.sick().contains(index)) return true;
  std::size_t harmed = world_.sick().size();
  for (std::size_t i = 0; i < world_.agents(); ++i)
    if (i != index && !world_.sick().contains(i) && !world_.retired(i))
      harmed += harmed_.contains(i) || !world_.usable(i);
  return harmed < options_.most_agents_at_once;
}

void Nemesis::harm() {
  if (!active_) return;
  later(prng_.in(options_.pause), [this] { harm(); });
  for (const std::size_t index : world_.sick()) worsen(index);
  const auto dice = prng_.below(20);
  const std::size_t index = prng_.below(world_.agents());
  if (dice == 19) {
    ++harms_;
    shift_clock();
  } else if (dice < 3 && options_.harm_gateway) {
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
    pause(process, duration);
    return;
  }
  take_down(process, prng_.chance(0.5), prng_.in({50 * kMillisecond, 4 * kSecond}));
}

void Nemesis::harm_agent(std::size_t index) {
  sim::Process& process = world_.agent_process(index);
  const Nanos duration = prng_.in({50 * kMillisecond, 20 * kSecond});
  harmed_.insert(index);
  later(duration, [this, index] { harmed_.erase(index); });
  const auto kind = prng_.below(12);
  if (kind < 4)
    take_down(process, kind < 2, duration);
  else if (kind < 7)
    harm_device(index, duration);
  else
    harm_link(process, prng_.below(7), duration);
}

void Nemesis::harm_link(sim::Process& process, std::uint64_t kind, Nanos duration) {
  sim::Network& network = world_.simulation.network();
  const std::string what[] = {"is cut off",          "is not heard", "hears nothing",
                              "has a slow disk",     "is far away",  "is stopped",
                              "has its links broken"};
  world_.model.note(
      fmt::format("{} {} for {} ms", process.name(), what[kind], duration / kMillisecond));
  const auto heal = [&network, &process] { network.heal(process.name(), "gateway"); };
  switch (kind) {
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
      pause(process, duration);
      break;
    default:
      network.break_connections(process.name(), "gateway");
  }
}

void Nemesis::harm_device(std::size_t index, Nanos duration) {
  sim::Process& process = world_.agent_process(index);
  sim::SimDisk& disk = process.disk();
  const std::string store = GridWorld::kStoreDirectory;
  const auto kind = prng_.below(3);
  if (kind == 0) {
    world_.model.note(
        fmt::format("{} has a full device for {} ms", process.name(), duration / kMillisecond));
    const std::uint64_t before = disk.faults().capacity_bytes;
    disk.faults().capacity_bytes = disk.used_bytes();
    later(duration, [&disk, before] { disk.faults().capacity_bytes = before; });
    return;
  }
  world_.model.note(fmt::format("{} fails a {}", process.name(), kind == 1 ? "write" : "sync"));
  disk.inject(store + "/logs",
              kind == 1 ? sim::DiskFault::kWriteError : sim::DiskFault::kSyncError);
  later(duration, [this, &process] { repair_device(process); });
}

// The operator takes a fenced device back; its process starts anew.
void Nemesis::repair_device(sim::Process& process) {
  process.disk().clear_injected();
  if (!process.disk().erase(std::string(GridWorld::kStoreDirectory) + "/fenced")) return;
  world_.model.note(process.name() + " takes its device back");
  if (process.running()) process.crash();
  start_process(process);
}

void Nemesis::worsen(std::size_t index) {
  sim::SimDisk& disk = world_.agent_process(index).disk();
  sim::DiskFaults& faults = disk.faults();
  const auto rarely = [&] { return prng_.chance(0.3) ? 1.0 / double(prng_.between(3, 100)) : 0; };
  faults.read_error = rarely();
  faults.lost_write = rarely();
  faults.misdirected_write = rarely();
  if (prng_.chance(0.5)) rot(disk);
}

// Changes some bytes where some are.
void Nemesis::rot(sim::SimDisk& disk) {
  const auto logs = disk.files(std::string(GridWorld::kStoreDirectory) + "/logs");
  if (logs.empty()) return;
  const std::string& log = logs[prng_.below(logs.size())];
  for (int attempt = 0; attempt < 50; ++attempt) {
    const std::uint64_t at = prng_.below(2u << 20);
    std::byte there{};
    if (!disk.peek(log, at, {&there, 1}) || there == std::byte{0}) continue;
    disk.corrupt(log, at, 1);
    return;
  }
}

void Nemesis::shift_clock() {
  const std::size_t index = prng_.below(world_.agents() + 2);
  const bool is_agent = index < world_.agents();
  sim::Process& process = is_agent                   ? world_.agent_process(index)
                          : index == world_.agents() ? world_.gateway_process()
                                                     : world_.clients_process();
  const Nanos most = is_agent ? kAgentClockShift : kMostClockShift;
  const Nanos skew = prng_.in({-most, most});
  world_.model.note(fmt::format("the clock of {} jumps to {} s", process.name(), skew / kSecond));
  process.set_clock_skew(skew);
}

}  // namespace hydra::gridsim
