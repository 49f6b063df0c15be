#include "bench/load/schedule.h"

#include <cmath>

namespace hydra::bench {

OpenSchedule::OpenSchedule(double per_second, bool poisson, std::uint64_t seed)
    : interval_ns_(1e9 / per_second), poisson_(poisson), random_(seed) {}

std::int64_t OpenSchedule::take() {
  const std::int64_t taken = next();
  ++taken_;
  if (poisson_) {
    // In (0, 1], so that the logarithm is finite.
    const double uniform = (static_cast<double>(mix(random_++) >> 11) + 1) * 0x1p-53;
    next_ += -std::log(uniform) * interval_ns_;
  } else {
    next_ = static_cast<double>(taken_) * interval_ns_;  // a sum would drift
  }
  return taken;
}

}  // namespace hydra::bench
