// Rows of walks: how far scrub and inventory have come.

#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/lookups.h"
#include "gateway/catalog/row_bytes.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/store_catalog.h"

namespace hydra::catalog {

namespace {

constexpr std::size_t kMaxWalkName = 255;
constexpr std::uint8_t kCursorFlag = 1;
constexpr std::uint8_t kHurriedFlag = 2;
constexpr std::size_t kCountsBytes = 7 * 8;
constexpr std::size_t kRowBytes =
    1 + 1 + sizeof(ExtentId::bytes) + 3 * 8 + kCountsBytes + 2 * 8 + kCountsBytes;

void put_counts(RowWriter& out, const WalkCounts& counts) {
  out.number(counts.shards);
  out.number(counts.bytes);
  out.number(counts.broken);
  out.number(counts.unreachable);
  out.number(counts.returned);
  out.number(counts.strays);
  out.number(counts.orphans);
}
WalkCounts get_counts(RowReader& in) {
  WalkCounts counts;
  counts.shards = in.number<std::uint64_t>();
  counts.bytes = in.number<std::uint64_t>();
  counts.broken = in.number<std::uint64_t>();
  counts.unreachable = in.number<std::uint64_t>();
  counts.returned = in.number<std::uint64_t>();
  counts.strays = in.number<std::uint64_t>();
  counts.orphans = in.number<std::uint64_t>();
  return counts;
}

}  // namespace

std::string encode(const WalkRow& row) {
  RowWriter out(kRowVersion, kRowBytes);
  std::uint8_t flags = 0;
  if (row.cursor) flags |= kCursorFlag;
  if (row.hurried) flags |= kHurriedFlag;
  out.number(flags);
  if (row.cursor) out.raw(row.cursor->view());
  out.time(row.started_ms);
  out.number(row.planned_bytes);
  out.number(row.done_bytes);
  put_counts(out, row.counts);
  out.time(row.last_started_ms);
  out.time(row.last_finished_ms);
  put_counts(out, row.last_counts);
  return out.take();
}

Result<WalkRow> decode_walk(ByteView bytes) {
  RowReader in(bytes);
  const auto version = in.number<std::uint8_t>();
  if (in.ok() && version != kRowVersion)
    return fail(Code::kUnsupported, "catalog row of format version " + std::to_string(version));
  WalkRow row;
  const auto flags = in.at_most<std::uint8_t>(kCursorFlag | kHurriedFlag);
  if ((flags & kCursorFlag) != 0) row.cursor = in.id<ExtentId>();
  row.hurried = (flags & kHurriedFlag) != 0;
  row.started_ms = in.time();
  row.planned_bytes = in.number<std::uint64_t>();
  row.done_bytes = in.number<std::uint64_t>();
  row.counts = get_counts(in);
  row.last_started_ms = in.time();
  row.last_finished_ms = in.time();
  row.last_counts = get_counts(in);
  if (!in.ok() || !in.at_end()) return fail(Code::kCorrupt, "catalog row is damaged: walk");
  return row;
}

Result<std::optional<WalkRow>> StoreCatalog::walk(std::string_view name) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  HYDRA_TRY(const auto row, snapshot->get(as_bytes(walk_key(name))));
  if (!row) return std::optional<WalkRow>();
  HYDRA_TRY(WalkRow walk, decode_walk(*row));
  return std::optional<WalkRow>(std::move(walk));
}

Task<Status> StoreCatalog::put_walk(Loop& loop, std::string name, WalkRow row) {
  return write_internal(loop, loop.wall_ms(),
                        [name = std::move(name), row = std::move(row)](Ledger& ledger) -> Status {
                          if (name.empty() || name.size() > kMaxWalkName)
                            return fail(Code::kInvalidArgument, "name of a walk of a bad length");
                          ledger.change().put(walk_key(name), encode(row));
                          return {};
                        });
}

}  // namespace hydra::catalog
