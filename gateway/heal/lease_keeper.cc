#include "gateway/heal/lease_keeper.h"

#include "base/log.h"

namespace hydra::heal {

LeaseKeeper::LeaseKeeper(Loop& loop, catalog::Catalog& catalog, std::string name, Nanos ttl)
    : loop_(loop), catalog_(catalog), name_(std::move(name)), ttl_(ttl) {
  ExtentId random;
  loop.random(random.bytes);
  self_ = random.to_string();
}

Task<void> LeaseKeeper::refresh() {
  const Nanos asked = loop_.now();
  if (asked < until_ - ttl_ * 2 / 3) co_return;
  const auto lease = co_await catalog_.acquire_lease(loop_, name_, self_, ttl_ / kMillisecond);
  if (!lease) {
    log::warning("the {}'s lease cannot be taken: {}", name_, lease.error().to_string());
    co_return;
  }
  holder_ = lease->holder;
  if (holder_ == self_) until_ = asked + ttl_;
}

Task<void> LeaseKeeper::release() {
  if (!held()) co_return;
  if (const Status given = co_await catalog_.release_lease(loop_, name_, self_); !given)
    log::warning("the {}'s lease was not given back: {}", name_, given.error().to_string());
  until_ = 0;
}

}  // namespace hydra::heal
