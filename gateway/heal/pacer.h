// Pacer: how fast the healer may move bytes: up to the ceiling while the grid is idle, down to the
// floor while requests run, so that these do not wait for it. Foreground is the count of requests,
// touched by every worker; a Pacer belongs to one loop.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/runtime/sync.h"

namespace hydra::heal {

struct Foreground {
  std::atomic<std::uint64_t> begun{0};
  std::atomic<std::uint64_t> running{0};

  class Request {  // while it runs
   public:
    explicit Request(Foreground& foreground) : foreground_(foreground) {
      foreground_.begun.fetch_add(1, std::memory_order_relaxed);
      foreground_.running.fetch_add(1, std::memory_order_relaxed);
    }
    ~Request() { foreground_.running.fetch_sub(1, std::memory_order_relaxed); }
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

   private:
    Foreground& foreground_;
  };
};

struct PaceLimits {  // bytes a second, read from and written to nodes together
  std::uint64_t floor = 16u << 20;
  std::uint64_t ceiling = 256u << 20;
};

class Pacer {
 public:
  Pacer(Loop& loop, const Foreground& foreground, PaceLimits limits)
      : loop_(loop), foreground_(foreground), limits_(limits) {}

  // Waits until so many bytes may move. First come, first served.
  Task<void> take(std::uint64_t bytes);
  // What the pace is now.
  std::uint64_t rate();

 private:
  static constexpr Nanos kBusyFor = 500 * kMillisecond;  // after the last request was seen

  Loop& loop_;
  const Foreground& foreground_;
  PaceLimits limits_;
  std::uint64_t seen_ = 0;  // of foreground_.begun
  Nanos busy_until_ = 0;
  Nanos free_at_ = 0;  // when what was granted will have moved
};

}  // namespace hydra::heal
