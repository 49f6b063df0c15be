#include "erasure/layout.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"

namespace hydra::erasure {

Result<Layout> Layout::of(Profile profile, std::uint64_t length) {
  if (!profile.valid())
    return fail(Code::kInvalidArgument, "no such profile: " + profile.to_string());
  if (length == 0 || length > kMaxExtentBytes)
    return fail(Code::kInvalidArgument,
                fmt::format("an extent of {} bytes: want 1 to {}", length, kMaxExtentBytes));
  Layout layout;
  layout.profile = profile;
  layout.length = length;
  layout.block_bytes = kStripeDataBytes / profile.k / kBlockAlignment * kBlockAlignment;
  return layout;
}

std::uint32_t Layout::stripes() const {
  return static_cast<std::uint32_t>((length + full_stripe_bytes() - 1) / full_stripe_bytes());
}

std::uint32_t Layout::block_size(std::uint32_t stripe) const {
  const std::uint32_t data = stripe_data_bytes(stripe);
  const std::uint32_t column = (data + profile.k - 1) / profile.k;
  return (column + kBlockAlignment - 1) / kBlockAlignment * kBlockAlignment;
}

std::uint64_t Layout::shard_bytes() const {
  const std::uint32_t last = stripes() - 1;
  return block_shard_offset(last) + block_size(last);
}

std::uint64_t Layout::stripe_data_offset(std::uint32_t stripe) const {
  HYDRA_ASSERT(stripe < stripes());
  return std::uint64_t{stripe} * full_stripe_bytes();
}

std::uint32_t Layout::stripe_data_bytes(std::uint32_t stripe) const {
  const std::uint64_t rest = length - stripe_data_offset(stripe);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(rest, full_stripe_bytes()));
}

std::uint64_t Layout::block_shard_offset(std::uint32_t stripe) const {
  HYDRA_ASSERT(stripe < stripes());
  return std::uint64_t{stripe} * block_bytes;
}

std::vector<Piece> Layout::pieces(std::uint64_t offset, std::uint64_t wanted) const {
  HYDRA_ASSERT(offset <= length && wanted <= length - offset);
  std::vector<Piece> found;
  if (wanted == 0) return found;
  found.reserve(wanted / block_bytes + 2);
  while (wanted > 0) {
    const auto stripe = static_cast<std::uint32_t>(offset / full_stripe_bytes());
    const auto in_stripe = static_cast<std::uint32_t>(offset % full_stripe_bytes());
    const std::uint32_t block = block_size(stripe);
    const std::uint32_t in_block = in_stripe % block;
    const auto run = static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, block - in_block));
    found.push_back({stripe, static_cast<std::uint8_t>(in_stripe / block), in_block, run});
    offset += run;
    wanted -= run;
  }
  return found;
}

}  // namespace hydra::erasure
