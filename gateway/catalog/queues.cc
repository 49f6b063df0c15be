// The queues of the healer: repairs, dead extents, strays; and the lease that says who works on
// them.

#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/lookups.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/store_catalog.h"

namespace hydra::catalog {

namespace {

constexpr std::size_t kMaxLeaseText = 255;  // bytes of a lease's name, or of its holder

// Where a scan begins: at the table's first row, or right behind the key that was last.
std::string scan_from(Table table, const std::optional<std::string>& after) {
  // No key lies between one and the same with a zero byte behind it.
  return after ? *after + '\0' : table_key(table);
}

Status set_ranks(Ledger& ledger, const std::vector<QueueItem>& items) {
  for (const QueueItem& item : items) {
    HYDRA_TRY(const auto before, ledger.extent(item.extent));
    if (!before || before->extent.live_bytes == 0) continue;
    if (std::min(item.rank, own_rank(before->extent)) == before->rank) continue;
    ExtentRow after = *before;
    after.rank = item.rank;
    ledger.store_extent(&*before, std::move(after));
  }
  return {};
}

Status erase_dead_extents(Ledger& ledger, const std::vector<ExtentId>& extents) {
  for (const ExtentId& id : extents) {
    HYDRA_TRY(const auto row, ledger.extent(id));
    if (!row) continue;  // forgotten before
    if (row->extent.live_bytes != 0)
      return fail(Code::kInvalidArgument, "extent " + id.to_string() + " is alive");
    ledger.erase_dead(*row);
  }
  return {};
}

Status insert_strays(Ledger& ledger, const std::vector<Stray>& strays) {
  for (const Stray& stray : strays) {
    std::string key = stray_key(stray);
    HYDRA_TRY(const auto row, ledger.change().get(key));
    if (row) continue;
    ++ledger.state().strays;
    ledger.change().put(std::move(key), std::string());
  }
  return {};
}

Status erase_strays(Ledger& ledger, const std::vector<Stray>& strays) {
  for (const Stray& stray : strays) {
    std::string key = stray_key(stray);
    HYDRA_TRY(const auto row, ledger.change().get(key));
    if (!row) continue;  // forgotten before
    --ledger.state().strays;
    ledger.change().erase(std::move(key));
  }
  return {};
}

template <typename Rows>
Result<std::optional<Lease>> find_lease(Rows& rows, std::string_view name) {
  HYDRA_TRY(const auto row, get_row(rows, lease_key(name)));
  if (!row) return std::optional<Lease>();
  HYDRA_TRY(Lease lease, decode_lease(*row));
  return std::optional<Lease>(std::move(lease));
}

Result<Lease> take_lease(Ledger& ledger, std::string_view name, const std::string& holder,
                         std::int64_t ttl_ms) {
  if (name.empty() || name.size() > kMaxLeaseText || holder.empty() ||
      holder.size() > kMaxLeaseText)
    return fail(Code::kInvalidArgument, "name or holder of a lease of a bad length");
  HYDRA_TRY(const auto known, find_lease(ledger.change(), name));
  if (known && known->holder != holder && known->until_ms > ledger.now_ms()) return *known;
  Lease lease{holder, ledger.now_ms() + ttl_ms};
  ledger.change().put(lease_key(name), encode(lease));
  return lease;
}

}  // namespace

Result<std::vector<RepairRow>> StoreCatalog::repairs(std::size_t limit,
                                                     std::optional<RepairRow> after) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  const auto cursor = snapshot->cursor();
  const auto last = after ? std::optional(repair_key(*after)) : std::nullopt;
  std::vector<RepairRow> out;
  HYDRA_TRY(bool more, cursor->seek(as_bytes(scan_from(Table::kRepairs, last))));
  while (more && out.size() < limit) {
    const auto repair = parse_repair_key(cursor->key());
    if (!repair) break;
    out.push_back(*repair);
    HYDRA_TRY(more, cursor->next());
  }
  return out;
}

Result<std::vector<DeadExtent>> StoreCatalog::dead_extents(std::int64_t died_before_ms,
                                                           std::size_t limit,
                                                           std::optional<DeadName> after) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  const auto cursor = snapshot->cursor();
  const auto last = after ? std::optional(dead_key(after->died_ms, after->extent)) : std::nullopt;
  std::vector<DeadExtent> out;
  HYDRA_TRY(bool more, cursor->seek(as_bytes(scan_from(Table::kDead, last))));
  while (more && out.size() < limit) {
    const auto name = parse_dead_key(cursor->key());
    if (!name || name->died_ms >= died_before_ms) break;
    HYDRA_TRY(const auto row, snapshot->get(as_bytes(extent_key(name->extent))));
    if (!row) return fail(Code::kCorrupt, "catalog: a dead extent has no row");
    HYDRA_TRY(ExtentRow extent, decode_extent(name->extent, *row));
    if (!held().contains(extent.extent.stored_as))
      out.push_back({name->died_ms, std::move(extent.extent)});
    HYDRA_TRY(more, cursor->next());
  }
  return out;
}

Result<std::vector<Stray>> StoreCatalog::strays(std::int64_t due_before_ms, std::size_t limit,
                                                std::optional<Stray> after) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  const auto cursor = snapshot->cursor();
  const auto last = after ? std::optional(stray_key(*after)) : std::nullopt;
  std::vector<Stray> out;
  HYDRA_TRY(bool more, cursor->seek(as_bytes(scan_from(Table::kStrays, last))));
  while (more && out.size() < limit) {
    const auto stray = parse_stray_key(cursor->key());
    if (!stray || stray->due_ms >= due_before_ms) break;
    if (!held().contains(stray->shard.extent)) out.push_back(*stray);
    HYDRA_TRY(more, cursor->next());
  }
  return out;
}

Result<std::optional<Lease>> StoreCatalog::lease(std::string_view name) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  return find_lease(*snapshot, name);
}

Task<Status> StoreCatalog::enqueue(Loop& loop, std::vector<QueueItem> items) {
  return write(loop, loop.wall_ms(),
               [items = std::move(items)](Ledger& ledger) { return set_ranks(ledger, items); });
}

Task<Status> StoreCatalog::forget_dead(Loop& loop, std::vector<ExtentId> extents) {
  return write(loop, loop.wall_ms(), [extents = std::move(extents)](Ledger& ledger) {
    return erase_dead_extents(ledger, extents);
  });
}

Task<Status> StoreCatalog::add_strays(Loop& loop, std::vector<Stray> strays) {
  return write(loop, loop.wall_ms(), [strays = std::move(strays)](Ledger& ledger) {
    return insert_strays(ledger, strays);
  });
}

Task<Status> StoreCatalog::forget_strays(Loop& loop, std::vector<Stray> strays) {
  return write(loop, loop.wall_ms(), [strays = std::move(strays)](Ledger& ledger) {
    return erase_strays(ledger, strays);
  });
}

Task<Result<Lease>> StoreCatalog::acquire_lease(Loop& loop, std::string name, std::string holder,
                                                std::int64_t ttl_ms) {
  return write(loop, loop.wall_ms(),
               [name = std::move(name), holder = std::move(holder), ttl_ms](Ledger& ledger) {
                 return take_lease(ledger, name, holder, ttl_ms);
               });
}

Task<Status> StoreCatalog::release_lease(Loop& loop, std::string name, std::string holder) {
  return write(loop, loop.wall_ms(),
               [name = std::move(name), holder = std::move(holder)](Ledger& ledger) -> Status {
                 HYDRA_TRY(const auto known, find_lease(ledger.change(), name));
                 if (known && known->holder == holder) ledger.change().erase(lease_key(name));
                 return {};
               });
}

}  // namespace hydra::catalog
