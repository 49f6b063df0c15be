#include "base/runtime/loop.h"

#include "base/free_lists.h"

namespace hydra {

namespace detail {
namespace {
// Frames below 4 KiB are recycled.
using FrameLists = FreeLists<128, 32, 256, __STDCPP_DEFAULT_NEW_ALIGNMENT__>;
FrameLists& frame_lists() {
  thread_local FrameLists lists;
  return lists;
}
}  // namespace

void* allocate_frame(std::size_t bytes) { return frame_lists().allocate(bytes); }
void release_frame(void* frame, std::size_t bytes) { frame_lists().release(frame, bytes); }
}  // namespace detail

// A spawned task in the list of its loop. The list is in the order of spawning, so that teardown
// neither depends on addresses nor destroys a parent before the children that refer to it.
struct Loop::RootLink {
  explicit RootLink(Loop& owner) : loop(owner), older(owner.youngest_) {
    if (older != nullptr) older->younger = this;
    loop.youngest_ = this;
    ++loop.spawned_;
  }
  ~RootLink() {
    if (older != nullptr) older->younger = younger;
    (younger != nullptr ? younger->older : loop.youngest_) = older;
    --loop.spawned_;
  }
  RootLink(const RootLink&) = delete;
  RootLink& operator=(const RootLink&) = delete;

  Loop& loop;
  RootLink* older;
  RootLink* younger = nullptr;
  std::coroutine_handle<> frame;
};

// The outermost coroutine of a spawned task: registers its frame with the loop, so that teardown
// can destroy it.
struct Loop::Root {
  struct promise_type : RootLink {
    promise_type(Loop& owner, Task<void>&) : RootLink(owner) {}
    Root get_return_object() {
      frame = std::coroutine_handle<promise_type>::from_promise(*this);
      loop.schedule(frame);
      return {};
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    // Not suspend_never: where the body ends with its co_await, clang 16 then leaves the frame
    // undestroyed from -O1 on.
    struct DestroySelf {
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<> self) noexcept { self.destroy(); }
      void await_resume() noexcept {}
    };
    DestroySelf final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

Loop::Root Loop::run_root(Loop&, Task<void> task) { co_await task; }

Loop::~Loop() { HYDRA_ASSERT(youngest_ == nullptr); }

void Loop::spawn(Task<void> task) {
  if (closing_) return;
  run_root(*this, std::move(task));
}

void Loop::schedule(std::coroutine_handle<> handle) {
  if (closing_) return;
  ready_.push_back(handle);
  if (ready_.size() == 1) wake();
}

std::size_t Loop::run_ready(std::size_t limit) {
  std::size_t resumed = 0;
  while (!ready_.empty() && resumed < limit) {
    auto handle = ready_.front();
    ready_.pop_front();
    ++resumed;
    handle.resume();
  }
  return resumed;
}

void Loop::destroy_tasks() {
  closing_ = true;
  ready_.clear();
  while (youngest_ != nullptr) youngest_->frame.destroy();
}

std::uint64_t Loop::random_u64() {
  std::uint64_t value = 0;
  random(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

}  // namespace hydra
