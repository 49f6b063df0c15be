#include "base/runtime/sim/faults.h"

namespace hydra::sim {

Faults Faults::swarm(std::uint64_t seed) {
  Prng prng(combine(seed, 0xfa17));
  Faults faults;
  // Each trait is on in half of the seeds: rare mixes meet each other, and so do quiet stretches.
  if (prng.chance(0.5)) faults.net.latency.high = prng.in({1 * kMillisecond, 50 * kMillisecond});
  if (prng.chance(0.5)) faults.net.window_bytes = prng.between(1 << 10, 64 << 10);
  if (prng.chance(0.5)) faults.net.max_chunk_bytes = prng.between(256, 16 << 10);
  if (prng.chance(0.5)) faults.net.partial_read = 0.9;
  if (prng.chance(0.5))
    faults.net.disconnect = 1.0 / static_cast<double>(prng.between(200, 20'000));
  if (prng.chance(0.5)) faults.net.refuse = 1.0 / static_cast<double>(prng.between(5, 100));
  if (prng.chance(0.5)) faults.net.delay = 1.0 / static_cast<double>(prng.between(10, 1000));
  if (prng.chance(0.3)) faults.net.break_after = kNever;
  if (prng.chance(0.5))
    faults.disk.sync_latency.high = prng.in({5 * kMillisecond, 300 * kMillisecond});
  if (prng.chance(0.5))
    faults.disk.write_latency.high = prng.in({1 * kMillisecond, 30 * kMillisecond});
  if (prng.chance(0.5))
    faults.disk.read_latency.high = prng.in({1 * kMillisecond, 30 * kMillisecond});
  if (prng.chance(0.5)) faults.turn.high = prng.in({10 * kMicrosecond, 200 * kMicrosecond});
  if (prng.chance(0.5)) faults.offload.high = prng.in({1 * kMillisecond, 20 * kMillisecond});
  if (prng.chance(0.5)) faults.clock_skew = prng.in({1 * kMillisecond, 10 * kSecond});
  return faults;
}

}  // namespace hydra::sim
