// Layout: where the bytes of one extent lie in its stripes, blocks and shards. Pure arithmetic; any
// thread. docs/FORMAT-extent.md shows it with an example.
//
// An extent is a run of 1 byte to 64 MiB. It is cut into stripes of k data blocks and m parity
// blocks. All stripes but the last have blocks of `block_bytes`; the last one has shorter blocks,
// just long enough for the rest, and its data is padded with zeros. Shard i is the concatenation of
// block i of every stripe.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "erasure/profile.h"

namespace hydra::erasure {

constexpr std::uint64_t kMaxExtentBytes = 64ull << 20;
constexpr std::uint32_t kStripeDataBytes = 1u << 20;
constexpr std::uint32_t kBlockAlignment = 64;

// A run of an extent's bytes within one data block.
struct Piece {
  std::uint32_t stripe;
  std::uint8_t index;  // of the data shard, 0..k-1
  std::uint32_t offset_in_block;
  std::uint32_t length;

  auto operator<=>(const Piece&) const = default;
};

struct Layout {
  Profile profile;
  std::uint64_t length = 0;  // of the extent, without padding
  std::uint32_t block_bytes =
      0;  // of a full stripe: kStripeDataBytes / k, down to a multiple of 64

  // kInvalidArgument for a profile that is not valid, or a length of 0 or above kMaxExtentBytes.
  static Result<Layout> of(Profile profile, std::uint64_t length);

  std::uint32_t stripes() const;
  // Bytes of each block of the stripe, a multiple of 64.
  std::uint32_t block_size(std::uint32_t stripe) const;
  // Bytes of each shard: the sum of its block sizes.
  std::uint64_t shard_bytes() const;
  // Where the stripe's data begins in the extent, and how much of it there is (without padding).
  std::uint64_t stripe_data_offset(std::uint32_t stripe) const;
  std::uint32_t stripe_data_bytes(std::uint32_t stripe) const;
  // Where the stripe's block begins in its shard.
  std::uint64_t block_shard_offset(std::uint32_t stripe) const;

  // The pieces that hold [offset, offset + length) of the extent, in order. Asserts that the range
  // lies inside.
  std::vector<Piece> pieces(std::uint64_t offset, std::uint64_t length) const;

 private:
  std::uint32_t full_stripe_bytes() const { return block_bytes * profile.k; }
};

}  // namespace hydra::erasure
