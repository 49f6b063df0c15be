#include "gateway/object/segment_rescue.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/runtime/sync.h"
#include "erasure/codec.h"
#include "erasure/layout.h"

namespace hydra::object {

namespace {

// Combinations whose tag is tried, at some 50 us each. 12+4 has 1820 sets of k shards.
constexpr std::size_t kMostTries = 4'000;

// One part's columns of every shard that could be read.
struct Columns {
  SegmentPart part;
  erasure::Layout layout;
  std::vector<erasure::Piece> pieces;
  std::uint64_t begin = UINT64_MAX, end = 0;  // within the shards
  std::vector<std::optional<Buffer>> shards;
  std::vector<std::uint8_t> chosen;  // the k of the reading that was given last

  explicit Columns(SegmentPart of)
      : part(of), layout(*erasure::Layout::of(of.extent->profile, of.extent->length)) {
    pieces = layout.pieces(part.offset, part.length);
    for (const auto& piece : pieces) {
      const std::uint64_t first = layout.block_shard_offset(piece.stripe) + piece.offset_in_block;
      begin = std::min(begin, first);
      end = std::max(end, first + piece.length);
    }
    shards.resize(part.extent->nodes.size());
  }

  bool is_chosen(std::uint8_t index) const {
    return std::find(chosen.begin(), chosen.end(), index) != chosen.end();
  }

  // The part's bytes as the chosen shards have them.
  std::string decode() const {
    std::vector<erasure::Shard> present;
    for (const std::uint8_t index : chosen) present.push_back({index, shards[index]->view()});
    std::vector<Buffer> rebuilt(layout.profile.k);
    std::vector<erasure::MissingShard> missing;
    for (std::uint8_t index = 0; index < layout.profile.k; ++index) {
      if (is_chosen(index)) continue;
      rebuilt[index] = Buffer(end - begin);
      rebuilt[index].resize(end - begin);
      missing.push_back({index, rebuilt[index].span()});
    }
    const Status done = erasure::codec_for(layout.profile).reconstruct(present, missing);
    HYDRA_ASSERT(done.has_value());
    std::string bytes;
    for (const auto& piece : pieces) {
      const std::uint64_t at = layout.block_shard_offset(piece.stripe) + piece.offset_in_block;
      const Buffer& from = is_chosen(piece.index) ? *shards[piece.index] : rebuilt[piece.index];
      append(bytes, from.view().subspan(at - begin, piece.length));
    }
    return bytes;
  }

  // Gives every reading of the part that some k shards make, until one is taken; the right one is
  // among them while k shards are right.
  bool each_reading(const std::function<bool(const std::string&)>& take) {
    std::vector<std::uint8_t> there;
    for (std::size_t i = 0; i < shards.size(); ++i)
      if (shards[i]) there.push_back(static_cast<std::uint8_t>(i));
    const std::size_t k = layout.profile.k;
    if (there.size() < k) return false;
    std::vector<bool> picked(there.size());
    std::fill_n(picked.begin(), k, true);
    do {
      chosen.clear();
      for (std::size_t i = 0; i < there.size(); ++i)
        if (picked[i]) chosen.push_back(there[i]);
      if (take(decode())) return true;
    } while (std::prev_permutation(picked.begin(), picked.end()));
    return false;
  }

  // After the tag of a reading held: the shards that are not as that reading makes them. A block of
  // the part that had to be decoded proves all k it was decoded from, in its columns: each of them
  // bears on it. Where nothing was decoded nothing is known of the others.
  std::vector<std::uint8_t> wrong() const {
    std::vector<erasure::Shard> present;
    for (const std::uint8_t index : chosen) present.push_back({index, shards[index]->view()});
    std::vector<std::uint8_t> others;
    for (std::size_t i = 0; i < shards.size(); ++i)
      if (shards[i] && !is_chosen(static_cast<std::uint8_t>(i)))
        others.push_back(static_cast<std::uint8_t>(i));
    std::vector<Buffer> right(others.size());
    std::vector<erasure::MissingShard> missing;
    for (std::size_t i = 0; i < others.size(); ++i) {
      right[i] = Buffer(end - begin);
      right[i].resize(end - begin);
      missing.push_back({others[i], right[i].span()});
    }
    const Status done = erasure::codec_for(layout.profile).reconstruct(present, missing);
    HYDRA_ASSERT(done.has_value());
    std::vector<std::uint8_t> out;
    for (std::size_t i = 0; i < others.size(); ++i)
      if (std::any_of(pieces.begin(), pieces.end(), [&](const erasure::Piece& piece) {
            const std::uint64_t at =
                layout.block_shard_offset(piece.stripe) + piece.offset_in_block - begin;
            return !is_chosen(piece.index) &&
                   !std::ranges::equal(right[i].view().subspan(at, piece.length),
                                       shards[others[i]]->view().subspan(at, piece.length));
          }))
        out.push_back(others[i]);
    return out;
  }
};

Task<void> read_columns(agent::Grid& grid, Columns& columns, std::size_t index, Deadline deadline) {
  const catalog::Extent& extent = *columns.part.extent;
  auto bytes = co_await grid.read(extent.nodes[index], extent.shard(index), columns.begin,
                                  columns.end - columns.begin, deadline);
  if (bytes && bytes->size() == columns.end - columns.begin)
    columns.shards[index] = std::move(*bytes);
}

// Tries every combination of the parts' readings. True: one was taken, or it is enough.
bool try_all(std::vector<Columns>& parts, std::size_t at, const std::string& before,
             std::size_t& tries, bool& taken, const TakeSegment& take) {
  if (at == parts.size()) {
    taken = take(as_bytes(before));
    return taken || ++tries == kMostTries;
  }
  return parts[at].each_reading([&](const std::string& reading) {
    return try_all(parts, at + 1, before + reading, tries, taken, take);
  });
}

}  // namespace

Task<Status> rescue_segment(Loop& loop, agent::Grid& grid, Nanos read_timeout,
                            std::vector<SegmentPart> parts, TakeSegment take,
                            heal::BrokenShards* broken) {
  std::vector<Columns> columns;
  for (const SegmentPart& part : parts) columns.emplace_back(part);
  TaskGroup reads(loop);
  const Deadline deadline = loop.after(read_timeout);
  for (Columns& part : columns)
    for (std::size_t i = 0; i < part.shards.size(); ++i)
      if ((part.part.extent->missing >> i & 1) == 0)
        reads.spawn(read_columns(grid, part, i, deadline));
  co_await reads.join();
  std::size_t tries = 0;
  bool taken = false;
  try_all(columns, 0, {}, tries, taken, take);
  if (taken) {
    for (const Columns& part : columns)
      for (const std::uint8_t index :
           broken == nullptr ? std::vector<std::uint8_t>() : part.wrong())
        broken->report(part.part.extent->nodes[index], part.part.extent->shard(index),
                       heal::Breakage::kWrong);
    co_return Status();
  }
  co_return fail(Code::kCorrupt, "no set of shards gives a segment whose tag holds");
}

}  // namespace hydra::object
