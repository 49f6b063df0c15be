// One io_uring of one loop. Operations queue up during a turn and are submitted together at its
// end; completions between turns arrive by the loop's wake-up eventfd. liburing's header is
// included in disk_ring.cc only. Loop's thread, except drain(), which any thread may call once the
// loop's thread has ended.
#pragma once

#include <sys/uio.h>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

namespace hydra::runtime {

class PistacheLoop;

class DiskRing {
 public:
  // co_await ring.read(...): the system call's result, negative errno on failure; may be short.
  // What it points to must stay until then.
  class Operation {
   public:
    enum class Kind { kRead, kWrite, kSync, kAllocate };
    Operation(DiskRing& ring, Kind kind, int fd, const iovec* vectors, unsigned count,
              std::uint64_t offset, std::uint64_t length = 0, int mode = 0)
        : ring_(ring),
          kind_(kind),
          fd_(fd),
          vectors_(vectors),
          count_(count),
          offset_(offset),
          length_(length),
          mode_(mode) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle);
    int await_resume() const noexcept { return result_; }

   private:
    friend class DiskRing;
    DiskRing& ring_;
    Kind kind_;
    int fd_;
    const iovec* vectors_;
    unsigned count_;
    std::uint64_t offset_;
    std::uint64_t length_;
    int mode_;
    int result_ = 0;
    std::coroutine_handle<> handle_;
  };

  // nullptr where io_uring is not to be had (old kernel, seccomp, HYDRA_IO_URING=off).
  static std::unique_ptr<DiskRing> create(PistacheLoop& loop);
  ~DiskRing();

  Operation readv(int fd, const iovec* vectors, unsigned count, std::uint64_t offset) {
    return {*this, Operation::Kind::kRead, fd, vectors, count, offset};
  }
  Operation writev(int fd, const iovec* vectors, unsigned count, std::uint64_t offset) {
    return {*this, Operation::Kind::kWrite, fd, vectors, count, offset};
  }
  Operation data_sync(int fd) { return {*this, Operation::Kind::kSync, fd, nullptr, 0, 0}; }
  Operation allocate(int fd, int mode, std::uint64_t offset, std::uint64_t length) {
    return {*this, Operation::Kind::kAllocate, fd, nullptr, 0, offset, length, mode};
  }

  void reap();    // schedules the coroutines whose operations are done
  void submit();  // hands what is queued to the kernel, then reaps
  // During a turn the loop looks for completions by itself: most reads are done as soon as they are
  // submitted, and need not wake it. unmute() says whether some came meanwhile.
  void mute();
  bool unmute();
  void drain();  // waits for all that is in flight and drops what is not; resumes nobody

 private:
  struct Ring;
  DiskRing(PistacheLoop& loop, std::unique_ptr<Ring> ring);
  bool prepare(Operation& operation);

  PistacheLoop& loop_;
  std::unique_ptr<Ring> ring_;
  std::deque<Operation*> waiting_;
  std::size_t in_flight_ = 0;  // prepared and not yet completed
  std::size_t prepared_ = 0;   // prepared and not yet submitted
};

}  // namespace hydra::runtime
