#include "gateway/heal/pacer.h"

#include <algorithm>

namespace hydra::heal {

namespace {
// What may be taken at once after a rest.
constexpr Nanos kBurst = 50 * kMillisecond;
}  // namespace

std::uint64_t Pacer::rate() {
  const std::uint64_t begun = foreground_.begun.load(std::memory_order_relaxed);
  if (begun != seen_ || foreground_.running.load(std::memory_order_relaxed) > 0)
    busy_until_ = loop_.now() + kBusyFor;
  seen_ = begun;
  return loop_.now() < busy_until_ ? std::min(limits_.floor, limits_.ceiling) : limits_.ceiling;
}

Task<void> Pacer::take(std::uint64_t bytes) {
  const Nanos now = loop_.now();
  free_at_ = std::max(free_at_, now - kBurst);
  free_at_ += static_cast<Nanos>(static_cast<double>(bytes) * static_cast<double>(kSecond) /
                                 static_cast<double>(std::max<std::uint64_t>(rate(), 1)));
  if (free_at_ > now) co_await sleep_until(loop_, free_at_);
}

}  // namespace hydra::heal
