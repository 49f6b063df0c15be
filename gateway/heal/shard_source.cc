#include "gateway/heal/shard_source.h"

#include <bit>

#include "erasure/codec.h"

namespace hydra::heal {

ShardSource::ShardSource(Loop& loop, agent::Grid& grid, Pacer& pacer, const catalog::Extent& extent,
                         Nanos timeout)
    : loop_(loop), grid_(grid), pacer_(pacer), extent_(extent), timeout_(timeout) {
  const auto layout = erasure::Layout::of(extent.profile, extent.length);
  HYDRA_ASSERT(layout.has_value());
  layout_ = *layout;
  for (std::size_t i = 0; i < extent.nodes.size(); ++i)
    if (!extent.lacks(i) && grid.usable(extent.nodes[i])) good_ |= 1u << i;
}

std::uint32_t ShardSource::choose(std::uint32_t wanted) const {
  const int k = extent_.profile.k;
  if ((wanted & good_) == wanted && std::popcount(wanted) <= k) return wanted;
  // Those that are wanted, then data, which need no decoding, then parity.
  std::uint32_t chosen = 0;
  for (const bool want : {true, false})
    for (int i = 0; i < extent_.profile.shards(); ++i) {
      const std::uint32_t bit = 1u << i;
      if (std::popcount(chosen) < k && (good_ & bit) != 0 && ((wanted & bit) != 0) == want)
        chosen |= bit;
    }
  return std::popcount(chosen) == k ? chosen : 0;
}

Task<void> ShardSource::read_block(ShardSource* self, std::uint8_t index, std::uint32_t stripe,
                                   Blocks* into) {
  const std::size_t bytes = self->layout_.block_size(stripe);
  const NodeId node = self->extent_.nodes[index];
  auto block = co_await self->grid_.read(node, self->extent_.shard(index),
                                         self->layout_.block_shard_offset(stripe), bytes,
                                         self->loop_.after(self->timeout_));
  if (block && block->size() == bytes) {
    into->emplace(index, std::move(*block));
    co_return;
  }
  self->good_ &= ~(1u << index);
  self->last_error_ =
      block ? Error{Code::kCorrupt, "a shard is shorter than its extent says"} : block.error();
  if (self->last_error_->code == Code::kNotFound || self->last_error_->code == Code::kCorrupt)
    self->broken_.push_back({node, self->extent_.shard(index)});
}

Task<Status> ShardSource::fetch(std::uint32_t stripe, std::uint32_t wanted, Blocks& blocks) {
  for (;;) {
    const std::uint32_t chosen = choose(wanted);
    if (chosen == 0)
      co_return fail(Code::kUnavailable,
                     "too few shards can be read: " +
                         (last_error_ ? last_error_->to_string() : std::string("nodes are away")));
    TaskGroup reads(loop_);
    bool all = true;
    for (int i = 0; i < extent_.profile.shards(); ++i) {
      const auto index = static_cast<std::uint8_t>(i);
      if ((chosen >> i & 1) == 0 || blocks.contains(index)) continue;
      all = false;
      co_await pacer_.take(layout_.block_size(stripe));
      reads.spawn(read_block(this, index, stripe, &blocks));
    }
    if (all) co_return Status();
    co_await reads.join();
  }
}

Status ShardSource::decode(std::uint32_t stripe, std::uint32_t wanted, Blocks& blocks) const {
  std::vector<erasure::Shard> present;
  for (const auto& [index, block] : blocks)
    if (present.size() < extent_.profile.k) present.push_back({index, block.view()});
  Blocks rebuilt;
  std::vector<erasure::MissingShard> missing;
  for (int i = 0; i < extent_.profile.shards(); ++i) {
    const auto index = static_cast<std::uint8_t>(i);
    if ((wanted >> i & 1) == 0 || blocks.contains(index)) continue;
    Buffer& block = rebuilt.emplace(index, Buffer(layout_.block_size(stripe))).first->second;
    block.resize(block.capacity());
    missing.push_back({index, block.span()});
  }
  if (missing.empty()) return {};
  HYDRA_CHECK_OK(erasure::codec_for(extent_.profile).reconstruct(present, missing));
  blocks.merge(rebuilt);
  return {};
}

Task<Result<ShardSource::Blocks>> ShardSource::read(std::uint32_t stripe, std::uint32_t wanted) {
  Blocks blocks;
  HYDRA_CO_CHECK_OK(co_await fetch(stripe, wanted, blocks));
  HYDRA_CO_CHECK_OK(decode(stripe, wanted, blocks));
  co_return blocks;
}

}  // namespace hydra::heal
