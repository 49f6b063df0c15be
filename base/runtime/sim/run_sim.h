// run_sim(seed, make): runs the coroutine that make(loop) returns to its end on one loop of a
// fault-free simulation, and returns its value. The one-liner for unit tests that need a Loop,
// files or a network:
//
//   TEST(Log, SurvivesReopen) {
//     run_sim(1, [](Loop& loop) -> Task<void> { ... co_await ... });
//   }
//
// The lambda may capture: it lives until the coroutine has ended. A coroutine that cannot go on
// ends the test process with a report of what was pending. Tasks still running when it returns are
// destroyed.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include "base/runtime/sim/simulation.h"

namespace hydra::sim {

namespace detail {
template <typename T>
struct TaskValue;
template <typename T>
struct TaskValue<Task<T>> {
  using type = T;
};

template <typename T>
Task<void> store_result(Task<T> task, std::optional<T>& result) {
  result.emplace(co_await task);
}
inline Task<void> store_done(Task<void> task, bool& done) {
  co_await task;
  done = true;
}
// Tells what is pending and stops the process.
[[noreturn]] void stalled(const Simulation& simulation);
}  // namespace detail

constexpr Nanos kRunSimLimit = 24 * 3600 * kSecond;  // of virtual time

// The same on a Process of the caller's simulation, whose other processes run, too.
template <typename Make>
auto run_in(Process& process, Make&& make) {
  using T = typename detail::TaskValue<std::invoke_result_t<Make&, Loop&>>::type;
  Simulation& simulation = process.simulation();
  SimLoop& loop = process.loop();
  if constexpr (std::is_void_v<T>) {
    bool done = false;
    loop.spawn(detail::store_done(make(loop), done));
    if (!simulation.run_until([&] { return done; }, kRunSimLimit)) detail::stalled(simulation);
  } else {
    std::optional<T> result;
    loop.spawn(detail::store_result(make(loop), result));
    if (!simulation.run_until([&] { return result.has_value(); }, kRunSimLimit))
      detail::stalled(simulation);
    return std::move(*result);
  }
}

template <typename Make>
auto run_sim(std::uint64_t seed, Make make, Faults faults = Faults::none()) {
  Simulation simulation(seed, faults);
  Process& process = simulation.add_process("test");
  process.add_loop();
  return run_in(process, make);
}

}  // namespace hydra::sim
