// Coverage: which sealed bytes of a body its slices need, and cutting a body's pieces down to them.
// Offsets count the body's sealed bytes, in which pieces follow each other. Pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "gateway/catalog/rows.h"

namespace hydra::catalog {

struct SealedRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  bool operator==(const SealedRange&) const = default;
};

constexpr std::uint64_t sealed_bytes(std::uint64_t plain_bytes) {
  const std::uint64_t segments = plain_bytes / kSegmentBytes + (plain_bytes % kSegmentBytes != 0);
  return plain_bytes + segments * (kSealedSegmentBytes - kSegmentBytes);
}

// The sealed segments in which plaintext [offset, offset + length) of a body lies, whole: a segment
// cannot be opened in part. Empty for an empty range.
SealedRange segments_of(std::uint64_t offset, std::uint64_t length, std::uint64_t plain_bytes);
// The same bytes in order, without overlaps, neighbours joined.
std::vector<SealedRange> unite(std::vector<SealedRange> ranges);

// No byte of the range lies in a hole, or behind the last piece.
bool covers(std::span<const BodyPiece> pieces, SealedRange range);
// The pieces, with holes where they lie outside of `keep` (as unite() gives it). Neighbours that
// lie together are joined.
std::vector<BodyPiece> cut_down(std::span<const BodyPiece> pieces,
                                std::span<const SealedRange> keep);
// The same for pieces whose bytes in extent `from` moved: what was kept of it, in order, is extent
// `into`. False: some byte was not kept.
bool redirect(std::vector<BodyPiece>& pieces, const ExtentId& from,
              std::span<const ExtentRange> kept, const ExtentId& into);
// How much of each extent the pieces take up.
std::map<ExtentId, std::uint64_t> bytes_by_extent(std::span<const BodyPiece> pieces);

}  // namespace hydra::catalog
