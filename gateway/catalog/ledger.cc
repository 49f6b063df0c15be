#include "gateway/catalog/ledger.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "erasure/layout.h"
#include "gateway/catalog/keys_format.h"

namespace hydra::catalog {

namespace {

bool is_dead(const ExtentRow& row) { return row.extent.live_bytes == 0; }

RepairRow repair_row(const ExtentRow& row) {
  return {row.extent.id, row.rank, row.repair_since_ms};
}

void erase_alias(Change& change, const Extent& extent) {
  if (extent.stored_as != extent.id) change.erase(alias_key(extent.stored_as));
}

Status check_slice(const Slice& slice, const Body& body) {
  if (slice.offset <= body.plain_bytes && slice.length <= body.plain_bytes - slice.offset)
    return {};
  return fail(Code::kInvalidArgument, "slice ends outside of body " + body.id.to_string());
}

tl::unexpected<Error> broken(std::string message) {
  return fail(Code::kCorrupt, "catalog: " + std::move(message));
}

}  // namespace

Status check_extent(const Extent& extent) {
  const int shards = extent.profile.shards();
  if (!extent.profile.valid() || !extent.wanted.valid() ||
      extent.nodes.size() != static_cast<std::size_t>(shards) ||
      (std::uint64_t{extent.missing} >> shards) != 0 || extent.length == 0 ||
      extent.length > erasure::kMaxExtentBytes || extent.stored_as == ExtentId())
    return fail(Code::kInvalidArgument, "extent " + extent.id.to_string() + " is not well-formed");
  return {};
}

Rank own_rank(const Extent& extent) {
  if (extent.live_bytes == 0) return kNoRank;
  if (extent.missing != 0) return spare_shards(extent);
  return extent.profile != extent.wanted ? kRankReencode : kNoRank;
}

std::uint8_t spare_shards(const Extent& extent) {
  const int spare = extent.profile.m - std::popcount(extent.missing);
  return static_cast<std::uint8_t>(std::max(spare, 0));
}

Result<Ledger> Ledger::open(Change& change, std::int64_t now_ms) {
  HYDRA_TRY(const auto row, change.get(table_key(Table::kState)));
  if (!row) return broken("the state row is missing");
  HYDRA_TRY(const StateRow state, decode_state(*row));
  return Ledger(change, state, now_ms);
}

void Ledger::close() {
  if (state_ != opened_) change_->put(table_key(Table::kState), encode(state_));
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
    body.references = 0;
    for (const Slice& slice : slices) {
      if (slice.body != body.id) continue;
      HYDRA_CHECK_OK(check_slice(slice, body));
      ++body.references;
    }
    if (body.references == 0)
      return fail(Code::kInvalidArgument, "no slice points at body " + body.id.to_string());
    std::string key = body_key(body.id);
    HYDRA_TRY(const auto known, change_->get(key));
    if (known) return fail(Code::kInvalidArgument, "body " + body.id.to_string() + " is not new");
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
  for (const Body& body : data.bodies)
    for (const BodyPiece& piece : body.pieces) HYDRA_CHECK_OK(add_live_bytes(touched, piece));
  for (TouchedExtent& extent : touched)
    store_extent(extent.before ? &*extent.before : nullptr, std::move(extent.after));
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
  if (found->before && is_dead(*found->before))
    return fail(Code::kConflict, "extent " + piece.extent.to_string() + " is dead");
  Extent& extent = found->after.extent;
  if (piece.length == 0 || piece.offset > extent.length ||
      piece.length > extent.length - piece.offset ||
      piece.length > extent.length - extent.live_bytes)
    return fail(Code::kInvalidArgument, "piece outside of extent " + piece.extent.to_string());
  extent.live_bytes += piece.length;
  return {};
}

Status Ledger::add_reference(const Slice& slice) {
  std::string key = body_key(slice.body);
  HYDRA_TRY(const auto row, change_->get(key));
  if (!row) return fail(Code::kConflict, "body " + slice.body.to_string() + " is gone");
  HYDRA_TRY(Body body, decode_body(slice.body, *row));
  HYDRA_CHECK_OK(check_slice(slice, body));
  if (body.references == std::numeric_limits<std::uint32_t>::max())
    return fail(Code::kTooLarge, "too many references to body " + slice.body.to_string());
  ++body.references;
  change_->put(std::move(key), encode(body));
  return {};
}

Status Ledger::release(std::span<const Slice> slices) {
  for (const Slice& slice : slices) {
    std::string key = body_key(slice.body);
    HYDRA_TRY(const auto row, change_->get(key));
    if (!row) return broken("no row for body " + slice.body.to_string());
    HYDRA_TRY(Body body, decode_body(slice.body, *row));
    if (body.references == 0) return broken("unreferenced body " + slice.body.to_string());
    if (--body.references > 0) {
      change_->put(std::move(key), encode(body));
    } else {
      change_->erase(std::move(key));
      HYDRA_CHECK_OK(release_body(body));
    }
  }
  return {};
}

Status Ledger::release_body(const Body& body) {
  for (const BodyPiece& piece : body.pieces) {
    HYDRA_TRY(const auto before, extent(piece.extent));
    if (!before || before->extent.live_bytes < piece.length)
      return broken("live bytes of extent " + piece.extent.to_string());
    ExtentRow after = *before;
    after.extent.live_bytes -= piece.length;
    store_extent(&*before, std::move(after));
  }
  return {};
}

Result<std::optional<ExtentRow>> Ledger::extent(const ExtentId& id) {
  HYDRA_TRY(const auto row, change_->get(extent_key(id)));
  if (!row) return std::optional<ExtentRow>();
  HYDRA_TRY(auto decoded, decode_extent(id, *row));
  return std::optional<ExtentRow>(std::move(decoded));
}

void Ledger::enter_queue(const ExtentRow& row) {
  const bool repair = row.rank < kRankDrain;
  ++(repair ? state_.repairs : state_.moves);
  (repair ? state_.repair_bytes : state_.move_bytes) += row.extent.length;
  change_->put(repair_key(repair_row(row)), std::string());
}

void Ledger::leave_queue(const ExtentRow& row) {
  const bool repair = row.rank < kRankDrain;
  --(repair ? state_.repairs : state_.moves);
  (repair ? state_.repair_bytes : state_.move_bytes) -= row.extent.length;
  change_->erase(repair_key(repair_row(row)));
}

void Ledger::store_extent(const ExtentRow* before, ExtentRow after) {
  const bool was_dead = before != nullptr && is_dead(*before);
  if (before != nullptr && !was_dead) {
    --state_.extents;
    state_.extent_bytes -= before->extent.length;
    if (before->rank != kNoRank) leave_queue(*before);
  }
  after.rank = is_dead(after) ? kNoRank : std::min(after.rank, own_rank(after.extent));
  if (after.rank == kNoRank)
    after.repair_since_ms = 0;
  else if (before == nullptr || before->rank == kNoRank)
    after.repair_since_ms = now_ms_;
  if (!is_dead(after)) {
    ++state_.extents;
    state_.extent_bytes += after.extent.length;
    if (after.rank != kNoRank) enter_queue(after);
  } else if (!was_dead) {
    after.died_ms = now_ms_;
    ++state_.dead_extents;
    change_->put(dead_key(after.died_ms, after.extent.id), std::string());
  }
  if (before == nullptr || before->extent.stored_as != after.extent.stored_as) {
    if (before != nullptr) erase_alias(*change_, before->extent);
    if (after.extent.stored_as != after.extent.id)
      change_->put(alias_key(after.extent.stored_as), encode_extent_id(after.extent.id));
  }
  change_->put(extent_key(after.extent.id), encode(after));
}

void Ledger::erase_dead(const ExtentRow& row) {
  HYDRA_ASSERT(is_dead(row));
  --state_.dead_extents;
  change_->erase(dead_key(row.died_ms, row.extent.id));
  erase_alias(*change_, row.extent);
  change_->erase(extent_key(row.extent.id));
}

}  // namespace hydra::catalog
