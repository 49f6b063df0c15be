// The half of the Ledger that counts bodies: their slices, whole and partial ones, and which
// extents they lie in.
//
// Two rules make trimming exact without a walk. A slice may only point at bytes that the body still
// has, so a body never has to grow again. And `residents` names every body that does not take up an
// extent from end to end: an extent that one body fills needs no row, and where more lies in it
// than that, all of them are named.
#include <algorithm>
#include <limits>

#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/ledger.h"
#include "gateway/catalog/lookups.h"

namespace hydra::catalog {

namespace {

tl::unexpected<Error> broken(std::string message) {
  return fail(Code::kCorrupt, "catalog: " + std::move(message));
}

bool is_whole(const Slice& slice, const Body& body) {
  return slice.offset == 0 && slice.length == body.plain_bytes;
}

Status check_slice(const Slice& slice, const Body& body) {
  if (slice.offset <= body.plain_bytes && slice.length <= body.plain_bytes - slice.offset)
    return {};
  return fail(Code::kInvalidArgument, "slice ends outside of body " + body.id.to_string());
}

Status check_new_body(const Body& body) {
  const std::uint64_t bytes = sealed_bytes(body.plain_bytes);
  if (covers(body.pieces, {0, bytes}) && !covers(body.pieces, {0, bytes + 1})) return {};
  return fail(Code::kInvalidArgument, "body " + body.id.to_string() + " has other bytes");
}

}  // namespace

Result<Body> Ledger::load(const BodyId& id) {
  auto body = load_body(*change_, id);
  if (!body && body.error().code == Code::kNotFound)
    return broken("no row for body " + id.to_string());
  return body;
}

Status Ledger::adopt(std::span<const Slice> slices, const NewData& data) {
  if (!data.bodies.empty()) HYDRA_CHECK_OK(insert_bodies(slices, data));
  if (!data.extents.empty() || !data.bodies.empty()) HYDRA_CHECK_OK(insert_extents(data));
  for (const Slice& slice : slices) {
    const auto is_new = [&slice](const Body& body) { return body.id == slice.body; };
    if (std::none_of(data.bodies.begin(), data.bodies.end(), is_new))
      HYDRA_CHECK_OK(add_reference(slice));
  }
  return {};
}

Status Ledger::insert_bodies(std::span<const Slice> slices, const NewData& data) {
  for (Body body : data.bodies) {
    HYDRA_CHECK_OK(check_new_body(body));
    std::string key = body_key(body.id);
    HYDRA_TRY(const auto known, change_->get(key));
    if (known) return fail(Code::kInvalidArgument, "body " + body.id.to_string() + " is not new");
    body.references = body.whole = 0;
    body.to_trim = false;
    for (const Slice& slice : slices) {
      if (slice.body != body.id) continue;
      HYDRA_CHECK_OK(check_slice(slice, body));
      HYDRA_CHECK_OK(count_in(body, slice));
    }
    if (body.references == 0)
      return fail(Code::kInvalidArgument, "no slice points at body " + body.id.to_string());
    if (body.whole == 0) put_to_trim(body);
    change_->put(std::move(key), encode(body));
  }
  return {};
}

Status Ledger::insert_extents(const NewData& data) {
  TouchedExtents touched;
  for (const Extent& extent : data.extents) {
    HYDRA_CHECK_OK(check_extent(extent));
    HYDRA_TRY(auto known, this->extent(extent.id));
    if (known) {
      touched.push_back({known, *known});
    } else {
      touched.push_back({std::nullopt, {.extent = extent}});
      touched.back().after.extent.live_bytes = 0;
    }
  }
  for (const Body& body : data.bodies) HYDRA_CHECK_OK(add_live_bytes_of(touched, body));
  for (TouchedExtent& extent : touched)
    store_extent(extent.before ? &*extent.before : nullptr, std::move(extent.after));
  return {};
}

Status Ledger::add_live_bytes_of(TouchedExtents& touched, const Body& body) {
  for (const BodyPiece& piece : body.pieces) HYDRA_CHECK_OK(add_live_bytes(touched, piece));
  for (const auto& [id, bytes] : bytes_by_extent(body.pieces)) {
    const auto found = std::ranges::find_if(
        touched, [&id = id](const TouchedExtent& item) { return item.after.extent.id == id; });
    put_resident(found->after.extent, body.id, bytes);
  }
  return {};
}

Status Ledger::add_live_bytes(TouchedExtents& touched, const BodyPiece& piece) {
  auto found = std::find_if(touched.begin(), touched.end(), [&](const TouchedExtent& item) {
    return item.after.extent.id == piece.extent;
  });
  if (found == touched.end()) {
    HYDRA_TRY(auto known, this->extent(piece.extent));
    if (!known) return fail(Code::kConflict, "extent " + piece.extent.to_string() + " is gone");
    found = touched.insert(touched.end(), {known, *known});
  }
  // A dead one's shards may be freed at any moment.
  if (found->before && found->before->extent.live_bytes == 0)
    return fail(Code::kConflict, "extent " + piece.extent.to_string() + " is dead");
  Extent& extent = found->after.extent;
  if (piece.length == 0 || piece.offset > extent.length ||
      piece.length > extent.length - piece.offset ||
      piece.length > extent.length - extent.live_bytes)
    return fail(Code::kInvalidArgument, "piece outside of extent " + piece.extent.to_string());
  extent.live_bytes += piece.length;
  return {};
}

Status Ledger::count_in(Body& body, const Slice& slice) {
  if (body.references == std::numeric_limits<std::uint32_t>::max())
    return fail(Code::kTooLarge, "too many references to body " + body.id.to_string());
  ++body.references;
  if (is_whole(slice, body)) {
    ++body.whole;
    return {};
  }
  std::string key = partial_key(body.id, slice.offset, slice.length);
  HYDRA_TRY(const auto row, change_->get(key));
  std::uint32_t count = 0;
  if (row) {
    HYDRA_TRY(count, decode_count(*row));
  }
  change_->put(std::move(key), encode_count(count + 1));
  return {};
}

Status Ledger::count_out(Body& body, const Slice& slice) {
  if (body.references == 0) return broken("unreferenced body " + body.id.to_string());
  --body.references;
  if (is_whole(slice, body)) {
    if (body.whole == 0) return broken("whole references of body " + body.id.to_string());
    --body.whole;
    return {};
  }
  std::string key = partial_key(body.id, slice.offset, slice.length);
  HYDRA_TRY(const auto row, change_->get(key));
  if (!row) return broken("a slice of body " + body.id.to_string() + " is not in partials");
  HYDRA_TRY(const std::uint32_t count, decode_count(*row));
  if (count == 0) return broken("partials of body " + body.id.to_string());
  if (count == 1)
    change_->erase(std::move(key));
  else
    change_->put(std::move(key), encode_count(count - 1));
  return {};
}

void Ledger::put_to_trim(Body& body) {
  if (body.to_trim) return;
  body.to_trim = true;
  ++state_.trims;
  change_->put(trim_key(body.id), std::string());
}

void Ledger::take_from_trims(Body& body) {
  if (!body.to_trim) return;
  body.to_trim = false;
  --state_.trims;
  change_->erase(trim_key(body.id));
}

Status Ledger::add_reference(const Slice& slice) {
  auto found = load_body(*change_, slice.body);
  if (!found && found.error().code == Code::kNotFound)
    return fail(Code::kConflict, "body " + slice.body.to_string() + " is gone");
  HYDRA_TRY(Body body, std::move(found));
  HYDRA_CHECK_OK(check_slice(slice, body));
  if (!covers(body.pieces, segments_of(slice.offset, slice.length, body.plain_bytes)))
    return fail(Code::kConflict, "body " + slice.body.to_string() + " was trimmed");
  HYDRA_CHECK_OK(count_in(body, slice));
  change_->put(body_key(body.id), encode(body));
  return {};
}

Status Ledger::release(std::span<const Slice> slices) {
  for (const Slice& slice : slices) HYDRA_CHECK_OK(release_reference(slice));
  return {};
}

Status Ledger::release_reference(const Slice& slice) {
  HYDRA_TRY(Body body, load(slice.body));
  HYDRA_CHECK_OK(count_out(body, slice));
  if (body.references > 0) {
    if (body.whole == 0) put_to_trim(body);
    change_->put(body_key(body.id), encode(body));
    return {};
  }
  take_from_trims(body);
  change_->erase(body_key(body.id));
  return release_body(body);
}

Status Ledger::release_body(const Body& body) {
  for (const auto& [extent, bytes] : bytes_by_extent(body.pieces))
    HYDRA_CHECK_OK(take_live_bytes(body, extent, bytes, bytes));
  return {};
}

Status Ledger::take_live_bytes(const Body& body, const ExtentId& extent, std::uint64_t had,
                               std::uint64_t taken) {
  HYDRA_TRY(const auto before, this->extent(extent));
  if (!before || before->extent.live_bytes < taken)
    return broken("live bytes of extent " + extent.to_string());
  ExtentRow after = *before;
  after.extent.live_bytes -= static_cast<std::uint32_t>(taken);
  if (had > taken)
    put_resident(after.extent, body.id, had - taken);
  else if (had < after.extent.length)
    change_->erase(resident_key(extent, body.id));
  store_extent(&*before, std::move(after));
  return {};
}

void Ledger::put_resident(const Extent& extent, const BodyId& body, std::uint64_t bytes) {
  if (bytes < extent.length) change_->put(resident_key(extent.id, body), std::string());
}

Result<std::vector<SealedRange>> Ledger::needed(const Body& body) {
  std::vector<SealedRange> ranges;
  const auto cursor = change_->cursor();  // see trim(): nothing of this closure is missing
  HYDRA_TRY(bool more, cursor->seek(as_bytes(partials_of(body.id))));
  while (more) {
    const auto slice = parse_partial_key(cursor->key());
    if (!slice || slice->body != body.id) break;
    ranges.push_back(segments_of(slice->offset, slice->length, body.plain_bytes));
    HYDRA_TRY(more, cursor->next());
  }
  return unite(std::move(ranges));
}

Result<std::uint64_t> Ledger::trim(const BodyId& id) {
  HYDRA_TRY(Body body, load(id));
  take_from_trims(body);
  std::uint64_t freed = 0;
  if (body.whole == 0) {
    HYDRA_TRY(const auto keep, needed(body));
    const auto had = bytes_by_extent(body.pieces);
    body.pieces = cut_down(body.pieces, keep);
    auto left = bytes_by_extent(body.pieces);
    for (const auto& [extent, bytes] : had) {
      const std::uint64_t taken = bytes - left[extent];
      if (taken > 0) HYDRA_CHECK_OK(take_live_bytes(body, extent, bytes, taken));
      freed += taken;
    }
  }
  change_->put(body_key(body.id), encode(body));
  return freed;
}

Status Ledger::move_live(const ExtentId& from, std::span<const ExtentRange> kept,
                         const Extent& into) {
  HYDRA_TRY(const auto before, extent(from));
  if (!before || before->extent.live_bytes == 0)
    return fail(Code::kNotFound, "extent " + from.to_string() + " is gone");
  HYDRA_CHECK_OK(check_extent(into));
  HYDRA_CHECK_OK(check_fresh(*change_, into.id));
  std::uint64_t bytes_kept = 0;
  for (const ExtentRange& range : kept) bytes_kept += range.length;
  if (into.stored_as != into.id || into.length != bytes_kept)
    return fail(Code::kInvalidArgument, "extent " + into.id.to_string() + " is not what was kept");

  ExtentRow after{.extent = into};
  after.extent.live_bytes = 0;
  HYDRA_TRY(const auto residents, find_residents(*change_, before->extent));
  for (const Body& resident : residents) {
    Body body = resident;
    const std::uint64_t bytes = bytes_by_extent(body.pieces)[from];
    if (!redirect(body.pieces, from, kept, into.id))
      return fail(Code::kConflict, "more of extent " + from.to_string() + " lives than was kept");
    after.extent.live_bytes += static_cast<std::uint32_t>(bytes);
    change_->erase(resident_key(from, body.id));
    put_resident(into, body.id, bytes);
    change_->put(body_key(body.id), encode(body));
  }
  store_extent(nullptr, std::move(after));
  ExtentRow dead = *before;
  dead.extent.live_bytes = 0;
  store_extent(&*before, std::move(dead));
  return {};
}

}  // namespace hydra::catalog
