#include "erasure/layout.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace hydra::erasure {
namespace {

Profile any_profile() {
  const int k = *rc::gen::inRange(1, kMaxShards);
  const int m = *rc::gen::inRange(1, kMaxShards - k + 1);
  return {static_cast<std::uint8_t>(k), static_cast<std::uint8_t>(m)};
}

Layout any_layout() {
  const auto limit = *rc::gen::element<std::uint64_t>(100, 65552, 3u << 20, kMaxExtentBytes);
  return Layout::of(any_profile(), *rc::gen::inRange<std::uint64_t>(1, limit + 1)).value();
}

TEST(Layout, StripesCoverTheExtentAndTheirBlocksTheShard) {
  EXPECT_TRUE(rc::check([] {
    const Layout layout = any_layout();
    std::uint64_t data = 0;
    std::uint64_t shard = 0;
    for (std::uint32_t stripe = 0; stripe < layout.stripes(); ++stripe) {
      RC_ASSERT(layout.stripe_data_offset(stripe) == data);
      RC_ASSERT(layout.block_shard_offset(stripe) == shard);
      const std::uint64_t block = layout.block_size(stripe);
      const std::uint64_t held = layout.stripe_data_bytes(stripe);
      RC_ASSERT(held > 0u);
      RC_ASSERT(block % kBlockAlignment == 0u);
      RC_ASSERT(block * layout.profile.k >= held);
      if (stripe + 1 < layout.stripes()) {
        RC_ASSERT(block == layout.block_bytes);
        RC_ASSERT(block * layout.profile.k == held);
      } else {
        // No shorter aligned block would do.
        RC_ASSERT((block - kBlockAlignment) * layout.profile.k < held);
        RC_ASSERT(block <= layout.block_bytes);
      }
      data += held;
      shard += block;
    }
    RC_ASSERT(data == layout.length);
    RC_ASSERT(shard == layout.shard_bytes());
  }));
}

TEST(Layout, PiecesCoverExactlyTheRangeInOrder) {
  EXPECT_TRUE(rc::check([] {
    const Layout layout = any_layout();
    const auto offset = *rc::gen::inRange<std::uint64_t>(0, layout.length + 1);
    const auto wanted = *rc::gen::inRange<std::uint64_t>(0, layout.length - offset + 1);
    std::uint64_t at = offset;
    for (const Piece& piece : layout.pieces(offset, wanted)) {
      const std::uint64_t block = layout.block_size(piece.stripe);
      RC_ASSERT(piece.length > 0u);
      RC_ASSERT(piece.index < layout.profile.k);
      RC_ASSERT(piece.offset_in_block + std::uint64_t{piece.length} <= block);
      RC_ASSERT(layout.stripe_data_offset(piece.stripe) + piece.index * block +
                    piece.offset_in_block ==
                at);
      at += piece.length;
    }
    RC_ASSERT(at == offset + wanted);
  }));
}

TEST(Layout, TheDocumentedExampleHolds) {
  const Layout layout = Layout::of({4, 2}, 2'500'000).value();
  EXPECT_EQ(layout.block_bytes, 262'144u);
  EXPECT_EQ(layout.stripes(), 3u);
  EXPECT_EQ(layout.stripe_data_bytes(2), 402'848u);
  EXPECT_EQ(layout.block_size(2), 100'736u);
  EXPECT_EQ(layout.shard_bytes(), 625'024u);
  const std::vector<Piece> expected = {{1, 3, 262'044, 100}, {2, 0, 0, 100'736}, {2, 1, 0, 64}};
  EXPECT_EQ(layout.pieces(2 * 1'048'576 - 100, 100'900), expected);
}

TEST(Layout, LastFullStripeIsNotFollowedByAnEmptyOne) {
  const Layout layout = Layout::of({4, 2}, kMaxExtentBytes).value();
  EXPECT_EQ(layout.stripes(), 64u);
  EXPECT_EQ(layout.block_size(63), layout.block_bytes);
  EXPECT_EQ(layout.shard_bytes(), kMaxExtentBytes / 4);
}

TEST(Layout, ImpossibleExtentsAreRefused) {
  for (const std::uint64_t length : {std::uint64_t{0}, kMaxExtentBytes + 1, UINT64_MAX})
    EXPECT_EQ(Layout::of({4, 2}, length).error().code, Code::kInvalidArgument);
  for (const Profile profile : {Profile{0, 2}, Profile{4, 0}, Profile{31, 2}, Profile{255, 255}})
    EXPECT_EQ(Layout::of(profile, 100).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace hydra::erasure
