// Reading and verifying shards.
#include <algorithm>

#include "base/crc32c.h"
#include "nodeagent/store/store_core.h"

namespace hydra::agent {
namespace {

// Bytes [begin, end) of a shard, and the blocks [first_block, last_block) they touch.
struct Range {
  std::uint64_t begin;
  std::uint64_t end;
  std::uint32_t first_block;
  std::uint32_t last_block;
  std::uint64_t blocks_begin;  // where the first block begins in the shard
  std::uint64_t blocks_end;
};

// `offset` lies inside the shard, `length` is not 0.
Range range_of(const erasure::Layout& layout, std::uint64_t offset, std::uint64_t length) {
  Range range{};
  const std::uint64_t shard = layout.shard_bytes();
  range.begin = offset;
  range.end = offset + std::min(length, shard - offset);
  range.first_block = static_cast<std::uint32_t>(offset / layout.block_bytes);
  range.last_block = static_cast<std::uint32_t>((range.end - 1) / layout.block_bytes) + 1;
  range.blocks_begin = layout.block_shard_offset(range.first_block);
  range.blocks_end =
      layout.block_shard_offset(range.last_block - 1) + layout.block_size(range.last_block - 1);
  return range;
}

// Cuts the blocks that were read down to the range, verifying those that are not returned whole.
Result<ShardPieces> cut_pieces(const IndexEntry& entry, const Range& range, Buffer blocks) {
  ShardPieces out;
  for (std::uint32_t block = range.first_block; block < range.last_block; ++block) {
    const std::uint64_t begin = entry.layout.block_shard_offset(block);
    const std::uint32_t size = entry.layout.block_size(block);
    const std::uint64_t from = std::max(begin, range.begin);
    const std::uint64_t to = std::min(begin + size, range.end);
    BlockPiece piece{static_cast<std::uint32_t>(from - range.begin),
                     static_cast<std::uint32_t>(to - from), entry.block_crcs[block]};
    if (piece.length != size) {
      const ByteView whole = blocks.view().subspan(begin - range.blocks_begin, size);
      if (crc32c(whole) != entry.block_crcs[block])
        return fail(Code::kCorrupt, "a stored block fails its checksum");
      piece.crc32c = crc32c(whole.subspan(from - begin, piece.length));
    }
    out.pieces.push_back(piece);
  }
  const std::uint64_t skip = range.begin - range.blocks_begin;
  if (skip > 0) std::memmove(blocks.data(), blocks.data() + skip, range.end - range.begin);
  blocks.resize(range.end - range.begin);
  out.bytes = std::move(blocks);
  return out;
}

Task<Status> read_exactly(LogPtr log, MutableBytes into, std::uint64_t offset) {
  HYDRA_CO_TRY(const std::size_t got, co_await log->file->read(into, offset));
  if (got != into.size()) co_return fail(Code::kCorrupt, "the log is shorter than its records");
  co_return Status();
}

// Whether the entry was freed or moved since `before` removals, so that what was read means
// nothing.
bool outdated(const CorePtr& core, const ShardId& id, const IndexEntry& entry,
              std::uint64_t before) {
  if (core->commits.removals() == before) return false;
  const auto now = core->index.find(id);
  return now && (!*now || !(*now)->at(entry.generation, entry.offset));
}

Task<Result<ShardPieces>> read_entry(const CorePtr& core, const IndexEntry& entry,
                                     std::uint64_t offset, std::uint64_t length) {
  if (offset >= entry.layout.shard_bytes() || length == 0) co_return ShardPieces{};
  const LogPtr log = core->logs.find(entry.generation);
  if (!log || !log->file) co_return fail(Code::kCorrupt, "the log of the shard is lost");
  const Range range = range_of(entry.layout, offset, length);
  Buffer blocks(range.blocks_end - range.blocks_begin);
  blocks.resize(range.blocks_end - range.blocks_begin);
  const std::uint64_t at = entry.offset + kRecordHeaderBytes + range.blocks_begin;
  HYDRA_CO_CHECK_OK(co_await read_exactly(log, blocks.span(), at));
  co_return cut_pieces(entry, range, std::move(blocks));
}

// The header and trailer on the disk must still say what the index says, or a rebuild of it would
// lose the shard.
Task<Status> verify_frame(const LogPtr& log, const ShardId& id, const IndexEntry& entry) {
  RecordHeaderBytes header_bytes;
  HYDRA_CO_CHECK_OK(co_await read_exactly(log, header_bytes, entry.offset));
  HYDRA_CO_TRY(const RecordHeader header, decode_record_header(header_bytes));
  if (header.shard != id || header.generation != entry.generation ||
      header.offset != entry.offset || header.record_bytes != entry.record_bytes)
    co_return fail(Code::kCorrupt, "the record on the disk is another one");
  const std::uint64_t length = trailer_bytes(entry.layout.stripes());
  Buffer bytes(length);
  bytes.resize(length);
  HYDRA_CO_CHECK_OK(co_await read_exactly(log, bytes.span(), header.end() - length));
  HYDRA_CO_TRY(const Trailer trailer,
               decode_trailer(header_bytes, entry.layout.stripes(), bytes.view()));
  if (trailer.block_crcs != entry.block_crcs)
    co_return fail(Code::kCorrupt, "the trailer on the disk is another one");
  co_return Status();
}

Task<Status> verify_entry(const CorePtr& core, const ShardId& id, const IndexEntry& entry) {
  const LogPtr log = core->logs.find(entry.generation);
  if (!log || !log->file) co_return fail(Code::kCorrupt, "the log of the shard is lost");
  HYDRA_CO_CHECK_OK(co_await verify_frame(log, id, entry));
  Buffer block(entry.layout.block_size(0));
  for (std::uint32_t i = 0; i < entry.layout.stripes(); ++i) {
    block.resize(entry.layout.block_size(i));
    const std::uint64_t at = entry.offset + kRecordHeaderBytes + entry.layout.block_shard_offset(i);
    HYDRA_CO_CHECK_OK(co_await read_exactly(log, block.span(), at));
    if (crc32c(block.view()) != entry.block_crcs[i])
      co_return fail(Code::kCorrupt, "a stored block fails its checksum");
  }
  co_return Status();
}

}  // namespace

// The record's place is not punched out before the run has let go of it. A log that is dropped
// stays open for as long.
std::optional<ShardRun> run_of_shard(const StoreCore& core, ShardId id, std::uint64_t offset,
                                     std::uint64_t length) {
  if (core.closed) return std::nullopt;
  const auto found = core.index.find(id);
  if (!found || !*found) return std::nullopt;
  const IndexEntry& entry = **found;
  if (offset >= entry.layout.shard_bytes() || length == 0) return std::nullopt;
  const LogPtr log = core.logs.find(entry.generation);
  const auto* const file = log ? dynamic_cast<const SendableFile*>(log->file.get()) : nullptr;
  const Range range = range_of(entry.layout, offset, length);
  if (file == nullptr || range.begin != range.blocks_begin || range.end != range.blocks_end)
    return std::nullopt;
  const std::uint64_t at = entry.offset + kRecordHeaderBytes + range.blocks_begin;
  if (!file->in_memory(at, range.end - range.begin)) return std::nullopt;

  ShardRun out;
  for (std::uint32_t block = range.first_block; block < range.last_block; ++block)
    out.pieces.push_back(
        {static_cast<std::uint32_t>(entry.layout.block_shard_offset(block) - range.begin),
         entry.layout.block_size(block), entry.block_crcs[block]});
  const auto mark = log->sending.insert(entry.offset);
  const auto let_go = [log, mark](const Log*) { log->sending.erase(mark); };
  out.run = {std::shared_ptr<const Log>(log.get(), let_go), file, at, range.end - range.begin};
  return out;
}

Task<Result<ShardPieces>> read_shard(CorePtr core, ShardId id, std::uint64_t offset,
                                     std::uint64_t length) {
  const Operation operation(core);
  for (;;) {
    if (core->closed) co_return fail(Code::kClosed, "the store is closed");
    HYDRA_CO_TRY(const EntryPtr entry, core->index.find(id));
    if (!entry) co_return fail(Code::kNotFound, "no such shard");
    const std::uint64_t removals = core->commits.removals();
    auto pieces = co_await read_entry(core, *entry, offset, length);
    if (!outdated(core, id, *entry, removals)) co_return pieces;
  }
}

Task<Status> verify_shard(CorePtr core, ShardId id) {
  const Operation operation(core);
  for (;;) {
    if (core->closed) co_return fail(Code::kClosed, "the store is closed");
    HYDRA_CO_TRY(const EntryPtr entry, core->index.find(id));
    if (!entry) co_return fail(Code::kNotFound, "no such shard");
    const std::uint64_t removals = core->commits.removals();
    Status verified = co_await verify_entry(core, id, *entry);
    if (!outdated(core, id, *entry, removals)) co_return verified;
  }
}

}  // namespace hydra::agent
