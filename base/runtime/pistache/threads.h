// The threads beside the loops: the pool behind Loop::offload and the dedicated thread of a
// Sequencer. The runtime owns the pool and shares it between its loops; a sequencer belongs to who
// asked for it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "base/runtime/loop.h"

namespace hydra::runtime {

// Threads start when there is work that no idle one can take, up to `limit`. post() from any
// thread.
class ThreadPool {
 public:
  explicit ThreadPool(std::size_t limit) : limit_(limit) {}
  ~ThreadPool() { stop(); }

  void post(std::function<void()> work);
  // Drops what has not started, waits for what runs, joins all threads. Later posts are dropped.
  void stop();

 private:
  void run();

  const std::size_t limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool stopping_ = false;
};

std::unique_ptr<Sequencer> make_thread_sequencer(std::string_view name);

// Signals go to the main thread only: blocks them all in this thread while in scope, and so in
// threads that are started meanwhile.
class SignalsBlocked {
 public:
  SignalsBlocked();
  ~SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  struct Saved;
  std::unique_ptr<Saved> saved_;
};

}  // namespace hydra::runtime
