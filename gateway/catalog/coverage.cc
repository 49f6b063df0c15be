#include "gateway/catalog/coverage.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace hydra::catalog {

namespace {

// Joins a piece to the last one where they lie together. A hole may outgrow what a piece can say:
// bodies may, too.
void append(std::vector<BodyPiece>& pieces, const BodyPiece& piece) {
  if (!pieces.empty()) {
    BodyPiece& last = pieces.back();
    const bool together =
        last.extent == piece.extent &&
        (piece.hole() || std::uint64_t{last.offset} + last.length == piece.offset);
    const std::uint64_t length = std::uint64_t{last.length} + piece.length;
    if (together && length <= std::numeric_limits<std::uint32_t>::max()) {
      last.length = static_cast<std::uint32_t>(length);
      return;
    }
  }
  pieces.push_back(piece);
}

// Where a run of the old extent begins in the new one.
std::optional<std::uint32_t> new_offset(std::span<const ExtentRange> kept, std::uint32_t offset,
                                        std::uint32_t length) {
  std::uint64_t begin = 0;
  for (const ExtentRange& range : kept) {
    if (offset >= range.offset &&
        std::uint64_t{offset} + length <= std::uint64_t{range.offset} + range.length)
      return static_cast<std::uint32_t>(begin + (offset - range.offset));
    begin += range.length;
  }
  return std::nullopt;
}

}  // namespace

SealedRange segments_of(std::uint64_t offset, std::uint64_t length, std::uint64_t plain_bytes) {
  if (length == 0) return {};
  const std::uint64_t first = offset / kSegmentBytes;
  const std::uint64_t last = (offset + length - 1) / kSegmentBytes;
  return {first * kSealedSegmentBytes,
          std::min((last + 1) * kSealedSegmentBytes, sealed_bytes(plain_bytes))};
}

std::vector<SealedRange> unite(std::vector<SealedRange> ranges) {
  std::ranges::sort(ranges, {}, &SealedRange::begin);
  std::vector<SealedRange> out;
  for (const SealedRange& range : ranges) {
    if (range.begin == range.end) continue;
    if (!out.empty() && range.begin <= out.back().end)
      out.back().end = std::max(out.back().end, range.end);
    else
      out.push_back(range);
  }
  return out;
}

bool covers(std::span<const BodyPiece> pieces, SealedRange range) {
  std::uint64_t begin = 0;
  for (const BodyPiece& piece : pieces) {
    const std::uint64_t end = begin + piece.length;
    if (piece.hole() && begin < range.end && end > range.begin) return false;
    begin = end;
  }
  return range.end <= begin;
}

std::vector<BodyPiece> cut_down(std::span<const BodyPiece> pieces,
                                std::span<const SealedRange> keep) {
  std::vector<BodyPiece> out;
  std::uint64_t begin = 0;  // of the piece
  auto next = keep.begin();
  for (const BodyPiece& piece : pieces) {
    const std::uint64_t end = begin + piece.length;
    std::uint64_t at = begin;
    while (at < end) {
      while (next != keep.end() && next->end <= at) ++next;
      const bool kept = next != keep.end() && next->begin <= at;
      const std::uint64_t bound = next == keep.end() ? end : kept ? next->end : next->begin;
      const std::uint64_t until = std::min(end, bound);
      BodyPiece part{.length = static_cast<std::uint32_t>(until - at)};
      if (kept && !piece.hole()) {
        part.extent = piece.extent;
        part.offset = static_cast<std::uint32_t>(piece.offset + (at - begin));
      }
      append(out, part);
      at = until;
    }
    begin = end;
  }
  return out;
}

bool redirect(std::vector<BodyPiece>& pieces, const ExtentId& from,
              std::span<const ExtentRange> kept, const ExtentId& into) {
  std::vector<BodyPiece> out;
  for (BodyPiece piece : pieces) {
    if (piece.extent == from) {
      const auto offset = new_offset(kept, piece.offset, piece.length);
      if (!offset) return false;
      piece.extent = into;
      piece.offset = *offset;
    }
    append(out, piece);
  }
  pieces = std::move(out);
  return true;
}

std::map<ExtentId, std::uint64_t> bytes_by_extent(std::span<const BodyPiece> pieces) {
  std::map<ExtentId, std::uint64_t> out;
  for (const BodyPiece& piece : pieces)
    if (!piece.hole()) out[piece.extent] += piece.length;
  return out;
}

}  // namespace hydra::catalog
