#include "gateway/heal/lease_keeper.h"

#include "base/log.h"

namespace hydra::heal {

LeaseKeeper::LeaseKeeper(Loop& loop, catalog::Catalog& catalog, std::string name, Nanos ttl)
    : loop_(loop), catalog_(catalog), name_(std::move(name)), ttl_(ttl) {
  ExtentId random;
  loop.random(random.bytes);
  holder_ = random.to_string();
}

Task<void> LeaseKeeper::run(LeaseKeeper* self) {
  for (;;) {
    const Nanos asked = self->loop_.now();
    const auto lease = co_await self->catalog_.acquire_lease(
        self->loop_, self->name_, self->holder_, self->ttl_ / kMillisecond);
    if (!lease)
      log::warning("the lease {} cannot be taken: {}", self->name_, lease.error().to_string());
    else if (lease->holder == self->holder_)
      self->until_ = asked + self->ttl_;
    co_await sleep_for(self->loop_, self->ttl_ / 3);
  }
}

}  // namespace hydra::heal
