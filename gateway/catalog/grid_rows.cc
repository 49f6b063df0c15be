// Rows of the grid: nodes, ring, extents, and the queues of the healer.

#include <algorithm>

#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/lookups.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/store_catalog.h"

namespace hydra::catalog {

namespace {

// The newest ring's epoch, with a cursor left on its row. 0: there is none.
Result<std::uint64_t> newest_ring(kv::Cursor& cursor) {
  HYDRA_TRY(const bool found, cursor.seek_before(as_bytes(after_prefix(table_key(Table::kRings)))));
  if (!found) return 0;
  return parse_ring_key(cursor.key()).value_or(0);
}

Result<NodeRow> insert_node(Ledger& ledger, NodeRow node) {
  std::string identity_key = node_identity_key(node.identity);
  HYDRA_TRY(const auto number, ledger.change().get(identity_key));
  if (!number) {
    node.id = static_cast<NodeId>(ledger.state().next_node++);
    ledger.change().put(std::move(identity_key), encode_node_number(node.id));
    ledger.change().put(node_key(node.id), encode(node));
    return node;
  }
  HYDRA_TRY(const NodeId id, decode_node_number(*number));
  HYDRA_TRY(const auto row, ledger.change().get(node_key(id)));
  if (!row) return fail(Code::kCorrupt, "catalog: a node's identity has no row");
  HYDRA_TRY(NodeRow known, decode_node(id, *row));
  const std::string before = encode(known);
  known.name = std::move(node.name);
  known.zone = std::move(node.zone);
  known.capacity_bytes = node.capacity_bytes;
  // A node that only comes back costs no commit.
  std::string after = encode(known);
  if (after != before) ledger.change().put(node_key(id), std::move(after));
  return known;
}

Status insert_ring(Ledger& ledger, std::uint64_t epoch, const std::string& encoded) {
  const auto cursor = ledger.change().cursor();
  HYDRA_TRY(const std::uint64_t newest, newest_ring(*cursor));
  if (epoch != newest + 1)
    return fail(Code::kConflict, "the newest ring is of epoch " + std::to_string(newest));
  ledger.change().put(ring_key(epoch), encoded);
  return {};
}

Status replace_extent(Ledger& ledger, const Extent& expected, const Extent& updated) {
  HYDRA_TRY(const auto before, ledger.extent(expected.id));
  if (!before || before->extent.live_bytes == 0)
    return fail(Code::kNotFound, "extent " + expected.id.to_string() + " is gone");
  const Extent& known = before->extent;
  if (known.nodes != expected.nodes || known.profile != expected.profile ||
      known.missing != expected.missing)
    return fail(Code::kConflict, "extent " + expected.id.to_string() + " has changed");
  ExtentRow after = *before;
  after.extent.profile = updated.profile;
  after.extent.wanted = updated.wanted;
  after.extent.missing = updated.missing;
  after.extent.nodes = updated.nodes;
  HYDRA_CHECK_OK(check_extent(after.extent));
  ledger.store_extent(&*before, std::move(after));
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

Result<std::vector<NodeRow>> StoreCatalog::nodes() {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  const auto cursor = snapshot->cursor();
  std::vector<NodeRow> out;
  HYDRA_TRY(bool more, cursor->seek(as_bytes(table_key(Table::kNodes))));
  while (more) {
    const auto id = parse_node_key(cursor->key());
    if (!id) break;
    HYDRA_TRY(NodeRow node, decode_node(*id, cursor->value()));
    out.push_back(std::move(node));
    HYDRA_TRY(more, cursor->next());
  }
  return out;
}

Result<std::optional<std::pair<std::uint64_t, std::string>>> StoreCatalog::ring() {
  using Ring = std::pair<std::uint64_t, std::string>;
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  const auto cursor = snapshot->cursor();
  HYDRA_TRY(const std::uint64_t epoch, newest_ring(*cursor));
  if (epoch == 0) return std::optional<Ring>();
  return std::optional<Ring>(Ring(epoch, as_text(cursor->value())));
}

Result<std::vector<RepairRow>> StoreCatalog::repairs(std::size_t limit) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  const auto cursor = snapshot->cursor();
  std::vector<RepairRow> out;
  HYDRA_TRY(bool more, cursor->seek(as_bytes(table_key(Table::kRepairs))));
  while (more && out.size() < limit) {
    const auto repair = parse_repair_key(cursor->key());
    if (!repair) break;
    out.push_back(*repair);
    HYDRA_TRY(more, cursor->next());
  }
  return out;
}

Result<std::vector<DeadExtent>> StoreCatalog::dead_extents(std::int64_t died_before_ms,
                                                           std::size_t limit) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  const auto cursor = snapshot->cursor();
  std::vector<DeadExtent> out;
  HYDRA_TRY(bool more, cursor->seek(as_bytes(table_key(Table::kDead))));
  while (more && out.size() < limit) {
    const auto name = parse_dead_key(cursor->key());
    if (!name || name->died_ms >= died_before_ms) break;
    HYDRA_TRY(const auto row, snapshot->get(as_bytes(extent_key(name->extent))));
    if (!row) return fail(Code::kCorrupt, "catalog: a dead extent has no row");
    HYDRA_TRY(ExtentRow extent, decode_extent(name->extent, *row));
    out.push_back({name->died_ms, std::move(extent.extent)});
    HYDRA_TRY(more, cursor->next());
  }
  return out;
}

Result<Catalog::Totals> StoreCatalog::totals() {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  HYDRA_TRY(const auto row, snapshot->get(as_bytes(table_key(Table::kState))));
  if (!row) return fail(Code::kCorrupt, "catalog: the state row is missing");
  HYDRA_TRY(const StateRow state, decode_state(*row));
  return Totals{.buckets = state.buckets,
                .objects = state.objects,
                .object_bytes = state.object_bytes,
                .extents = state.extents,
                .extent_bytes = state.extent_bytes,
                .dead_extents = state.dead_extents,
                .repairs = state.repairs,
                .uploads = state.uploads};
}

Task<Result<NodeRow>> StoreCatalog::register_node(Loop& loop, NodeRow node) {
  return write(loop, loop.wall_ms(), [node = std::move(node)](Ledger& ledger) -> Result<NodeRow> {
    return insert_node(ledger, node);
  });
}

Task<Status> StoreCatalog::put_ring(Loop& loop, std::uint64_t epoch, std::string encoded) {
  return write(loop, loop.wall_ms(), [epoch, encoded = std::move(encoded)](Ledger& ledger) {
    return insert_ring(ledger, epoch, encoded);
  });
}

Task<Status> StoreCatalog::update_extent(Loop& loop, Extent expected, Extent updated) {
  return write(loop, loop.wall_ms(),
               [expected = std::move(expected), updated = std::move(updated)](Ledger& ledger) {
                 return replace_extent(ledger, expected, updated);
               });
}

Task<Status> StoreCatalog::forget_dead(Loop& loop, std::vector<ExtentId> extents) {
  return write(loop, loop.wall_ms(), [extents = std::move(extents)](Ledger& ledger) {
    return erase_dead_extents(ledger, extents);
  });
}

}  // namespace hydra::catalog
