#include "base/runtime/sim/simulation.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/runtime/sim/run_sim.h"
#include "base/runtime/sync.h"

namespace hydra::sim {
namespace {

// A small busy world: an echo server, clients that talk to it and write files, and one crash.
Task<void> echo(std::unique_ptr<Stream> stream) {
  std::byte buffer[512];
  while (true) {
    auto count = co_await stream->read(buffer, Deadline::never());
    if (!count || *count == 0) co_return;
    const ByteView piece(buffer, *count);
    if (!co_await stream->write(std::span(&piece, 1), Deadline::never())) co_return;
  }
}

Task<void> talk(Loop& loop, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    auto stream = co_await loop.net().connect({"server:1"}, loop.after(kSecond));
    if (!stream) {
      co_await sleep_for(loop, 10 * kMillisecond);
      continue;
    }
    std::string text(100 + loop.random_u64() % 2000, 'x');
    const ByteView piece = as_bytes(text);
    if (!co_await (*stream)->write(std::span(&piece, 1), loop.after(kSecond))) continue;
    std::byte buffer[4096];
    std::size_t got = 0;
    while (got < text.size()) {
      auto count = co_await (*stream)->read(buffer, loop.after(kSecond));
      if (!count || *count == 0) break;
      got += *count;
    }
    auto file = co_await loop.disk().open("/file-" + std::to_string(i), OpenMode::kCreateNew);
    if (!file) continue;
    (void)co_await (*file)->write(std::span(&piece, 1), 0);
    (void)co_await (*file)->sync();
  }
}

void boot_server(Process& process) {
  Loop& loop = process.loop();
  auto acceptor = loop.net().listen({"server:1"}, [&loop](std::unique_ptr<Stream> stream) {
    loop.spawn(echo(std::move(stream)));
  });
  ASSERT_TRUE(acceptor);
  process.set_application(std::shared_ptr<Acceptor>(std::move(*acceptor)));
}

std::uint64_t run_world(std::uint64_t seed, Faults faults) {
  Simulation simulation(seed, faults);
  Process& server = simulation.add_process("server");
  server.add_loop();
  server.set_boot(boot_server);
  for (int i = 0; i < 3; ++i) {
    Process& client = simulation.add_process("client-" + std::to_string(i));
    SimLoop& loop = client.add_loop();
    loop.spawn(talk(loop, 20));
  }
  simulation.after(20 * kMillisecond, [&] { server.crash(); });
  simulation.after(60 * kMillisecond, [&] { server.restart(); });
  simulation.after(100 * kMillisecond, [&] { simulation.process("client-1").power_loss(); });
  EXPECT_TRUE(simulation.run_for(30 * kSecond));
  return simulation.trace_hash();
}

TEST(Simulation, SameSeedGivesTheSameTrace) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const std::uint64_t first = run_world(seed, Faults::swarm(seed));
    EXPECT_EQ(first, run_world(seed, Faults::swarm(seed))) << "seed " << seed;
  }
}

TEST(Simulation, DifferentSeedsGiveDifferentTraces) {
  std::set<std::uint64_t> traces;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) traces.insert(run_world(seed, Faults::none()));
  EXPECT_EQ(traces.size(), 20u);
}

Task<void> note_after(Loop& loop, Nanos delay, int value, std::vector<int>& order) {
  co_await sleep_for(loop, delay);
  order.push_back(value);
}

TEST(Simulation, SleepsEndInTheOrderOfTheirTimes) {
  Simulation simulation(7);
  SimLoop& loop = simulation.add_process("a").add_loop();
  std::vector<int> order;
  for (int i : {3, 1, 4, 0, 2}) loop.spawn(note_after(loop, i * kMillisecond, i, order));
  ASSERT_TRUE(simulation.run_until([&] { return order.size() == 5; }, kSecond));
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
  EXPECT_GE(simulation.now(), 4 * kMillisecond);
  EXPECT_LT(simulation.now(), 5 * kMillisecond);
}

TEST(Simulation, EqualTimesRunInAnOrderThatTheSeedChooses) {
  std::set<std::vector<int>> orders;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Simulation simulation(seed);
    std::vector<int> order;
    for (int i = 0; i < 3; ++i) simulation.at(kSecond, [&order, i] { order.push_back(i); });
    simulation.run_for(2 * kSecond);
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 6u);
}

TEST(Simulation, RunUntilEndsAtItsTimeLimit) {
  Simulation simulation(1);
  SimLoop& loop = simulation.add_process("a").add_loop();
  std::vector<int> order;
  loop.spawn(note_after(loop, 10 * kSecond, 1, order));
  EXPECT_FALSE(simulation.run_until([&] { return !order.empty(); }, kSecond));
  EXPECT_EQ(simulation.now(), kSecond);
  EXPECT_NE(simulation.report().find("1 tasks"), std::string::npos) << simulation.report();
  EXPECT_TRUE(simulation.run_until([&] { return !order.empty(); }, 10 * kSecond));
}

Task<void> spin(Loop& loop) {
  while (true) co_await yield(loop);
}

TEST(Simulation, RunForEndsAtItsEventLimit) {
  Faults faults;
  faults.max_events = 1000;
  Simulation simulation(1, faults);
  SimLoop& loop = simulation.add_process("a").add_loop();
  loop.spawn(spin(loop));
  EXPECT_FALSE(simulation.run_for(kSecond));
  EXPECT_NE(simulation.report().find("event limit"), std::string::npos) << simulation.report();
}

TEST(Simulation, PostsRunInOrderOnTheirLoop) {
  Simulation simulation(3);
  SimLoop& loop = simulation.add_process("a").add_loop();
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) loop.post([&order, i] { order.push_back(i); });
  EXPECT_TRUE(order.empty());
  simulation.run_for(kSecond);
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(Simulation, OffloadedWorkRunsBeforeItsCompletionAndInAnyOrder) {
  std::set<std::vector<int>> orders;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    Simulation simulation(seed);
    SimLoop& loop = simulation.add_process("a").add_loop();
    std::vector<int> worked;
    std::vector<int> done;
    for (int i = 0; i < 2; ++i)
      loop.offload([&worked, i] { worked.push_back(i); },
                   [&, i] {
                     EXPECT_NE(std::find(worked.begin(), worked.end(), i), worked.end());
                     done.push_back(i);
                   });
    simulation.run_for(kSecond);
    EXPECT_EQ(done.size(), 2u);
    orders.insert(worked);
  }
  EXPECT_EQ(orders.size(), 2u);
}

TEST(Simulation, SequencerKeepsOrderAndDropsTheRestWhenDestroyed) {
  Simulation simulation(5);
  SimLoop& loop = simulation.add_process("a").add_loop();
  auto sequencer = loop.make_sequencer("writer");
  std::vector<int> order;
  for (int i = 0; i < 10; ++i) sequencer->post([&order, i] { order.push_back(i); });
  ASSERT_TRUE(simulation.run_until([&] { return order.size() == 4; }, kSecond));
  sequencer.reset();
  simulation.run_for(kSecond);
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3}));
}

TEST(Simulation, ThreadsMayPostToLoops) {
  Simulation simulation(5);
  SimLoop& loop = simulation.add_process("a").add_loop();
  auto sequencer = loop.make_sequencer("writer");
  bool posted = false;
  sequencer->post([&] { loop.post([&] { posted = true; }); });
  EXPECT_TRUE(simulation.run_until([&] { return posted; }, kSecond));
}

TEST(SimulationDeathTest, TouchingALoopFromAThreadIsCaught) {
  EXPECT_DEATH(
      {
        Simulation simulation(5);
        SimLoop& loop = simulation.add_process("a").add_loop();
        loop.offload([&loop] { loop.call_at(0, [] {}); }, [] {});
        simulation.run_for(kSecond);
      },
      "on_own_thread");
}

TEST(Simulation, CancelledTimersDoNotRun) {
  Simulation simulation(5);
  SimLoop& loop = simulation.add_process("a").add_loop();
  bool ran = false;
  const Loop::TimerId id = loop.call_at(kMillisecond, [&] { ran = true; });
  loop.cancel(id);
  simulation.run_for(kSecond);
  EXPECT_FALSE(ran);
}

TEST(Simulation, RandomStreamsDifferBetweenLoopsAndRepeatWithTheSeed) {
  auto draw = [](std::uint64_t seed) {
    Simulation simulation(seed);
    Process& process = simulation.add_process("a");
    SimLoop& first = process.add_loop();
    SimLoop& second = process.add_loop();
    return std::pair(first.random_u64(), second.random_u64());
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
  EXPECT_NE(draw(1).first, draw(1).second);
}

TEST(Simulation, WallClockFollowsVirtualTimeWithSkew) {
  Simulation simulation(1);
  Process& process = simulation.add_process("a");
  SimLoop& loop = process.add_loop();
  const std::int64_t before = loop.wall_ms();
  simulation.run_for(5 * kSecond);
  EXPECT_EQ(loop.wall_ms() - before, 5000);
  process.set_clock_skew(-2 * kSecond);
  EXPECT_EQ(loop.wall_ms() - before, 3000);
}

struct Watched {
  explicit Watched(std::vector<std::string>& target, std::string text)
      : log(target), name(std::move(text)) {}
  ~Watched() { log.push_back(name); }
  std::vector<std::string>& log;
  std::string name;
};

Task<void> hold_until_crash(Loop& loop, std::shared_ptr<Watched> mine) {
  Event never(loop);
  co_await never.wait();
  mine->name += " resumed";
}

TEST(Simulation, CrashDestroysTasksYoungestFirstThenClosuresThenTheApplication) {
  Simulation simulation(1);
  Process& process = simulation.add_process("a");
  SimLoop& loop = process.add_loop();
  std::vector<std::string> log;
  process.set_application(std::make_shared<Watched>(log, "application"));
  loop.spawn(hold_until_crash(loop, std::make_shared<Watched>(log, "parent")));
  loop.spawn(hold_until_crash(loop, std::make_shared<Watched>(log, "child")));
  simulation.run_for(kMillisecond);
  loop.call_at(10 * kSecond, [keep = std::make_shared<Watched>(log, "timer")] {});
  process.crash();
  EXPECT_EQ(log, (std::vector<std::string>{"child", "parent", "timer", "application"}));
  EXPECT_FALSE(process.running());
  // A dead loop is inert: nothing it is told happens.
  loop.post([&log] { log.push_back("post after death"); });
  loop.spawn(hold_until_crash(loop, std::make_shared<Watched>(log, "spawned late")));
  EXPECT_EQ(loop.call_at(0, [] {}), 0u);
  simulation.run_for(kSecond);
  EXPECT_EQ(log.size(), 5u);
}

TEST(Simulation, RestartRunsTheBootFunctionOnFreshLoops) {
  Simulation simulation(1);
  Process& process = simulation.add_process("a");
  process.add_loop();
  process.add_loop();
  int boots = 0;
  int ticks = 0;
  process.set_boot([&](Process& self) {
    ++boots;
    self.loop(1).call_at(self.loop(1).now() + kSecond, [&] { ++ticks; });
  });
  EXPECT_EQ(boots, 1);
  process.crash();
  simulation.run_for(5 * kSecond);
  EXPECT_EQ(ticks, 0);
  process.restart();
  EXPECT_EQ(boots, 2);
  EXPECT_EQ(process.loops(), 2u);
  simulation.run_for(5 * kSecond);
  EXPECT_EQ(ticks, 1);
}

TEST(Simulation, PausedProcessRunsNothingUntilItContinues) {
  Simulation simulation(1);
  Process& process = simulation.add_process("a");
  SimLoop& loop = process.add_loop();
  std::vector<Nanos> ticks;
  for (int i = 1; i <= 5; ++i)
    loop.call_at(i * kSecond, [&] { ticks.push_back(simulation.now()); });
  simulation.run_for(1500 * kMillisecond);
  process.pause(2 * kSecond);
  simulation.run_for(10 * kSecond);
  EXPECT_EQ(ticks, (std::vector<Nanos>{1 * kSecond, 3500 * kMillisecond, 3500 * kMillisecond,
                                       4 * kSecond, 5 * kSecond}));
}

TEST(RunSim, GivesTheValueOfACapturingCoroutine) {
  int base = 40;
  const int value = run_sim(1, [base](Loop& loop) -> Task<int> {
    co_await sleep_for(loop, kSecond);
    co_return base + 2;
  });
  EXPECT_EQ(value, 42);
}

TEST(RunSim, RunsTasksWithoutAValue) {
  bool ran = false;
  run_sim(1, [&ran](Loop& loop) -> Task<void> {
    co_await yield(loop);
    ran = true;
  });
  EXPECT_TRUE(ran);
}

TEST(RunSimDeathTest, AStallIsReported) {
  EXPECT_DEATH(run_sim(1,
                       [](Loop& loop) -> Task<void> {
                         Event never(loop);
                         co_await never.wait();
                       }),
               "did not end");
}

}  // namespace
}  // namespace hydra::sim
