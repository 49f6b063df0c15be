// Rows of the grid: nodes and the tokens they join with, ring, totals.

#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/lookups.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/store_catalog.h"
#include "placement/cluster_map.h"

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
  if (known.removed)
    return fail(Code::kUnauthenticated,
                "node " + std::to_string(id) + " (" + known.name +
                    ") was removed from the grid; wipe its directory and join it again");
  if (known.role != node.role)
    return fail(Code::kConflict,
                "node " + std::to_string(id) + " (" + known.name +
                    ") has joined in another role; wipe its directory to change it");
  const std::string before = encode(known);
  known.name = std::move(node.name);
  if (!known.zone_fixed) known.zone = std::move(node.zone);
  known.capacity_bytes = node.capacity_bytes;
  // A node that only comes back costs no commit.
  std::string after = encode(known);
  if (after != before) ledger.change().put(node_key(id), std::move(after));
  return known;
}

// Every claim row, in the order of their keys.
template <typename Visit>
Status each_claim(kv::Cursor& cursor, Visit visit) {
  HYDRA_TRY(bool more, cursor.seek(as_bytes(table_key(Table::kClaims))));
  while (more) {
    const auto id = parse_claim_key(cursor.key());
    if (!id) break;
    HYDRA_TRY(const ClaimRow row, decode_claim(*id, cursor.value()));
    visit(row);
    HYDRA_TRY(more, cursor.next());
  }
  return {};
}

// A node that has its link needs its token no more.
Status end_claims_of(Ledger& ledger, const NodeIdentity& identity) {
  std::vector<ClaimRow> ended;
  HYDRA_CHECK_OK(each_claim(*ledger.change().cursor(), [&](const ClaimRow& row) {
    if (row.used_ms != 0 && row.used_by == identity) ended.push_back(row);
  }));
  for (ClaimRow& row : ended) {
    row.used_by = {};
    ledger.change().put(claim_key(row.id), encode(row));
  }
  return {};
}

Status insert_claim(Ledger& ledger, const ClaimRow& claim) {
  std::size_t fresh = 0;
  std::vector<agent::ClaimId> past;
  HYDRA_CHECK_OK(each_claim(*ledger.change().cursor(), [&](const ClaimRow& row) {
    if (row.expires_ms > ledger.now_ms()) ++fresh;
    if (row.expires_ms + kClaimMemoryMs < ledger.now_ms()) past.push_back(row.id);
  }));
  if (fresh >= kMaxFreshClaims)
    return fail(Code::kSlowDown,
                "too many claim tokens were made lately; they are valid for a few "
                "minutes only, so try again then");
  for (const auto& id : past) ledger.change().erase(claim_key(id));
  ledger.change().put(claim_key(claim.id), encode(claim));
  return {};
}

Result<NodeRow> spend_claim(Ledger& ledger, const agent::ClaimId& id, const Sha256& hash,
                            NodeRow node) {
  HYDRA_TRY(const auto row, ledger.change().get(claim_key(id)));
  const auto refuse = [](const char* why) { return fail(Code::kUnauthenticated, why); };
  if (!row) return refuse("this grid does not know this token");
  HYDRA_TRY(ClaimRow claim, decode_claim(id, *row));
  if (!equal_constant_time(claim.hash, hash)) return refuse("this grid does not know this token");
  if (claim.used_ms != 0 && claim.used_by != node.identity)
    return refuse("this token has been used; each is good for one node");
  if (claim.expires_ms <= ledger.now_ms())
    return refuse("this token has expired; hydractl node token makes a new one");
  claim.used_ms = ledger.now_ms();
  claim.used_by = node.identity;
  ledger.change().put(claim_key(id), encode(claim));
  return insert_node(ledger, std::move(node));
}

Result<NodeRow> change_node(Ledger& ledger, NodeId id, const NodeChange& change) {
  HYDRA_TRY(const auto row, ledger.change().get(node_key(id)));
  if (!row) return fail(Code::kNotFound, "there is no node " + std::to_string(id));
  HYDRA_TRY(NodeRow node, decode_node(id, *row));
  const bool only_removes = !change.weight && !change.zone && !change.draining;
  if (node.removed && change.remove && only_removes) return node;
  if (node.removed)
    return fail(Code::kConflict, "node " + std::to_string(id) + " was removed from the grid");
  if (change.weight && !(*change.weight >= 0 && *change.weight <= placement::kMaxWeight))
    return fail(Code::kInvalidArgument, "a node's weight is 0 to 1000");
  if (change.zone && change.zone->size() > placement::kMaxNodeText)
    return fail(Code::kInvalidArgument, "a zone has at most 255 bytes");
  node.weight = change.weight.value_or(node.weight);
  node.draining = change.draining.value_or(node.draining);
  if (change.zone) {
    node.zone = *change.zone;
    node.zone_fixed = true;
  }
  node.removed = change.remove;
  ledger.change().put(node_key(id), encode(node));
  return node;
}

Status insert_ring(Ledger& ledger, std::uint64_t epoch, const std::string& encoded) {
  const auto cursor = ledger.change().cursor();
  HYDRA_TRY(const std::uint64_t newest, newest_ring(*cursor));
  if (epoch != newest + 1)
    return fail(Code::kConflict, "the newest ring is of epoch " + std::to_string(newest));
  ledger.change().put(ring_key(epoch), encoded);
  return {};
}

}  // namespace

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
                .repair_bytes = state.repair_bytes,
                .moves = state.moves,
                .move_bytes = state.move_bytes,
                .strays = state.strays,
                .uploads = state.uploads,
                .trims = state.trims,
                .half_dead = state.half_dead,
                .half_dead_bytes = state.half_dead_bytes};
}

Task<Result<NodeRow>> StoreCatalog::register_node(Loop& loop, NodeRow node) {
  return write_internal(loop, loop.wall_ms(),
                        [node = std::move(node)](Ledger& ledger) -> Result<NodeRow> {
                          HYDRA_CHECK_OK(end_claims_of(ledger, node.identity));
                          return insert_node(ledger, node);
                        });
}

Result<std::optional<ClaimRow>> StoreCatalog::claim(const agent::ClaimId& id) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  HYDRA_TRY(const auto row, snapshot->get(as_bytes(claim_key(id))));
  if (!row) return std::optional<ClaimRow>();
  HYDRA_TRY(const ClaimRow claim, decode_claim(id, *row));
  return std::optional<ClaimRow>(claim);
}

Task<Status> StoreCatalog::put_claim(Loop& loop, ClaimRow claim) {
  return write_internal(loop, loop.wall_ms(),
                        [claim](Ledger& ledger) { return insert_claim(ledger, claim); });
}

Task<Result<NodeRow>> StoreCatalog::claim_node(Loop& loop, agent::ClaimId id, Sha256 hash,
                                               NodeRow node) {
  return write_internal(loop, loop.wall_ms(),
                        [id, hash, node = std::move(node)](Ledger& ledger) -> Result<NodeRow> {
                          return spend_claim(ledger, id, hash, node);
                        });
}

Task<Result<NodeRow>> StoreCatalog::set_node(Loop& loop, NodeId node, NodeChange change) {
  return write_internal(loop, loop.wall_ms(),
                        [node, change = std::move(change)](Ledger& ledger) -> Result<NodeRow> {
                          return change_node(ledger, node, change);
                        });
}

Task<Status> StoreCatalog::put_ring(Loop& loop, std::uint64_t epoch, std::string encoded) {
  return write_internal(loop, loop.wall_ms(),
                        [epoch, encoded = std::move(encoded)](Ledger& ledger) {
                          return insert_ring(ledger, epoch, encoded);
                        });
}

Task<Status> StoreCatalog::settled(Loop& loop) {
  return writer_.run(loop, [](Change&) { return Status(); });
}

}  // namespace hydra::catalog
