// PistacheLoop: the real Loop. It runs on one worker thread of a Pistache reactor, inside a
// LoopTransport (loop_transport.h), which hands it the events of its own descriptors. One turn is:
// dispatch events, then timers, posted closures, ready coroutines and disk completions until
// nothing is left or the turn has lasted long enough.
//
// The Runtime owns it and outlives its threads with it. Methods are for the loop's own thread
// unless marked.
#pragma once

#include <array>
#include <atomic>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "base/runtime/io.h"
#include "base/runtime/loop.h"
#include "base/runtime/pistache/threads.h"
#include "base/runtime/pistache/timer_heap.h"
#include "base/runtime/pistache/unique_fd.h"

namespace hydra::runtime {

class DiskRing;

// What has happened to a descriptor. An error or hang-up counts as all three.
struct Readiness {
  bool readable = false;
  bool writable = false;
  bool ended = false;  // the peer sends no more
};

// Something that waits for events of a descriptor. Edge-triggered: on_ready comes when the
// descriptor becomes ready, not while it is.
class FdWatcher {
 public:
  virtual void on_ready(Readiness readiness) = 0;

 protected:
  ~FdWatcher() = default;
};

// The epoll set of the worker, reached through Pistache's reactor.
class Poller {
 public:
  // Edge-triggered. A unix socket becomes writable whenever its peer has read something, so only
  // who waits to write should ask for that.
  virtual Status add(int fd, std::uint64_t tag, bool writes) = 0;
  virtual Status change(int fd, std::uint64_t tag, bool writes) = 0;
  virtual void remove(int fd) = 0;

 protected:
  ~Poller() = default;
};

class PistacheLoop final : public Loop {
 public:
  // Tags with this bit are ours; Pistache uses descriptor numbers as tags.
  static constexpr std::uint64_t kOwnTag = 1ull << 63;

  // Fails when the process is out of descriptors.
  static Result<std::unique_ptr<PistacheLoop>> create(std::uint32_t index, ThreadPool& pool,
                                                      bool io_uring);
  ~PistacheLoop() override;

  Nanos now() const override;
  std::int64_t wall_ms() const override;
  void post(std::function<void()> fn) override;
  void offload(std::function<void()> work, std::function<void()> done) override;
  std::unique_ptr<Sequencer> make_sequencer(std::string_view name) override;
  TimerId call_at(Nanos at, std::function<void()> fn) override;
  void cancel(TimerId id) override;
  void random(MutableBytes out) override;
  Net& net() override { return *net_; }
  Disk& disk() override { return *disk_; }

  // Registers a descriptor; the token names it to unwatch(). The watcher must unwatch before it
  // goes.
  Result<std::uint32_t> watch(int fd, FdWatcher& watcher, bool writes);
  // Whether the watcher also hears when the descriptor becomes writable; when asked for, also if it
  // is so already.
  Status watch_writes(int fd, std::uint32_t token, bool writes);
  void unwatch(int fd, std::uint32_t token);

  // co_await loop.next_turn(): lets the worker look at all other descriptors first.
  struct NextTurn {
    PistacheLoop& loop;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) { loop.deferred_.push_back(handle); }
    void await_resume() const noexcept {}
  };
  NextTurn next_turn() { return {*this}; }
  // Makes sure that another turn follows, even when nothing happens.
  void request_turn() { poke(); }
  std::uint64_t turn() const { return turn_; }

  DiskRing* ring() { return ring_.get(); }  // nullptr: no io_uring here
  ThreadPool& pool() { return pool_; }

  // Connections that came from the listener and are open on this loop; for even distribution. Any
  // thread.
  std::atomic<std::int32_t>& accepted_connections() { return accepted_connections_; }

  // For LoopTransport. wake_fd and timer_fd are to be registered under these tags.
  int wake_fd() const { return wake_fd_.get(); }
  int timer_fd() const { return timer_fd_.get(); }
  static constexpr std::uint64_t kWakeTag = kOwnTag | 0;
  static constexpr std::uint64_t kTimerTag = kOwnTag | 1;
  void set_poller(Poller* poller) { poller_ = poller; }
  void begin_turn();
  void dispatch(std::uint64_t tag, Readiness readiness);
  void finish_turn();

  // For Runtime. quiesce(): on the loop's thread; from here on nothing runs any more and no disk
  // operation is in flight. tear_down(): when the threads are gone, on any; destroys all tasks and
  // closes all descriptors.
  void quiesce();
  bool quiesced() const { return quiesced_.load(std::memory_order_relaxed); }
  void tear_down();

 protected:
  void wake() override;

 private:
  struct Watch {
    FdWatcher* watcher = nullptr;
    std::uint32_t generation = 0;
  };

  PistacheLoop(std::uint32_t index, ThreadPool& pool);
  std::uint64_t tag_of(std::uint32_t token) const;
  bool on_own_thread() const;
  void poke();
  bool run_posted();
  bool run_timers();
  void arm_timer();

  ThreadPool& pool_;
  UniqueFd wake_fd_;
  UniqueFd timer_fd_;
  Poller* poller_ = nullptr;
  std::unique_ptr<DiskRing> ring_;

  TimerHeap timers_;
  Nanos armed_at_ = INT64_MAX;

  std::mutex post_mutex_;
  std::vector<std::function<void()>> posted_;  // under post_mutex_
  bool poked_ = false;                         // under post_mutex_: a wake-up is on its way
  bool torn_down_ = false;                     // under post_mutex_
  std::atomic<bool> has_posted_{false};
  std::atomic<bool> quiesced_{false};
  std::vector<std::function<void()>> running_posts_;

  std::vector<Watch> watches_;
  std::vector<std::uint32_t> free_watches_;
  std::vector<std::coroutine_handle<>> deferred_;
  std::uint64_t turn_ = 0;
  std::array<std::byte, 512> drawn_;  // random bytes, of which the first undrawn_ are unused
  std::size_t undrawn_ = 0;
  std::atomic<std::int32_t> accepted_connections_{0};

  std::unique_ptr<Net> net_;
  std::unique_ptr<Disk> disk_;
};

}  // namespace hydra::runtime
