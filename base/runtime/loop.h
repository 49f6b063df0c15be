// Loop: one single-threaded executor, and with Net and Disk (io.h) the seam through which all time,
// randomness, network, disk and threads come (invariant 10). A gateway has one loop a worker, an
// agent has one. runtime/pistache/ is the real one; runtime/sim/ runs many loops in one thread
// under a seeded scheduler.
//
// Unless said otherwise a method may be called only from the loop's own thread; post() from any.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/runtime/task.h"

namespace hydra {

using Nanos = std::int64_t;
constexpr Nanos kMicrosecond = 1'000;
constexpr Nanos kMillisecond = 1'000'000;
constexpr Nanos kSecond = 1'000'000'000;

// A point on Loop::now()'s clock after which a wait fails with kTimeout.
struct Deadline {
  Nanos at;
  static constexpr Deadline never() { return {INT64_MAX}; }
  bool is_never() const { return at == INT64_MAX; }
};

class Net;
class Disk;

// A background thread that runs closures in the order of their posting; simulated as delayed turns
// of the loop. Destroying it drops what has not started and waits for what runs.
class Sequencer {
 public:
  virtual ~Sequencer() = default;
  virtual void post(std::function<void()> work) = 0;  // from any thread
};

class Loop {
 public:
  using TimerId = std::uint64_t;

  virtual ~Loop();

  // Monotonic nanoseconds, and milliseconds since 1970 UTC.
  virtual Nanos now() const = 0;
  virtual std::int64_t wall_ms() const = 0;
  Deadline after(Nanos duration) const { return {now() + duration}; }

  // Runs fn on this loop, in a later turn. From any thread.
  virtual void post(std::function<void()> fn) = 0;

  // Runs work on a thread of a pool, then done on this loop.
  virtual void offload(std::function<void()> work, std::function<void()> done) = 0;
  virtual std::unique_ptr<Sequencer> make_sequencer(std::string_view name) = 0;

  virtual TimerId call_at(Nanos at, std::function<void()> fn) = 0;
  virtual void cancel(TimerId id) = 0;

  // Cryptographically strong in the real runtime, seeded in simulation.
  virtual void random(MutableBytes out) = 0;
  std::uint64_t random_u64();

  virtual Net& net() = 0;
  virtual Disk& disk() = 0;

  // This worker's number within its process, from 0.
  std::uint32_t index() const { return index_; }

  // Starts a task in a later turn; the loop owns it until it ends.
  void spawn(Task<void> task);
  // Resumes a suspended coroutine in a later turn of this loop.
  void schedule(std::coroutine_handle<> handle);

  std::size_t spawned() const { return spawned_; }

 protected:
  explicit Loop(std::uint32_t index) : index_(index) {}

  bool has_ready() const { return !ready_.empty(); }
  // Resumes what is ready now; what becomes ready meanwhile runs too, up to `limit` resumptions.
  std::size_t run_ready(std::size_t limit);
  // Makes sure that run_ready is called soon; called when the ready queue turns non-empty.
  virtual void wake() = 0;
  // Destroys every task, the youngest first. A derived class calls it first in its destructor.
  void destroy_tasks();

 private:
  struct Root;
  struct RootLink;
  static Root run_root(Loop& loop, Task<void> task);

  std::uint32_t index_;
  bool closing_ = false;
  std::deque<std::coroutine_handle<>> ready_;
  RootLink* youngest_ = nullptr;  // tasks in the order of their spawning
  std::size_t spawned_ = 0;
};

}  // namespace hydra
