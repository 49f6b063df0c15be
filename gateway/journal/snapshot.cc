// The making of a snapshot: all rows of one moment -> a body on the grid -> its row in the catalog
// -> a root on m+1 nodes -> older snapshots are released. A crash after any of these steps leaves
// the older root with all that it needs (docs/FORMAT-journal.md).
#include "base/log.h"
#include "gateway/journal/journal.h"
#include "gateway/journal/row_stream.h"

namespace hydra::journal {

namespace {
constexpr Nanos kFirstPause = 200 * kMillisecond;
constexpr Nanos kLongestPause = 30 * kSecond;

RootExtent extent_of(const catalog::Extent& extent) {
  return {extent.stored_as, extent.profile, extent.length};
}
}  // namespace

Task<void> Journal::make_snapshot(Journal* self) {
  const Status status = co_await self->snapshot_once();
  self->snapshotting_ = false;
  if (status) {
    self->pause_ = 0;
    self->last_snapshot_ = self->loop_.now();
    ++self->counters_.snapshots;
    self->turn_.set();  // old records can go
    co_return;
  }
  self->wanted_ = true;  // what asked for it still does
  self->pause_ = std::clamp(2 * self->pause_, kFirstPause, kLongestPause);
  self->snapshot_retry_ = self->loop_.now() + self->pause_;
  log::warning("no snapshot of the catalog could be made: {}", status.error().to_string());
}

Task<Status> Journal::snapshot_once() {
  const Outbox::State state = outbox_->state();
  RowStream rows(loop_, catalog_);
  HYDRA_CO_CHECK_OK(co_await rows.open({.sequence = state.sequence, .gap = state.gap}));

  // From here on they hold what is needed beside the new root.
  std::set<NodeId> before = std::exchange(holders_, {});
  const Status status = co_await store_and_root(rows);
  if (!status) holders_.merge(before);
  co_return status;
}

Task<Status> Journal::store_and_root(RowStream& rows) {
  catalog::SnapshotRow row;
  row.sequence = rows.head().sequence;
  row.made_ms = loop_.wall_ms();
  row.journal_bytes = rows.journal_bytes();
  row.plain_bytes = rows.length();
  catalog::NewData stored;
  const auto commit = [&](catalog::NewData data, catalog::Slice slice) {
    row.slice = slice;
    stored = data;
    return catalog_.put_snapshot(loop_, row, std::move(data));
  };
  const Status status = co_await bodies_.store(rows, rows.length(), commit);
  co_await rows.close();
  if (!status) co_return status;

  HYDRA_CO_CHECK_OK(co_await write_root(row, rows.head().mark, stored, rows.objects()));
  HYDRA_CO_CHECK_OK(co_await catalog_.root_snapshot(loop_, row.sequence));
  outbox_->rooted(row.sequence, row.journal_bytes, row.plain_bytes);
  away_since_.clear();
  log::info("the grid holds a snapshot of the catalog: {} objects, {} bytes, sequence {}",
            rows.objects(), row.plain_bytes, row.sequence);
  co_return Status();
}

Task<Status> Journal::write_root(const catalog::SnapshotRow& row, const Mark& mark,
                                 const catalog::NewData& data, std::uint64_t objects) {
  Root root;
  root.cluster = catalog_.cluster();
  root.made_ms = row.made_ms;
  root.copies = static_cast<std::uint8_t>(options_.copies);
  root.objects = objects;
  root.plain_bytes = row.plain_bytes;
  root.body = row.slice.body;
  root.key = row.slice.key;
  for (const auto& extent : data.extents) root.extents.push_back(extent_of(extent));
  HYDRA_CO_TRY(const auto nodes, catalog_.nodes());
  for (const auto& node : nodes)
    if (node.stores()) root.nodes.push_back({node.id, node.identity, node.name, node.zone});

  Header header;
  header.kind = Kind::kRoot;
  header.sequence = header.acknowledged = row.sequence;
  header.previous = mark;
  loop_.random(header.nonce);
  const auto bytes =
      std::make_shared<const std::string>(sealer_.seal(header, as_bytes(encode(root))));
  // The nodes that have been there for longest: whoever finds an older root knows of them.
  Copies copies = co_await write(reserved_id(Kind::kRoot, row.sequence), 0, bytes);
  co_return std::move(copies.status);
}

}  // namespace hydra::journal
