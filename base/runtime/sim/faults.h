// How rough the simulated world is. The defaults are a healthy grid: delays vary and reads are
// partial, because correct code must stand that anyway, but nothing fails. docs/SIMULATION.md
// describes each fault.
#pragma once

#include <cstdint>

#include "base/runtime/sim/random.h"

namespace hydra::sim {

constexpr Nanos kNever = INT64_MAX;

struct NetworkFaults {
  Range latency{20 * kMicrosecond, 500 * kMicrosecond};
  std::uint64_t bytes_per_second = 1'000'000'000;
  std::size_t window_bytes = 256 << 10;  // unread bytes of one direction; a write waits beyond them
  std::size_t max_chunk_bytes = 64 << 10;  // a write travels in chunks of random size up to this
  double partial_read = 0.3;               // chance that a read returns less than has arrived
  double disconnect = 0;                   // chance, per chunk, that the connection breaks
  double refuse = 0;                       // chance that a connect is refused
  double delay = 0;                        // chance, per chunk, of an extra `delay_time`
  Range delay_time{1 * kMillisecond, 200 * kMillisecond};
  Nanos break_after = 15 * kSecond;  // a stalled stream fails with kClosed; kNever: it hangs
};

struct DiskFaults {
  std::uint64_t capacity_bytes = 64ull << 30;
  Range read_latency{20 * kMicrosecond, 300 * kMicrosecond};
  Range write_latency{10 * kMicrosecond, 200 * kMicrosecond};
  Range sync_latency{100 * kMicrosecond, 5 * kMillisecond};
  double read_error = 0;
  double write_error = 0;
  double sync_error = 0;         // the dirty data is dropped, as Linux does
  double lost_write = 0;         // acknowledged and never done
  double misdirected_write = 0;  // done at another sector of the same file
};

struct Faults {
  NetworkFaults net;
  DiskFaults disk;
  Range turn{0, 2 * kMicrosecond};  // cost of a turn of a loop
  Range offload{5 * kMicrosecond, 500 * kMicrosecond};
  Nanos clock_skew = 0;  // a process's wall clock is off by up to this much, either way
  std::uint64_t max_events = 50'000'000;  // of one run_until or run_for

  static Faults none() { return {}; }
  // A mix drawn from the seed: some faults are off, the others have random rates. Corrupting faults
  // (lost and misdirected writes, I/O errors) stay off: they must be aimed, so that redundancy can
  // win.
  static Faults swarm(std::uint64_t seed);
};

}  // namespace hydra::sim
