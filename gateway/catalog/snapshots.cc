// Rows of the journal's snapshots, and all rows at once for the making of one.

#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/store_catalog.h"

namespace hydra::catalog {

namespace {

Status insert_snapshot(Ledger& ledger, const SnapshotRow& row, const NewData& data) {
  std::string key = snapshot_key(row.sequence);
  HYDRA_TRY(const auto known, ledger.change().get(key));
  if (known) return fail(Code::kAlreadyExists, "there is a snapshot of that commit");
  HYDRA_CHECK_OK(ledger.adopt({&row.slice, 1}, data));
  ledger.change().put(std::move(key), encode(row));
  return {};
}

Status root(Ledger& ledger, std::uint64_t sequence) {
  std::vector<SnapshotRow> older;
  const auto cursor = ledger.change().cursor();
  HYDRA_TRY(bool more, cursor->seek(as_bytes(table_key(Table::kSnapshots))));
  std::optional<SnapshotRow> rooted;
  while (more && !rooted) {
    const auto at = parse_snapshot_key(cursor->key());
    if (!at || *at > sequence) break;
    HYDRA_TRY(SnapshotRow row, decode_snapshot(*at, cursor->value()));
    if (*at == sequence)
      rooted = std::move(row);
    else
      older.push_back(std::move(row));
    HYDRA_TRY(more, cursor->next());
  }
  if (!rooted) return fail(Code::kNotFound, "no snapshot of that commit");
  for (const SnapshotRow& row : older) {
    HYDRA_CHECK_OK(ledger.release({&row.slice, 1}));
    ledger.change().erase(snapshot_key(row.sequence));
  }
  rooted->rooted = true;
  ledger.change().put(snapshot_key(sequence), encode(*rooted));
  return {};
}

}  // namespace

Result<std::unique_ptr<kv::Snapshot>> StoreCatalog::rows() { return store_->snapshot(); }

Result<std::vector<SnapshotRow>> StoreCatalog::snapshots() {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  const auto cursor = snapshot->cursor();
  std::vector<SnapshotRow> out;
  HYDRA_TRY(bool more, cursor->seek(as_bytes(table_key(Table::kSnapshots))));
  while (more) {
    const auto sequence = parse_snapshot_key(cursor->key());
    if (!sequence) break;
    HYDRA_TRY(SnapshotRow row, decode_snapshot(*sequence, cursor->value()));
    out.push_back(std::move(row));
    HYDRA_TRY(more, cursor->next());
  }
  return out;
}

Task<Status> StoreCatalog::put_snapshot(Loop& loop, SnapshotRow row, NewData data) {
  return write_internal(loop, loop.wall_ms(),
                        [row = std::move(row), data = std::move(data)](Ledger& ledger) {
                          return insert_snapshot(ledger, row, data);
                        });
}

Task<Status> StoreCatalog::root_snapshot(Loop& loop, std::uint64_t sequence) {
  return write_internal(loop, loop.wall_ms(),
                        [sequence](Ledger& ledger) { return root(ledger, sequence); });
}

}  // namespace hydra::catalog
