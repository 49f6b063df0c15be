// Waiting inside one loop: sleep, Event, Semaphore, Queue, TaskGroup. Nothing here is thread-safe;
// each object belongs to one loop. Waiters are resumed in later turns, in the order of their
// waiting. Every waiter unlinks itself when its frame is destroyed, so teardown in any order is
// safe.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "base/result.h"
#include "base/runtime/loop.h"

namespace hydra {

namespace detail {

class WaitList;

// One suspended coroutine in a WaitList, with an optional deadline.
class Waiter {
 public:
  Waiter(Loop& loop, WaitList& list, Deadline deadline)
      : loop_(loop), list_(list), deadline_(deadline) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter();

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle);
  bool await_resume() const noexcept { return !timed_out_; }  // false: the deadline passed

 private:
  friend class WaitList;
  void unlink();
  void disarm();

  Loop& loop_;
  WaitList& list_;
  Deadline deadline_;
  std::coroutine_handle<> handle_;
  Waiter* previous_ = nullptr;
  Waiter* next_ = nullptr;
  bool linked_ = false;
  bool timed_out_ = false;
  Loop::TimerId timer_ = 0;
};

class WaitList {
 public:
  WaitList() = default;
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;
  ~WaitList();

  bool empty() const { return head_ == nullptr; }
  void resume_one();
  void resume_all();

 private:
  friend class Waiter;
  Waiter* head_ = nullptr;
  Waiter* tail_ = nullptr;
};

}  // namespace detail

// co_await sleep_until(loop, at): resumes in the first turn at or after `at`.
struct SleepAwaiter {
  Loop& loop;
  Nanos at;
  Loop::TimerId timer = 0;
  SleepAwaiter(Loop& owner, Nanos when) : loop(owner), at(when) {}
  SleepAwaiter(const SleepAwaiter&) = delete;
  ~SleepAwaiter() {
    if (timer != 0) loop.cancel(timer);
  }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    timer = loop.call_at(at, [this, handle] {
      timer = 0;
      loop.schedule(handle);
    });
  }
  void await_resume() const noexcept {}
};
inline SleepAwaiter sleep_until(Loop& loop, Nanos at) { return SleepAwaiter(loop, at); }
inline SleepAwaiter sleep_for(Loop& loop, Nanos duration) {
  return SleepAwaiter(loop, loop.now() + duration);
}

// Lets every other ready coroutine run first.
struct YieldAwaiter {
  Loop& loop;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) { loop.schedule(handle); }
  void await_resume() const noexcept {}
};
inline YieldAwaiter yield(Loop& loop) { return {loop}; }

// Set once or again after reset(); wait() returns false when the deadline passes first.
class Event {
 public:
  explicit Event(Loop& loop) : loop_(loop) {}
  bool is_set() const { return set_; }
  void set() {
    set_ = true;
    waiters_.resume_all();
  }
  void reset() { set_ = false; }
  Task<bool> wait(Deadline deadline = Deadline::never()) {
    while (!set_)
      if (!co_await detail::Waiter(loop_, waiters_, deadline)) co_return set_;
    co_return true;
  }

 private:
  Loop& loop_;
  bool set_ = false;
  detail::WaitList waiters_;
};

// Counts units (bytes, slots). First come, first served: a large request is not starved by small
// ones. A request larger than the whole capacity is granted when all of it is free.
class Semaphore {
 public:
  Semaphore(Loop& loop, std::size_t capacity)
      : loop_(loop), capacity_(capacity), available_(capacity) {}
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;
  ~Semaphore();

  // Holds units until destroyed. Move-only; must not outlive the semaphore.
  class Hold {
   public:
    Hold() = default;
    Hold(Hold&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), units_(std::exchange(other.units_, 0)) {}
    Hold& operator=(Hold&& other) noexcept {
      std::swap(owner_, other.owner_);
      std::swap(units_, other.units_);
      return *this;
    }
    ~Hold() { release(); }
    void release() {
      if (owner_ != nullptr) std::exchange(owner_, nullptr)->give_back(std::exchange(units_, 0));
    }

   private:
    friend class Semaphore;
    Hold(Semaphore* owner, std::size_t units) : owner_(owner), units_(units) {}
    Semaphore* owner_ = nullptr;
    std::size_t units_ = 0;
  };

  // kTimeout when the deadline passes first.
  Task<Result<Hold>> acquire(std::size_t units, Deadline deadline = Deadline::never());
  std::size_t available() const { return available_; }

 private:
  // An acquire() that waits. It lives in that coroutine's frame and is in queue_ until granted or
  // given up.
  struct Request {
    Request(Semaphore& owner, std::size_t wanted);
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;
    ~Request() { leave(); }
    void leave();

    Semaphore* semaphore;  // null: no longer queued
    std::size_t units;
    bool granted = false;
    detail::WaitList waiting;
  };
  void give_back(std::size_t units);
  // Grants from the front of the queue what fits, and resumes only those.
  void grant();

  Loop& loop_;
  std::size_t capacity_;
  std::size_t available_;
  std::deque<Request*> queue_;
};

// A bounded FIFO between tasks of one loop. After close(), pushes fail with kClosed and pops drain
// what is left.
template <typename T>
class Queue {
 public:
  Queue(Loop& loop, std::size_t capacity) : loop_(loop), capacity_(capacity) {}

  Task<Status> push(T item, Deadline deadline = Deadline::never()) {
    while (!closed_ && items_.size() >= capacity_)
      if (!co_await detail::Waiter(loop_, pushers_, deadline))
        co_return fail(Code::kTimeout, "queue stayed full");
    if (closed_) co_return fail(Code::kClosed, "queue is closed");
    items_.push_back(std::move(item));
    poppers_.resume_one();
    co_return Status();
  }
  // std::nullopt: closed and drained, or the deadline passed.
  Task<std::optional<T>> pop(Deadline deadline = Deadline::never()) {
    while (items_.empty()) {
      if (closed_) co_return std::nullopt;
      if (!co_await detail::Waiter(loop_, poppers_, deadline)) co_return std::nullopt;
    }
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    pushers_.resume_one();
    if (!items_.empty()) poppers_.resume_one();
    co_return item;
  }
  void close() {
    closed_ = true;
    pushers_.resume_all();
    poppers_.resume_all();
  }
  bool closed() const { return closed_; }
  std::size_t size() const { return items_.size(); }

 private:
  Loop& loop_;
  std::size_t capacity_;
  bool closed_ = false;
  std::deque<T> items_;
  detail::WaitList pushers_;
  detail::WaitList poppers_;
};

// Tasks that run side by side and are awaited together. join() must be awaited before destruction.
class TaskGroup {
 public:
  explicit TaskGroup(Loop& loop) : loop_(loop), idle_(loop) { idle_.set(); }
  void spawn(Task<void> task);
  Task<bool> join(Deadline deadline = Deadline::never()) { return idle_.wait(deadline); }
  std::size_t running() const { return running_; }

 private:
  static Task<void> run(TaskGroup& group, Task<void> task);
  Loop& loop_;
  std::size_t running_ = 0;
  Event idle_;
};

}  // namespace hydra
