#include "gateway/catalog/coverage.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <limits>
#include <string>

namespace hydra::catalog {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t kPlain = kSegmentBytes;
constexpr std::uint64_t kSealed = kSealedSegmentBytes;

ExtentId named(char letter) {
  ExtentId id;
  id.bytes.fill(static_cast<std::byte>(letter));
  return id;
}
BodyPiece hole(std::uint32_t length) { return {.length = length}; }

TEST(Coverage, SegmentsAreNeededWhole) {
  const std::uint64_t plain = 3 * kPlain + 100;
  EXPECT_EQ(sealed_bytes(plain), 3 * kSealed + 116);
  EXPECT_EQ(sealed_bytes(0), 0u);
  EXPECT_EQ(sealed_bytes(kPlain), kSealed);
  EXPECT_EQ(sealed_bytes(kPlain + 1), kSealed + 17);
  EXPECT_EQ(segments_of(0, 1, plain), (SealedRange{0, kSealed}));
  EXPECT_EQ(segments_of(0, kPlain, plain), (SealedRange{0, kSealed}));
  EXPECT_EQ(segments_of(0, kPlain + 1, plain), (SealedRange{0, 2 * kSealed}));
  EXPECT_EQ(segments_of(kPlain - 1, 1, plain), (SealedRange{0, kSealed}));
  EXPECT_EQ(segments_of(kPlain - 1, 2, plain), (SealedRange{0, 2 * kSealed}));
  EXPECT_EQ(segments_of(kPlain, 1, plain), (SealedRange{kSealed, 2 * kSealed}));
  EXPECT_EQ(segments_of(3 * kPlain, 1, plain), (SealedRange{3 * kSealed, 3 * kSealed + 116}));
  EXPECT_EQ(segments_of(2 * kPlain + 5, kPlain + 95, plain),
            (SealedRange{2 * kSealed, 3 * kSealed + 116}));
  EXPECT_EQ(segments_of(kPlain, 0, plain), SealedRange());
}

TEST(Coverage, RangesAreUnited) {
  EXPECT_THAT(unite({}), IsEmpty());
  EXPECT_THAT(unite({{5, 5}, {0, 0}}), IsEmpty());
  EXPECT_THAT(unite({{30, 40}, {0, 10}}), ElementsAre(SealedRange{0, 10}, SealedRange{30, 40}));
  EXPECT_THAT(unite({{10, 20}, {0, 10}}), ElementsAre(SealedRange{0, 20}));
  EXPECT_THAT(unite({{0, 30}, {5, 10}, {25, 35}}), ElementsAre(SealedRange{0, 35}));
}

TEST(Coverage, HolesCoverNothing) {
  const std::vector<BodyPiece> pieces = {{named('a'), 7, 10}, hole(10), {named('b'), 0, 10}};
  EXPECT_TRUE(covers(pieces, {0, 10}));
  EXPECT_TRUE(covers(pieces, {20, 30}));
  EXPECT_TRUE(covers(pieces, {}));
  EXPECT_FALSE(covers(pieces, {9, 11}));
  EXPECT_FALSE(covers(pieces, {12, 13}));
  EXPECT_FALSE(covers(pieces, {19, 21}));
  EXPECT_FALSE(covers(pieces, {29, 31}));
}

TEST(Coverage, PiecesAreCutDownAtAnyPlace) {
  const std::vector<BodyPiece> pieces = {
      {named('a'), 0, 10}, {named('b'), 5, 10}, {named('c'), 0, 10}};
  const auto cut = [&](std::vector<SealedRange> keep) { return cut_down(pieces, keep); };
  EXPECT_EQ(cut({{0, 30}}), pieces);
  EXPECT_THAT(cut({}), ElementsAre(hole(30)));
  EXPECT_THAT(cut({{12, 15}}), ElementsAre(hole(12), BodyPiece{named('b'), 7, 3}, hole(15)));
  EXPECT_THAT(cut({{10, 20}}), ElementsAre(hole(10), BodyPiece{named('b'), 5, 10}, hole(10)));
  EXPECT_THAT(cut({{8, 12}}), ElementsAre(hole(8), BodyPiece{named('a'), 8, 2},
                                          BodyPiece{named('b'), 5, 2}, hole(18)));
  EXPECT_THAT(cut({{0, 1}, {29, 30}}),
              ElementsAre(BodyPiece{named('a'), 0, 1}, hole(28), BodyPiece{named('c'), 9, 1}));
  EXPECT_THAT(cut({{11, 12}, {13, 14}}), ElementsAre(hole(11), BodyPiece{named('b'), 6, 1}, hole(1),
                                                     BodyPiece{named('b'), 8, 1}, hole(16)));
}

TEST(Coverage, AHoleStaysAHole) {
  const std::vector<BodyPiece> pieces = {{named('a'), 0, 10}, hole(10), {named('b'), 0, 10}};
  EXPECT_EQ(cut_down(pieces, std::vector<SealedRange>{{0, 30}}), pieces);
  EXPECT_THAT(cut_down(pieces, std::vector<SealedRange>{{25, 30}}),
              ElementsAre(hole(25), BodyPiece{named('b'), 5, 5}));
}

TEST(Coverage, HolesMayBeLargerThanAPieceCanSay) {
  constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
  const std::vector<BodyPiece> pieces = {{named('a'), 0, kMost}, {named('b'), 0, kMost}};
  EXPECT_THAT(cut_down(pieces, {}), ElementsAre(hole(kMost), hole(kMost)));
}

TEST(Coverage, PiecesFollowWhatWasKept) {
  const std::vector<ExtentRange> kept = {{10, 20}, {50, 5}};
  std::vector<BodyPiece> pieces = {
      {named('x'), 0, 9}, {named('a'), 12, 3}, hole(4), {named('a'), 50, 5}, {named('a'), 10, 20}};
  ASSERT_TRUE(redirect(pieces, named('a'), kept, named('n')));
  EXPECT_THAT(pieces, ElementsAre(BodyPiece{named('x'), 0, 9}, BodyPiece{named('n'), 2, 3}, hole(4),
                                  BodyPiece{named('n'), 20, 5}, BodyPiece{named('n'), 0, 20}));
  for (const BodyPiece& piece :
       {BodyPiece{named('a'), 9, 2}, BodyPiece{named('a'), 29, 2}, BodyPiece{named('a'), 50, 6},
        BodyPiece{named('a'), 10, 45}, BodyPiece{named('a'), 60, 1}}) {
    std::vector<BodyPiece> stray = {piece};
    EXPECT_FALSE(redirect(stray, named('a'), kept, named('n')));
    EXPECT_THAT(stray, ElementsAre(piece));
  }
}

TEST(Coverage, BytesAreCountedByExtent) {
  const std::vector<BodyPiece> pieces = {
      {named('a'), 0, 10}, hole(10), {named('b'), 0, 7}, {named('a'), 20, 5}};
  const auto bytes = bytes_by_extent(pieces);
  EXPECT_THAT(bytes, ElementsAre(std::pair(named('a'), 15u), std::pair(named('b'), 7u)));
}

// Where each byte of a body lies, one letter a byte: the plainest form of pieces.
std::vector<std::pair<ExtentId, std::uint32_t>> bytes_of(const std::vector<BodyPiece>& pieces) {
  std::vector<std::pair<ExtentId, std::uint32_t>> out;
  for (const BodyPiece& piece : pieces)
    for (std::uint32_t i = 0; i < piece.length; ++i)
      out.emplace_back(piece.extent, piece.hole() ? 0 : piece.offset + i);
  return out;
}

RC_GTEST_PROP(Coverage, CuttingMakesHolesOfAllElseAndOfNothingMore, ()) {
  std::vector<BodyPiece> pieces;
  for (int n = *rc::gen::inRange(0, 6); n > 0; --n)
    pieces.push_back({*rc::gen::arbitrary<bool>() ? named('a') : ExtentId(),
                      *rc::gen::inRange<std::uint32_t>(0, 50),
                      *rc::gen::inRange<std::uint32_t>(1, 9)});
  std::vector<SealedRange> ranges;
  for (int n = *rc::gen::inRange(0, 5); n > 0; --n) {
    const auto begin = *rc::gen::inRange<std::uint64_t>(0, 50);
    ranges.push_back({begin, begin + *rc::gen::inRange<std::uint64_t>(0, 9)});
  }
  auto expected = bytes_of(pieces);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    bool kept = false;
    for (const SealedRange& range : ranges) kept |= range.begin <= i && i < range.end;
    if (!kept) expected[i] = {};
  }
  const auto cut = cut_down(pieces, unite(ranges));
  RC_ASSERT(bytes_of(cut) == expected);
  for (std::size_t i = 1; i < cut.size(); ++i) RC_ASSERT(!(cut[i].hole() && cut[i - 1].hole()));
}

}  // namespace
}  // namespace hydra::catalog
