// For the tests of this folder: a runtime, waiting with a limit, running a task on a loop to its
// end, a directory.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "base/runtime/pistache/runtime.h"

namespace hydra {

inline std::unique_ptr<Runtime> make_runtime(std::uint32_t workers, bool io_uring = true) {
  auto runtime = Runtime::create({.workers = workers, .io_uring = io_uring});
  if (!runtime) ADD_FAILURE() << runtime.error().to_string();
  return std::move(*runtime);
}

// Polls until the condition holds; false after ten seconds.
inline bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 10'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

namespace detail {
template <typename T>
Task<void> fulfil(std::function<Task<T>(Loop&)> make, Loop& loop, std::promise<T>& promise) {
  T value = co_await make(loop);
  promise.set_value(std::move(value));
}
}  // namespace detail

// Runs the task that `make` makes on the loop (whose thread must run) and waits for its value.
template <typename T>
T run_on(Loop& loop, std::function<Task<T>(Loop&)> make) {
  std::promise<T> promise;
  auto future = promise.get_future();
  loop.post([&] { loop.spawn(detail::fulfil<T>(make, loop, promise)); });
  return future.get();
}

class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::string& below = std::filesystem::temp_directory_path()) {
    path_ = below + "/hydra-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "cannot make " << path_;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  std::string path(const std::string& name = {}) const {
    return name.empty() ? path_ : path_ + "/" + name;
  }

 private:
  std::string path_;
};

}  // namespace hydra
