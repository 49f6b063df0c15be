// Giving back the space of what is dead in part: trimming bodies, and putting what lives of an
// extent into a new one.

#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/lookups.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/store_catalog.h"

namespace hydra::catalog {

namespace {

Result<Trimmed> trim_some(Ledger& ledger, std::size_t limit) {
  std::vector<BodyId> bodies;
  const auto cursor = ledger.change().cursor();
  HYDRA_TRY(bool more, cursor->seek(as_bytes(table_key(Table::kTrims))));
  while (more && bodies.size() < limit) {
    const auto id = parse_trim_key(cursor->key());
    if (!id) break;
    bodies.push_back(*id);
    HYDRA_TRY(more, cursor->next());
  }
  Trimmed trimmed{.bodies = bodies.size()};
  for (const BodyId& body : bodies) {
    HYDRA_TRY(const std::uint64_t bytes, ledger.trim(body));
    trimmed.bytes += bytes;
  }
  return trimmed;
}

// Where the bodies lie in the extent, in order; neighbours and what overlaps joined.
std::vector<ExtentRange> ranges_of(const std::vector<Body>& bodies, const ExtentId& extent) {
  std::vector<SealedRange> ranges;
  for (const Body& body : bodies)
    for (const BodyPiece& piece : body.pieces)
      if (piece.extent == extent)
        ranges.push_back({piece.offset, std::uint64_t{piece.offset} + piece.length});
  std::vector<ExtentRange> out;
  for (const SealedRange& range : unite(std::move(ranges)))
    out.push_back({static_cast<std::uint32_t>(range.begin),
                   static_cast<std::uint32_t>(range.end - range.begin)});
  return out;
}

}  // namespace

Result<LiveExtent> StoreCatalog::live_extent(const ExtentId& id) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  HYDRA_TRY(const auto row, snapshot->get(as_bytes(extent_key(id))));
  if (!row) return fail(Code::kNotFound, "no extent " + id.to_string());
  HYDRA_TRY(ExtentRow extent, decode_extent(id, *row));
  const std::uint32_t live = extent.extent.live_bytes;
  if (live == 0) return fail(Code::kNotFound, "extent " + id.to_string() + " is dead");
  LiveExtent out{std::move(extent.extent), {}};
  if (live == out.extent.length) {
    out.ranges = {{0, live}};
    return out;
  }
  HYDRA_TRY(const auto bodies, find_residents(*snapshot, out.extent));
  out.ranges = ranges_of(bodies, id);
  return out;
}

Task<Result<Trimmed>> StoreCatalog::trim_bodies(Loop& loop, std::size_t limit) {
  return write(loop, loop.wall_ms(), [limit](Ledger& ledger) { return trim_some(ledger, limit); });
}

Task<Status> StoreCatalog::compact_extent(Loop& loop, ExtentId from, std::vector<ExtentRange> kept,
                                          Extent into) {
  return write(loop, loop.wall_ms(),
               [from, kept = std::move(kept), into = std::move(into)](Ledger& ledger) {
                 return ledger.move_live(from, kept, into);
               });
}

}  // namespace hydra::catalog
