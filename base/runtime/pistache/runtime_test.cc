#include "base/runtime/pistache/runtime.h"

#include <dirent.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/runtime/pistache/runtime_fixture.h"
#include "base/runtime/sync.h"

namespace hydra {
namespace {

std::size_t entries_of(const char* directory) {
  std::size_t count = 0;
  DIR* const dir = opendir(directory);
  while (readdir(dir) != nullptr) ++count;
  closedir(dir);
  return count;
}

Task<void> note_index(Loop& loop, std::atomic<int>& sum) {
  co_await yield(loop);
  sum += 1 << loop.index();
}

TEST(RuntimeTest, RunsPostedTasksOnEveryLoopBeforeAndAfterStart) {
  auto runtime = make_runtime(3);
  std::atomic<int> sum{0};
  runtime->loops()[0]->post(
      [&] { runtime->loops()[0]->spawn(note_index(*runtime->loops()[0], sum)); });
  ASSERT_TRUE(runtime->start());
  for (Loop* loop : runtime->loops().subspan(1))
    loop->post([loop, &sum] { loop->spawn(note_index(*loop, sum)); });
  EXPECT_TRUE(eventually([&] { return sum == 7; }));
}

TEST(RuntimeTest, StopLeavesNoThreadsAndNoDescriptors) {
  { auto warm_up = make_runtime(1); }
  const std::size_t fds = entries_of("/proc/self/fd");
  const std::size_t threads = entries_of("/proc/self/task");
  for (const bool serve : {false, true}) {
    Runtime::Options options{.workers = 2};
    if (serve) options.serve = ServeOptions{Address{"127.0.0.1:0"}, std::nullopt};
    auto runtime = std::move(*Runtime::create(options));
    ASSERT_TRUE(runtime->start([](Loop&, std::unique_ptr<Stream>) {}));
    std::atomic<bool> worked{false};
    Loop* loop = runtime->loops()[1];
    loop->post([&, loop] { loop->offload([] {}, [&] { worked = true; }); });
    EXPECT_TRUE(eventually([&] { return worked.load(); }));
    runtime->stop();
    EXPECT_EQ(entries_of("/proc/self/fd"), fds) << "serve " << serve;
    EXPECT_EQ(entries_of("/proc/self/task"), threads) << "serve " << serve;
  }
}

struct SetOnDestruction {
  std::atomic<bool>& flag;
  ~SetOnDestruction() { flag = true; }
};

Task<void> wait_for_ever(Loop& loop, std::atomic<bool>& started, std::atomic<bool>& destroyed) {
  const SetOnDestruction guard{destroyed};
  Event never(loop);
  started = true;
  co_await never.wait();
}

TEST(RuntimeTest, StopDestroysSuspendedTasks) {
  auto runtime = make_runtime(1);
  ASSERT_TRUE(runtime->start());
  std::atomic<bool> started{false};
  std::atomic<bool> destroyed{false};
  Loop& loop = *runtime->loops()[0];
  loop.post([&] { loop.spawn(wait_for_ever(loop, started, destroyed)); });
  ASSERT_TRUE(eventually([&] { return started.load(); }));
  runtime->stop();
  EXPECT_TRUE(destroyed);
}

TEST(RuntimeTest, ReportsAPortInUse) {
  Runtime::Options options{.workers = 1,
                           .serve = ServeOptions{Address{"127.0.0.1:0"}, std::nullopt}};
  auto first = std::move(*Runtime::create(options));
  options.serve->address = first->local_address();
  const auto second = Runtime::create(options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kAlreadyExists);
  EXPECT_EQ(second.error().message, first->local_address().text + " is already in use");
}

TEST(RuntimeTest, RejectsNonsenseAddresses) {
  for (const char* text :
       {"", "nonsense", "1.2.3.4", "1.2.3.4:", "1.2.3.4:99999", "::1:80", "[::1:80"}) {
    const auto runtime =
        Runtime::create({.workers = 1, .serve = ServeOptions{Address{text}, std::nullopt}});
    ASSERT_FALSE(runtime) << text;
    EXPECT_EQ(runtime.error().code, Code::kInvalidArgument) << text;
  }
}

TEST(LoopTest, TimersFireInOrderOfTimeThenOfAdding) {
  auto runtime = make_runtime(1);
  std::vector<int> order;
  std::atomic<bool> done{false};
  Loop& loop = *runtime->loops()[0];
  loop.post([&] {
    const Nanos start = loop.now();
    for (int i = 0; i < 1000; ++i) {
      const int place = (i * 377) % 1000;
      loop.call_at(start + place / 2 * 20 * kMicrosecond,
                   [&order, place] { order.push_back(place / 2); });
    }
    loop.call_at(start + 30 * kMillisecond, [&] { done = true; });
  });
  ASSERT_TRUE(runtime->start());
  ASSERT_TRUE(eventually([&] { return done.load(); }));
  EXPECT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(LoopTest, CancelledTimersDoNotFireAndEarlierOnesOvertake) {
  auto runtime = make_runtime(1);
  std::atomic<int> fired{0};
  std::atomic<bool> done{false};
  Loop& loop = *runtime->loops()[0];
  loop.post([&] {
    std::vector<Loop::TimerId> ids;
    for (int i = 0; i < 100; ++i)
      ids.push_back(loop.call_at(loop.now() + kMillisecond, [&] { ++fired; }));
    for (int i = 0; i < 100; i += 2) loop.cancel(ids[static_cast<std::size_t>(i)]);
    loop.call_at(loop.now() + 3600 * kSecond, [] {});
    loop.call_at(loop.now() + 20 * kMillisecond, [&] { done = true; });
  });
  ASSERT_TRUE(runtime->start());
  ASSERT_TRUE(eventually([&] { return done.load(); }));
  EXPECT_EQ(fired, 50);
}

TEST(LoopTest, TakesPostsFromManyThreadsInTheOrderOfEach) {
  auto runtime = make_runtime(1);
  ASSERT_TRUE(runtime->start());
  Loop& loop = *runtime->loops()[0];
  std::vector<int> last(4, -1);
  std::atomic<int> seen{0};
  std::atomic<bool> in_order{true};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5000; ++i)
        loop.post([&, t, i] {
          if (last[t] != i - 1) in_order = false;
          last[t] = i;
          ++seen;
        });
    });
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(eventually([&] { return seen == 20000; }));
  EXPECT_TRUE(in_order);
}

TEST(LoopTest, OffloadRunsElsewhereAndAnswersOnTheLoop) {
  auto runtime = make_runtime(1);
  ASSERT_TRUE(runtime->start());
  Loop& loop = *runtime->loops()[0];
  std::thread::id loop_thread;
  std::thread::id work_thread;
  std::thread::id done_thread;
  std::atomic<bool> done{false};
  loop.post([&] {
    loop_thread = std::this_thread::get_id();
    loop.offload([&] { work_thread = std::this_thread::get_id(); },
                 [&] {
                   done_thread = std::this_thread::get_id();
                   done = true;
                 });
  });
  ASSERT_TRUE(eventually([&] { return done.load(); }));
  EXPECT_EQ(done_thread, loop_thread);
  EXPECT_NE(work_thread, loop_thread);
}

TEST(LoopTest, SequencerRunsInOrderAndWaitsForWhatRunsWhenDestroyed) {
  auto runtime = make_runtime(1);
  auto sequencer = runtime->loops()[0]->make_sequencer("writer");
  std::vector<int> order;
  std::atomic<int> count{0};
  for (int i = 0; i < 1000; ++i)
    sequencer->post([&, i] {
      order.push_back(i);
      ++count;
    });
  ASSERT_TRUE(eventually([&] { return count == 1000; }));
  std::atomic<bool> entered{false};
  std::atomic<bool> left{false};
  sequencer->post([&] {
    entered = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    left = true;
  });
  ASSERT_TRUE(eventually([&] { return entered.load(); }));
  sequencer.reset();
  EXPECT_TRUE(left);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

Task<void> spin(Loop& loop, const bool& stop) {
  while (!stop) co_await yield(loop);
}

TEST(LoopTest, BusyTasksDoNotStarveTimersAndPosts) {
  auto runtime = make_runtime(1);
  ASSERT_TRUE(runtime->start());
  Loop& loop = *runtime->loops()[0];
  bool stop = false;
  std::atomic<bool> fired{false};
  loop.post([&] {
    loop.spawn(spin(loop, stop));
    loop.call_at(loop.now() + 5 * kMillisecond, [&] { fired = true; });
  });
  EXPECT_TRUE(eventually([&] { return fired.load(); }));
  std::atomic<bool> posted{false};
  loop.post([&] { posted = stop = true; });
  EXPECT_TRUE(eventually([&] { return posted.load(); }));
}

TEST(LoopTest, RandomBytesDiffer) {
  auto runtime = make_runtime(1);
  EXPECT_NE(runtime->loops()[0]->random_u64(), runtime->loops()[0]->random_u64());
}

}  // namespace
}  // namespace hydra
