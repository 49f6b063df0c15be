#include "gateway/heal/shard_fan.h"

#include <algorithm>

#include "base/crc32c.h"

namespace hydra::heal {

ShardFan::ShardFan(Loop& loop, agent::Grid& grid, Pacer& pacer, const erasure::Layout& layout,
                   std::vector<Target> targets, Nanos timeout)
    : loop_(loop), grid_(grid), pacer_(pacer), timeout_(timeout) {
  for (const Target& target : targets)
    legs_.push_back({target, grid.write(target.node, target.shard, layout), true});
}

bool ShardFan::any_good() const { return std::ranges::any_of(legs_, &Leg::good); }

Task<void> ShardFan::send_block(ShardFan* self, Leg* leg, ByteView block, bool last) {
  const Status status =
      co_await leg->writer->append(block, crc32c(block), last, self->loop_.after(self->timeout_));
  if (status) co_return;
  leg->good = false;
  self->last_error_ = status.error();
}

Task<void> ShardFan::send(const std::vector<ByteView>& blocks, bool last) {
  TaskGroup sends(loop_);
  for (std::size_t i = 0; i < legs_.size(); ++i) {
    if (!legs_[i].good) continue;
    co_await pacer_.take(blocks[i].size());
    sends.spawn(send_block(this, &legs_[i], blocks[i], last));
  }
  co_await sends.join();
}

Task<void> ShardFan::verify_shard(ShardFan* self, Leg* leg) {
  const Status status = co_await self->grid_.verify(leg->target.node, leg->target.shard,
                                                    self->loop_.after(self->timeout_));
  if (status) co_return;
  leg->good = false;
  self->last_error_ = status.error();
}

Task<void> ShardFan::verify() {
  TaskGroup checks(loop_);
  for (Leg& leg : legs_)
    if (leg.good) checks.spawn(verify_shard(this, &leg));
  co_await checks.join();
}

}  // namespace hydra::heal
