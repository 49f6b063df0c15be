// The waiting primitives, on simulated loops: the seed varies the order of turns, so each property
// is tried over many of them.
#include "base/runtime/sync.h"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/runtime/sim/run_sim.h"

namespace hydra {
namespace {

using sim::Process;
using sim::SimLoop;
using sim::Simulation;

// One loop in a simulation of its own.
struct World {
  explicit World(std::uint64_t seed) : simulation(seed), process(simulation.add_process("test")) {
    process.add_loop();
  }
  SimLoop& loop() { return process.loop(); }
  void settle() { ASSERT_TRUE(simulation.run_for(3600 * kSecond)); }

  Simulation simulation;
  Process& process;
};

template <typename Body>
void for_seeds(int count, Body body) {
  for (int seed = 0; seed < count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    body(static_cast<std::uint64_t>(seed));
  }
}

// ---- spawned tasks

Task<void> hold_at_once(std::shared_ptr<int> held) {
  ++*held;
  co_return;
}
Task<void> hold_for_a_second(Loop& loop, std::shared_ptr<int> held) {
  co_await sleep_for(loop, kSecond);
  ++*held;
}
Task<void> hold_in_turn(Loop& loop, std::shared_ptr<int> held) {
  co_await hold_for_a_second(loop, std::move(held));
}

TEST(Spawn, FreesATaskWithAllItHoldsWhenItEnds) {
  World world(1);
  const auto held = std::make_shared<int>(0);
  world.loop().spawn(hold_at_once(held));
  world.loop().spawn(hold_for_a_second(world.loop(), held));
  world.loop().spawn(hold_in_turn(world.loop(), held));
  EXPECT_EQ(held.use_count(), 4);
  world.settle();
  EXPECT_EQ(*held, 3);
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(world.loop().spawned(), 0u);
}

// ---- sleep and yield

Task<void> sleep_and_note(Loop& loop, Nanos delay, int value, std::vector<int>& order) {
  co_await sleep_for(loop, delay);
  order.push_back(value);
}

TEST(Sleep, EndsNotBeforeItsTime) {
  sim::run_sim(1, [](Loop& loop) -> Task<void> {
    const Nanos before = loop.now();
    co_await sleep_for(loop, 5 * kSecond);
    EXPECT_GE(loop.now(), before + 5 * kSecond);
    const Nanos past = loop.now() - kSecond;
    co_await sleep_until(loop, past);  // a time that has passed: a later turn, at once
    EXPECT_LT(loop.now(), before + 6 * kSecond);
  });
}

TEST(Yield, LetsEveryReadyTaskRunFirst) {
  for_seeds(20, [](std::uint64_t seed) {
    World world(seed);
    std::vector<int> order;
    const auto step = [](Loop& loop, int value, std::vector<int>& log) -> Task<void> {
      log.push_back(value);
      co_await yield(loop);
      log.push_back(value + 10);
    };
    for (int i = 0; i < 3; ++i) world.loop().spawn(step(world.loop(), i, order));
    world.settle();
    EXPECT_EQ(order, (std::vector{0, 1, 2, 10, 11, 12}));
  });
}

// ---- Event

Task<void> wait_and_note(Event& event, int value, std::vector<int>& order) {
  if (co_await event.wait()) order.push_back(value);
}

TEST(Event, SetResumesAllInTheOrderOfTheirWaiting) {
  for_seeds(20, [](std::uint64_t seed) {
    World world(seed);
    Event event(world.loop());
    std::vector<int> order;
    for (int i = 0; i < 5; ++i) world.loop().spawn(wait_and_note(event, i, order));
    world.settle();
    EXPECT_TRUE(order.empty());
    event.set();
    EXPECT_TRUE(order.empty());  // in later turns only
    world.settle();
    EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
  });
}

TEST(Event, WaitingOnASetEventDoesNotSuspend) {
  sim::run_sim(1, [](Loop& loop) -> Task<void> {
    Event event(loop);
    event.set();
    const Nanos before = loop.now();
    EXPECT_TRUE(co_await event.wait(Deadline{0}));
    EXPECT_EQ(loop.now(), before);
    event.reset();
    EXPECT_FALSE(event.is_set());
    EXPECT_FALSE(co_await event.wait(loop.after(kSecond)));
    EXPECT_GE(loop.now(), before + kSecond);
  });
}

TEST(Event, TimedOutWaiterIsNotResumedTwice) {
  for_seeds(50, [](std::uint64_t seed) {
    World world(seed);
    Event event(world.loop());
    int resumed = 0;
    world.loop().spawn([](Loop& loop, Event& waited, int& count) -> Task<void> {
      (void)co_await waited.wait(loop.after(kSecond));
      ++count;
      co_await sleep_for(loop, 10 * kSecond);
      ++count;
    }(world.loop(), event, resumed));
    // The deadline and the set() fall together, in either order.
    world.loop().call_at(kSecond, [&] { event.set(); });
    ASSERT_TRUE(world.simulation.run_for(5 * kSecond));
    EXPECT_EQ(resumed, 1);
    world.settle();
    EXPECT_EQ(resumed, 2);
  });
}

// ---- Semaphore

Task<void> acquire_and_note(Loop& loop, Semaphore& semaphore, std::size_t units, Nanos hold_for,
                            int value, std::vector<int>& order) {
  auto hold = co_await semaphore.acquire(units);
  EXPECT_TRUE(hold);
  order.push_back(value);
  co_await sleep_for(loop, hold_for);
}

TEST(Semaphore, GrantsInTheOrderOfAsking) {
  for_seeds(20, [](std::uint64_t seed) {
    World world(seed);
    Semaphore semaphore(world.loop(), 3);
    std::vector<int> order;
    // 2 wants all of it: the small ones behind it may not overtake, though they would fit.
    const std::size_t units[] = {1, 1, 3, 1, 2, 1, 3, 1};
    for (int i = 0; i < 8; ++i)
      world.loop().spawn(
          acquire_and_note(world.loop(), semaphore, units[i], kMillisecond, i, order));
    world.settle();
    EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4, 5, 6, 7}));
    EXPECT_EQ(semaphore.available(), 3u);
  });
}

TEST(Semaphore, NewcomersDoNotOvertakeWaiters) {
  sim::run_sim(1, [](Loop& loop) -> Task<void> {
    Semaphore semaphore(loop, 2);
    std::vector<int> order;
    auto hold = co_await semaphore.acquire(1);
    loop.spawn(acquire_and_note(loop, semaphore, 2, 0, 1, order));
    co_await sleep_for(loop, kMillisecond);
    // One unit is free, but somebody waits for two.
    EXPECT_FALSE(co_await semaphore.acquire(1, loop.after(kMillisecond)));
    hold->release();
    EXPECT_TRUE(co_await semaphore.acquire(1, loop.after(kSecond)));
    EXPECT_EQ(order, (std::vector{1}));
  });
}

TEST(Semaphore, RequestBeyondTheCapacityGetsAllOfIt) {
  sim::run_sim(1, [](Loop& loop) -> Task<void> {
    Semaphore semaphore(loop, 10);
    auto all = co_await semaphore.acquire(1000, loop.after(kSecond));
    EXPECT_TRUE(all);
    EXPECT_EQ(semaphore.available(), 0u);
    all->release();
    all->release();  // harmless
    EXPECT_EQ(semaphore.available(), 10u);
  });
}

TEST(Semaphore, TimedOutRequestMakesWayForThoseBehindIt) {
  for_seeds(20, [](std::uint64_t seed) {
    World world(seed);
    Semaphore semaphore(world.loop(), 2);
    std::vector<int> order;
    world.loop().spawn(acquire_and_note(world.loop(), semaphore, 1, 10 * kSecond, 0, order));
    world.loop().spawn([](Loop& loop, Semaphore& wanted, std::vector<int>& log) -> Task<void> {
      auto hold = co_await wanted.acquire(2, loop.after(kSecond));
      EXPECT_EQ(hold.error().code, Code::kTimeout);
      log.push_back(1);
    }(world.loop(), semaphore, order));
    world.loop().spawn(acquire_and_note(world.loop(), semaphore, 1, 0, 2, order));
    ASSERT_TRUE(world.simulation.run_for(5 * kSecond));
    EXPECT_EQ(order, (std::vector{0, 1, 2}));
    world.settle();
    EXPECT_EQ(semaphore.available(), 2u);
  });
}

TEST(Semaphore, MovedHoldReleasesOnce) {
  sim::run_sim(1, [](Loop& loop) -> Task<void> {
    Semaphore semaphore(loop, 5);
    Semaphore::Hold kept;
    {
      auto hold = co_await semaphore.acquire(3);
      kept = std::move(*hold);
    }
    EXPECT_EQ(semaphore.available(), 2u);
    Semaphore::Hold moved(std::move(kept));
    kept.release();
    EXPECT_EQ(semaphore.available(), 2u);
    moved.release();
    EXPECT_EQ(semaphore.available(), 5u);
  });
}

struct Usage {
  std::size_t now = 0;
  std::size_t most = 0;
  int granted = 0;
  int timed_out = 0;
};

Task<void> use_at_random(Loop& loop, Semaphore& semaphore, Usage& usage) {
  for (int i = 0; i < 30; ++i) {
    const std::size_t units = 1 + loop.random_u64() % 5;
    const Nanos patience = static_cast<Nanos>(loop.random_u64() % 3) * kMillisecond;
    auto hold = co_await semaphore.acquire(units, loop.after(patience));
    if (!hold) {
      ++usage.timed_out;
      continue;
    }
    ++usage.granted;
    usage.now += units;
    usage.most = std::max(usage.most, usage.now);
    co_await sleep_for(loop, static_cast<Nanos>(loop.random_u64() % kMillisecond));
    usage.now -= units;
  }
}

TEST(Semaphore, NeverGrantsMoreThanItHasAndLosesNothing) {
  int granted = 0;
  int timed_out = 0;
  for_seeds(30, [&](std::uint64_t seed) {
    World world(seed);
    Semaphore semaphore(world.loop(), 7);
    Usage usage;
    for (int i = 0; i < 10; ++i) world.loop().spawn(use_at_random(world.loop(), semaphore, usage));
    world.settle();
    EXPECT_EQ(world.loop().spawned(), 0u);
    EXPECT_LE(usage.most, 7u);
    EXPECT_EQ(semaphore.available(), 7u);
    granted += usage.granted;
    timed_out += usage.timed_out;
  });
  EXPECT_GT(granted, 1000);
  EXPECT_GT(timed_out, 1000);
}

TEST(Semaphore, ReleaseWakesNoMoreThanCanGoOn) {
  // A thousand waiters and a thousand releases must not cost a million turns.
  World world(1);
  Semaphore semaphore(world.loop(), 1);
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i)
    world.loop().spawn(acquire_and_note(world.loop(), semaphore, 1, 0, i, order));
  const std::uint64_t before = world.simulation.scheduler().executed();
  world.settle();
  EXPECT_EQ(order.size(), 1000u);
  EXPECT_LT(world.simulation.scheduler().executed() - before, 20'000u);
}

// ---- Queue

TEST(Queue, IsFirstInFirstOutAndBounded) {
  sim::run_sim(1, [](Loop& loop) -> Task<void> {
    Queue<int> queue(loop, 2);
    EXPECT_TRUE(co_await queue.push(1));
    EXPECT_TRUE(co_await queue.push(2));
    EXPECT_EQ((co_await queue.push(3, loop.after(kSecond))).error().code, Code::kTimeout);
    EXPECT_EQ(queue.size(), 2u);
    EXPECT_EQ(co_await queue.pop(), 1);
    EXPECT_EQ(co_await queue.pop(), 2);
    EXPECT_EQ(co_await queue.pop(loop.after(kSecond)), std::nullopt);
  });
}

TEST(Queue, CloseFailsPushesAndLetsPopsDrain) {
  sim::run_sim(1, [](Loop& loop) -> Task<void> {
    Queue<std::unique_ptr<int>> queue(loop, 4);
    EXPECT_TRUE(co_await queue.push(std::make_unique<int>(7)));
    queue.close();
    EXPECT_TRUE(queue.closed());
    EXPECT_EQ((co_await queue.push(std::make_unique<int>(8))).error().code, Code::kClosed);
    EXPECT_EQ(**(co_await queue.pop()), 7);
    EXPECT_EQ(co_await queue.pop(), std::nullopt);
  });
}

TEST(Queue, CloseResumesThoseWhoWait) {
  for_seeds(20, [](std::uint64_t seed) {
    World world(seed);
    Queue<int> full(world.loop(), 1);
    Queue<int> empty(world.loop(), 1);
    int ended = 0;
    const auto pusher = [](Queue<int>& queue, int& count) -> Task<void> {
      (void)co_await queue.push(1);
      EXPECT_EQ((co_await queue.push(2)).error().code, Code::kClosed);
      ++count;
    };
    const auto popper = [](Queue<int>& queue, int& count) -> Task<void> {
      EXPECT_EQ(co_await queue.pop(), std::nullopt);
      ++count;
    };
    world.loop().spawn(pusher(full, ended));
    for (int i = 0; i < 3; ++i) world.loop().spawn(popper(empty, ended));
    world.settle();
    EXPECT_EQ(ended, 0);
    full.close();
    empty.close();
    world.settle();
    EXPECT_EQ(ended, 4);
  });
}

Task<void> produce(Loop& loop, Queue<int>& queue, int first, int count) {
  for (int i = 0; i < count; ++i) {
    while (!co_await queue.push(first + i, loop.after(kMillisecond))) {
    }
    if (loop.random_u64() % 4 == 0) co_await sleep_for(loop, 100 * kMicrosecond);
  }
}

Task<void> consume(Loop& loop, Queue<int>& queue, std::vector<int>& got) {
  while (true) {
    const std::optional<int> item = co_await queue.pop(loop.after(kMillisecond));
    if (item) got.push_back(*item);
    if (!item && queue.closed() && queue.size() == 0) co_return;
    if (loop.random_u64() % 4 == 0) co_await sleep_for(loop, 100 * kMicrosecond);
  }
}

TEST(Queue, DeliversEachItemOnceBetweenManyTasks) {
  for_seeds(30, [](std::uint64_t seed) {
    World world(seed);
    Queue<int> queue(world.loop(), 1 + seed % 5);
    std::vector<int> got[3];
    for (int i = 0; i < 4; ++i) world.loop().spawn(produce(world.loop(), queue, i * 1000, 50));
    for (auto& items : got) world.loop().spawn(consume(world.loop(), queue, items));
    const auto total = [&] { return got[0].size() + got[1].size() + got[2].size(); };
    ASSERT_TRUE(world.simulation.run_until([&] { return total() == 200; }, 60 * kSecond));
    queue.close();
    world.settle();
    EXPECT_EQ(world.loop().spawned(), 0u);
    std::vector<int> all;
    for (const auto& items : got) {
      all.insert(all.end(), items.begin(), items.end());
      // What one producer pushed, one consumer sees in that order.
      for (int i = 0; i < 4; ++i) {
        int last = -1;
        for (const int item : items)
          if (item / 1000 == i) EXPECT_LT(std::exchange(last, item), item);
      }
    }
    std::sort(all.begin(), all.end());
    EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
    EXPECT_EQ(all.size(), 200u);
  });
}

// ---- TaskGroup

TEST(TaskGroup, JoinWaitsForAllTasks) {
  for_seeds(20, [](std::uint64_t seed) {
    sim::run_sim(seed, [](Loop& loop) -> Task<void> {
      TaskGroup group(loop);
      std::vector<int> order;
      for (int i = 0; i < 5; ++i) group.spawn(sleep_and_note(loop, (5 - i) * kSecond, i, order));
      EXPECT_EQ(group.running(), 5u);
      EXPECT_FALSE(co_await group.join(loop.after(1500 * kMillisecond)));
      EXPECT_EQ(group.running(), 4u);
      EXPECT_TRUE(co_await group.join());
      EXPECT_EQ(order, (std::vector{4, 3, 2, 1, 0}));
      EXPECT_EQ(group.running(), 0u);
    });
  });
}

TEST(TaskGroup, EmptyGroupIsJoinedAtOnceAndMayBeUsedAgain) {
  sim::run_sim(1, [](Loop& loop) -> Task<void> {
    TaskGroup group(loop);
    EXPECT_TRUE(co_await group.join());
    std::vector<int> order;
    group.spawn(sleep_and_note(loop, kSecond, 1, order));
    EXPECT_TRUE(co_await group.join());
    group.spawn(sleep_and_note(loop, kSecond, 2, order));
    EXPECT_TRUE(co_await group.join());
    EXPECT_EQ(order, (std::vector{1, 2}));
  });
}

// ---- Teardown: under ASan these find any touch of what is gone, and any frame that leaks.

struct Primitives {
  explicit Primitives(Loop& loop) : event(loop), semaphore(loop, 2), queue(loop, 1), group(loop) {}
  Event event;
  Semaphore semaphore;
  Queue<std::string> queue;
  TaskGroup group;
};

Task<void> wait_for_something(Loop& loop, Primitives& on, int what) {
  const Deadline far = loop.after(3600 * kSecond);
  switch (what % 7) {
    case 0:
      (void)co_await on.event.wait();
      break;
    case 1:
      (void)co_await on.event.wait(far);
      break;
    case 2: {
      auto hold = co_await on.semaphore.acquire(1, far);
      (void)co_await on.event.wait();
      break;
    }
    case 3:
      (void)co_await on.semaphore.acquire(2);
      break;
    case 4:
      for (int i = 0; i < 3; ++i) (void)co_await on.queue.push("item", far);
      break;
    case 5:
      (void)co_await on.group.join(far);
      break;
    default:
      co_await sleep_until(loop, far.at);
  }
}

void start_all(Loop& loop, Primitives& on) {
  for (int i = 0; i < 28; ++i) {
    if (i % 3 == 0) {
      on.group.spawn(wait_for_something(loop, on, i));
    } else {
      loop.spawn(wait_for_something(loop, on, i));
    }
  }
}

TEST(Teardown, TasksMayDieBeforeWhatTheyWaitOn) {
  for_seeds(20, [](std::uint64_t seed) {
    World world(seed);
    Primitives on(world.loop());
    start_all(world.loop(), on);
    world.simulation.run_for(static_cast<Nanos>(seed) * kMicrosecond);
    world.process.crash();
    on.event.set();  // nobody is left to resume
    on.queue.close();
  });
}

TEST(Teardown, ApplicationOwnsWhatItsTasksWaitOn) {
  for_seeds(20, [](std::uint64_t seed) {
    World world(seed);
    auto on = std::make_shared<Primitives>(world.loop());
    start_all(world.loop(), *on);
    world.process.set_application(std::move(on));
    world.simulation.run_for(static_cast<Nanos>(seed) * kMicrosecond);
  });
}

Task<void> parent(Loop& loop, int children) {
  Primitives mine(loop);
  auto hold = co_await mine.semaphore.acquire(1);
  for (int i = 0; i < children; ++i) mine.group.spawn(wait_for_something(loop, mine, i));
  (void)co_await mine.group.join();
}

TEST(Teardown, ChildrenMayReferToTheirParentsFrame) {
  for_seeds(20, [](std::uint64_t seed) {
    World world(seed);
    for (int i = 0; i < 3; ++i) world.loop().spawn(parent(world.loop(), 14));
    world.simulation.run_for(static_cast<Nanos>(seed) * kMicrosecond);
    EXPECT_EQ(world.simulation.now(), static_cast<Nanos>(seed) * kMicrosecond);
  });
}

TEST(Teardown, WaitersOutliveWhatTheyWaitedOn) {
  World world(1);
  auto on = std::make_unique<Primitives>(world.loop());
  for (int i = 0; i < 4; ++i) world.loop().spawn(wait_for_something(world.loop(), *on, 0));
  for (int i = 0; i < 4; ++i) world.loop().spawn(wait_for_something(world.loop(), *on, 3));
  world.simulation.run_for(kMillisecond);
  on.reset();
  world.process.crash();
}

}  // namespace
}  // namespace hydra
