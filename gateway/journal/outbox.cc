#include "gateway/journal/outbox.h"

#include <algorithm>

#include "base/assert.h"
#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/rows_format.h"

namespace hydra::journal {

using catalog::Table;

Result<std::shared_ptr<Outbox>> Outbox::open(Loop& loop, kv::Store& store, Keys keys,
                                             OutboxOptions options) {
  std::array<std::byte, 8> start;
  loop.random(start);
  std::shared_ptr<Outbox> outbox(new Outbox(std::move(keys), NonceSource(start), options));
  outbox->inner_.wall_ms = loop.wall_ms();
  HYDRA_CHECK_OK(outbox->load(store, first_sequence(loop.wall_ms(), 0)));
  return outbox;
}

Status Outbox::load(kv::Store& store, std::uint64_t first) {
  Inner& inner = inner_;
  HYDRA_TRY(const auto snapshot, store.snapshot());
  HYDRA_TRY(const auto own, snapshot->get(as_bytes(table_key(Table::kJournal))));
  if (!own) {
    // Whatever was committed before is behind a gap; a snapshot will stand for it.
    inner.row.sequence = inner.row.gap = first;
    HYDRA_TRY(inner.begun, begins(*snapshot));
    inner.safe = first;
    return {};
  }
  inner.begun = true;
  HYDRA_TRY(inner.row, decode_journal_row(*own));
  inner.safe = inner.row.sequence;
  const auto cursor = snapshot->cursor();
  HYDRA_TRY(bool more, cursor->seek(as_bytes(table_key(Table::kSnapshots))));
  while (more) {
    const auto sequence = catalog::parse_snapshot_key(cursor->key());
    if (!sequence) break;
    HYDRA_TRY(const auto row, catalog::decode_snapshot(*sequence, cursor->value()));
    if (row.rooted) {
      inner.root = *sequence;
      inner.root_journal_bytes = row.journal_bytes;
      inner.root_bytes = row.plain_bytes;
    }
    HYDRA_TRY(more, cursor->next());
  }
  HYDRA_TRY(more, cursor->seek(as_bytes(table_key(Table::kOutbox))));
  while (more) {
    const auto sequence = catalog::parse_outbox_key(cursor->key());
    if (!sequence) break;
    if (inner.pending.empty()) inner.safe = *sequence - 1;
    inner.pending.push_back(std::make_shared<const SealedRecord>(
        SealedRecord{*sequence, std::string(as_text(cursor->value()))}));
    inner.pending_bytes += cursor->value().size();
    inner.rows.push_back(*sequence);
    HYDRA_TRY(more, cursor->next());
  }
  return {};
}

// As many nodes have joined as a record needs; cache nodes take none.
Result<bool> Outbox::begins(kv::Reader& reader) const {
  const auto cursor = reader.cursor();
  HYDRA_TRY(bool more, cursor->seek(as_bytes(table_key(Table::kNodes))));
  std::size_t nodes = 0;
  while (more && nodes < options_.copies) {
    const auto id = catalog::parse_node_key(cursor->key());
    if (!id) break;
    HYDRA_TRY(const auto node, catalog::decode_node(*id, cursor->value()));
    if (node.stores()) ++nodes;
    HYDRA_TRY(more, cursor->next());
  }
  return nodes >= options_.copies;
}

Status Outbox::admit_clients() {
  const auto inner = lock();
  if (!inner->begun || inner->able) return {};
  return fail(Code::kUnavailable, "too few nodes can take the journal");
}

Status Outbox::stage(const catalog::Change::Batch& batch, kv::Transaction& transaction) {
  HYDRA_ASSERT(!staged_);
  if (!cluster_) {
    HYDRA_TRY(const auto meta, transaction.get(as_bytes(table_key(Table::kMeta))));
    if (!meta) return fail(Code::kCorrupt, "catalog: the meta row is missing");
    HYDRA_TRY(const auto decoded, catalog::decode_meta(*meta));
    cluster_ = decoded.cluster;
  }
  bool begun = lock()->begun;
  if (!begun) {
    HYDRA_TRY(begun, begins(transaction));
    if (!begun) return {};
  }
  Header header;
  std::string plain;
  {
    const auto inner = lock();
    header.sequence = inner->row.sequence + 1;
    header.previous = inner->row.mark;
    header.acknowledged = inner->based() ? inner->safe : 0;
    plain = encode_commit(*cluster_, inner->wall_ms, batch);
  }
  if (plain.size() > kMaxPlainBytes)
    return fail(Code::kTooLarge, "one change is too large for the journal");
  header.nonce = nonces_.next();
  std::string sealed = sealer_.seal(header, as_bytes(plain));
  const auto inner = lock();
  Status status = stage_rows(*inner.operator->(), std::move(sealed), transaction);
  if (!status) staged_.reset();
  return status;
}

// Puts the record, takes away those that have been sent, and brings the journal's row up to date.
Status Outbox::stage_rows(Inner& inner, std::string sealed, kv::Transaction& transaction) {
  Staged staged;
  staged.row = inner.row;
  ++staged.row.sequence;
  staged.row.mark = mark_of(as_bytes(sealed));
  staged.row.bytes += sealed.size();
  const bool drop = inner.pending.size() >= options_.max_records ||
                    inner.pending_bytes + sealed.size() > options_.max_bytes;
  const std::uint64_t erase_to = drop ? inner.row.sequence : inner.safe;
  for (const std::uint64_t row : inner.rows) {
    if (row > erase_to) break;
    HYDRA_CHECK_OK(transaction.erase(as_bytes(catalog::outbox_key(row))));
    ++staged.rows_erased;
  }
  if (drop) {
    staged.row.gap = staged.row.sequence;
  } else {
    const std::uint64_t sequence = staged.row.sequence;
    HYDRA_CHECK_OK(transaction.put(as_bytes(catalog::outbox_key(sequence)), as_bytes(sealed)));
    staged.record = std::make_shared<const SealedRecord>(SealedRecord{sequence, std::move(sealed)});
  }
  HYDRA_CHECK_OK(
      transaction.put(as_bytes(table_key(Table::kJournal)), as_bytes(encode(staged.row))));
  staged_ = std::move(staged);
  return {};
}

void Outbox::staged(bool durable) {
  auto staged = std::exchange(staged_, std::nullopt);
  if (!staged || !durable) return;
  std::function<void()> wake;
  {
    const auto inner = lock();
    inner->begun = true;
    inner->row = staged->row;
    inner->rows.erase(inner->rows.begin(),
                      inner->rows.begin() + static_cast<std::ptrdiff_t>(staged->rows_erased));
    if (staged->record == nullptr) {
      inner->pending.clear();
      inner->pending_bytes = inner->taken = 0;
      inner->ahead.clear();
      inner->safe = inner->row.sequence;
    } else {
      inner->rows.push_back(staged->record->sequence);
      inner->pending_bytes += staged->record->bytes.size();
      inner->pending.push_back(std::move(staged->record));
    }
    wake = inner->wake;
  }
  if (wake) wake();
}

void Outbox::when_safe(std::function<void(const Status&)> then) {
  {
    const auto inner = lock();
    const bool safe = !inner->begun || (inner->waiters.empty() && inner->based() &&
                                        inner->safe >= inner->row.sequence);
    if (!safe) {
      inner->waiters.push_back({inner->row.sequence, inner->ticks, std::move(then)});
      return;
    }
  }
  then({});
}

void Outbox::attach(std::function<void()> wake) { lock()->wake = std::move(wake); }

std::vector<RecordPtr> Outbox::take_unsent() {
  const auto inner = lock();
  const std::vector<RecordPtr> records(
      inner->pending.begin() + static_cast<std::ptrdiff_t>(inner->taken), inner->pending.end());
  inner->taken = inner->pending.size();
  return records;
}

// Lets go of what has been sent, from the oldest on.
void Outbox::advance(Inner& inner) {
  while (!inner.pending.empty()) {
    const RecordPtr& oldest = inner.pending.front();
    if (oldest->sequence > inner.safe && !inner.ahead.contains(oldest->sequence)) break;
    inner.safe = std::max(inner.safe, oldest->sequence);
    inner.pending_bytes -= oldest->bytes.size();
    inner.taken -= std::min<std::size_t>(inner.taken, 1);
    inner.pending.pop_front();
  }
  inner.ahead.erase(inner.ahead.begin(), inner.ahead.upper_bound(inner.safe));
}

Outbox::Callbacks Outbox::take_safe(Inner& inner) {
  Callbacks callbacks;
  if (!inner.based()) return callbacks;
  while (!inner.waiters.empty() && inner.waiters.front().sequence <= inner.safe) {
    callbacks.push_back(std::move(inner.waiters.front().then));
    inner.waiters.pop_front();
  }
  return callbacks;
}

void Outbox::call(Callbacks callbacks, const Status& status) {
  for (const auto& callback : callbacks) callback(status);
}

void Outbox::sent(std::uint64_t sequence) {
  Callbacks callbacks;
  {
    const auto inner = lock();
    if (sequence <= inner->safe) return;
    inner->ahead.insert(sequence);
    advance(*inner.operator->());
    callbacks = take_safe(*inner.operator->());
  }
  call(std::move(callbacks), {});
}

void Outbox::rooted(std::uint64_t sequence, std::uint64_t journal_bytes,
                    std::uint64_t snapshot_bytes) {
  Callbacks callbacks;
  {
    const auto inner = lock();
    if (sequence <= inner->root) return;
    inner->root = sequence;
    inner->root_journal_bytes = journal_bytes;
    inner->root_bytes = snapshot_bytes;
    if (inner->based()) {
      inner->safe = std::max(inner->safe, sequence);
      advance(*inner.operator->());
    }
    callbacks = take_safe(*inner.operator->());
  }
  call(std::move(callbacks), {});
}

void Outbox::tick(std::int64_t wall_ms) {
  Callbacks late;
  {
    const auto inner = lock();
    ++inner->ticks;
    inner->wall_ms = wall_ms;
    while (!inner->waiters.empty() &&
           inner->waiters.front().tick + options_.patience_ticks <= inner->ticks) {
      late.push_back(std::move(inner->waiters.front().then));
      inner->waiters.pop_front();
    }
  }
  if (!late.empty())
    call(std::move(late),
         fail(Code::kInternal, "the change is made, but the journal has not taken it in time"));
}

Outbox::State Outbox::state() const {
  const auto inner = lock();
  State state;
  state.begun = inner->begun;
  state.based = inner->based();
  state.able = inner->able;
  state.sequence = inner->row.sequence;
  state.safe = inner->safe;
  state.root = inner->root;
  state.gap = inner->row.gap;
  state.waiting_records = inner->pending.size();
  state.bytes_since_root = inner->row.bytes - std::min(inner->row.bytes, inner->root_journal_bytes);
  state.root_bytes = inner->root_bytes;
  return state;
}

}  // namespace hydra::journal
