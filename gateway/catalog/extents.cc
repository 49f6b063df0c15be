// Rows of extents: finding them, walking them, and changing where their shards are.

#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/lookups.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/store_catalog.h"

namespace hydra::catalog {

namespace {

// The row of the extent whose shards bear this name now.
template <typename Rows>
Result<std::optional<ExtentRow>> find_owner(Rows& rows, const ExtentId& stored_as) {
  ExtentId id = stored_as;
  HYDRA_TRY(const auto alias, get_row(rows, alias_key(stored_as)));
  if (alias) {
    HYDRA_TRY(id, decode_extent_id(*alias));
  }
  HYDRA_TRY(const auto row, get_row(rows, extent_key(id)));
  if (!row) return std::optional<ExtentRow>();
  HYDRA_TRY(auto extent, decode_extent(id, *row));
  if (extent.extent.stored_as != stored_as) return std::optional<ExtentRow>();
  return std::optional<ExtentRow>(std::move(extent));
}

Status check_update(Ledger& ledger, const Extent& expected, const Extent& updated) {
  HYDRA_CHECK_OK(check_extent(updated));
  if (updated.stored_as == expected.stored_as) {
    if (updated.profile == expected.profile) return {};
    return fail(Code::kInvalidArgument, "another profile needs shards of another name");
  }
  return check_fresh(ledger.change(), updated.stored_as);
}

Status leave_strays(Ledger& ledger, const Extent& before, const Extent& after,
                    std::int64_t due_ms) {
  for (std::size_t i = 0; i < before.nodes.size(); ++i) {
    if (after.shard(i) == before.shard(i) && after.nodes[i] == before.nodes[i]) continue;
    std::string key = stray_key({due_ms, before.nodes[i], before.shard(i)});
    HYDRA_TRY(const auto known, ledger.change().get(key));
    if (known) continue;
    ++ledger.state().strays;
    ledger.change().put(std::move(key), std::string());
  }
  return {};
}

Status replace_extent(Ledger& ledger, const Extent& expected, const Extent& updated,
                      const ExtentUpdate& terms) {
  HYDRA_TRY(const auto before, ledger.extent(expected.id));
  if (!before || before->extent.live_bytes == 0)
    return fail(Code::kNotFound, "extent " + expected.id.to_string() + " is gone");
  const Extent& known = before->extent;
  if (known.nodes != expected.nodes || known.profile != expected.profile ||
      known.missing != expected.missing || known.stored_as != expected.stored_as)
    return fail(Code::kConflict, "extent " + expected.id.to_string() + " has changed");
  HYDRA_CHECK_OK(check_update(ledger, expected, updated));
  ExtentRow after = *before;
  after.extent.stored_as = updated.stored_as;
  after.extent.profile = updated.profile;
  after.extent.wanted = updated.wanted;
  after.extent.missing = updated.missing;
  after.extent.nodes = updated.nodes;
  after.rank = terms.still;
  HYDRA_CHECK_OK(leave_strays(ledger, known, after.extent, terms.strays_due_ms));
  ledger.store_extent(&*before, std::move(after));
  return {};
}

Result<std::size_t> report(Ledger& ledger, const std::vector<ShardReport>& shards, bool missing) {
  std::size_t news = 0;
  for (const ShardReport& report : shards) {
    HYDRA_TRY(const auto before, find_owner(ledger.change(), report.shard.extent));
    const std::uint8_t index = report.shard.index;
    if (!before || before->extent.live_bytes == 0 || index >= before->extent.nodes.size() ||
        before->extent.nodes[index] != report.node || before->extent.lacks(index) == missing)
      continue;
    ++news;
    ExtentRow after = *before;
    after.extent.missing ^= 1u << index;
    // What only the missing shard made urgent no longer is.
    if (!missing && before->rank == own_rank(before->extent)) after.rank = kNoRank;
    ledger.store_extent(&*before, std::move(after));
  }
  return news;
}

}  // namespace

Result<Extent> StoreCatalog::extent(const ExtentId& id) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  HYDRA_TRY(const auto row, snapshot->get(as_bytes(extent_key(id))));
  if (!row) return fail(Code::kNotFound, "no extent " + id.to_string());
  HYDRA_TRY(ExtentRow extent, decode_extent(id, *row));
  if (extent.extent.live_bytes == 0)
    return fail(Code::kNotFound, "extent " + id.to_string() + " is dead");
  return std::move(extent.extent);
}

Result<ExtentPage> StoreCatalog::walk_extents(std::optional<ExtentId> after, std::size_t limit) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  const auto cursor = snapshot->cursor();
  // No key lies between one and the same with a zero byte behind it.
  const std::string from = after ? extent_key(*after) + '\0' : table_key(Table::kExtents);
  ExtentPage page;
  std::optional<ExtentId> last;
  HYDRA_TRY(bool more, cursor->seek(as_bytes(from)));
  for (std::size_t seen = 0; more; ++seen) {
    const auto id = parse_extent_key(cursor->key());
    if (!id) break;
    if (seen == limit) {
      page.next = last;
      break;
    }
    last = id;
    HYDRA_TRY(ExtentRow row, decode_extent(*id, cursor->value()));
    if (row.extent.live_bytes != 0) page.items.push_back({std::move(row.extent), row.rank});
    HYDRA_TRY(more, cursor->next());
  }
  return page;
}

Result<std::vector<std::optional<Extent>>> StoreCatalog::owners(
    std::span<const ExtentId> stored_as) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  std::vector<std::optional<Extent>> out;
  out.reserve(stored_as.size());
  for (const ExtentId& name : stored_as) {
    HYDRA_TRY(auto row, find_owner(*snapshot, name));
    out.push_back(row ? std::optional(std::move(row->extent)) : std::nullopt);
  }
  return out;
}

Task<Status> StoreCatalog::update_extent(Loop& loop, Extent expected, Extent updated,
                                         ExtentUpdate terms) {
  return write(loop, loop.wall_ms(),
               [expected = std::move(expected), updated = std::move(updated), terms](
                   Ledger& ledger) { return replace_extent(ledger, expected, updated, terms); });
}

Task<Result<std::size_t>> StoreCatalog::report_missing(Loop& loop,
                                                       std::vector<ShardReport> shards) {
  return write(loop, loop.wall_ms(), [shards = std::move(shards)](Ledger& ledger) {
    return report(ledger, shards, true);
  });
}

Task<Result<std::size_t>> StoreCatalog::report_present(Loop& loop,
                                                       std::vector<ShardReport> shards) {
  return write(loop, loop.wall_ms(), [shards = std::move(shards)](Ledger& ledger) {
    return report(ledger, shards, false);
  });
}

}  // namespace hydra::catalog
