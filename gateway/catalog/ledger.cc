#include "gateway/catalog/ledger.h"

#include <algorithm>
#include <bit>

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

void count_half_dead(StateRow& state, const Extent& extent, bool in) {
  if (!extent.half_dead()) return;
  const std::uint64_t dead = extent.length - extent.live_bytes;
  state.half_dead = in ? state.half_dead + 1 : state.half_dead - 1;
  state.half_dead_bytes = in ? state.half_dead_bytes + dead : state.half_dead_bytes - dead;
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

Status check_fresh(Change& change, const ExtentId& name) {
  // Shards that ever had the name may still lie somewhere.
  HYDRA_TRY(const auto alias, change.get(alias_key(name)));
  HYDRA_TRY(const auto extent, change.get(extent_key(name)));
  if (!alias && !extent) return {};
  return fail(Code::kInvalidArgument, "the name " + name.to_string() + " is not a fresh one");
}

Rank own_rank(const Extent& extent) {
  if (extent.live_bytes == 0) return kNoRank;
  if (extent.missing != 0) return spare_shards(extent);
  if (extent.profile != extent.wanted) return kRankReencode;
  return extent.half_dead() ? kRankCompact : kNoRank;
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
    count_half_dead(state_, before->extent, false);
  }
  // Only the row itself asks for that.
  if (after.rank == kRankCompact) after.rank = kNoRank;
  after.rank = is_dead(after) ? kNoRank : std::min(after.rank, own_rank(after.extent));
  if (after.rank == kNoRank)
    after.repair_since_ms = 0;
  else if (before == nullptr || before->rank == kNoRank)
    after.repair_since_ms = now_ms_;
  if (!is_dead(after)) {
    ++state_.extents;
    state_.extent_bytes += after.extent.length;
    if (after.rank != kNoRank) enter_queue(after);
    count_half_dead(state_, after.extent, true);
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
