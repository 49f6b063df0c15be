#include "nodeagent/store/shard_index.h"

#include "base/assert.h"

namespace hydra::agent {

Result<EntryPtr> ShardIndex::find_any(const ShardId& id) const {
  if (auto found = recent_->find(id); found != recent_->end()) return found->second;
  if (flushing_)
    if (auto found = flushing_->find(id); found != flushing_->end()) return found->second;
  HYDRA_TRY(const auto snapshot, kv_->snapshot());
  const std::string key = shard_key(id);
  HYDRA_TRY(const auto value, snapshot->get(as_bytes(key)));
  if (!value) return EntryPtr();
  HYDRA_TRY(IndexEntry entry, decode_index_entry(*value));
  return EntryPtr(std::make_shared<const IndexEntry>(std::move(entry)));
}

Result<EntryPtr> ShardIndex::find(const ShardId& id) const {
  HYDRA_TRY(EntryPtr entry, find_any(id));
  if (entry && entry->tombstone()) entry.reset();
  return entry;
}

void ShardIndex::put(const ShardId& id, EntryPtr entry) { (*recent_)[id] = std::move(entry); }

namespace {

// One ordered source of shards of the three that scan() merges.
class TableWalk {
 public:
  TableWalk(const ShardIndex::Table* table, const std::optional<ShardId>& after) : table_(table) {
    if (table_ != nullptr) at_ = after ? table_->upper_bound(*after) : table_->begin();
  }
  bool valid() const { return table_ != nullptr && at_ != table_->end(); }
  const ShardId& id() const { return at_->first; }
  const EntryPtr& entry() const { return at_->second; }
  void next() { ++at_; }

 private:
  const ShardIndex::Table* table_;
  ShardIndex::Table::const_iterator at_;
};

}  // namespace

Status ShardIndex::scan(std::optional<ShardId> after,
                        const std::function<bool(const ShardId&, const IndexEntry&)>& visit) const {
  TableWalk recent(recent_.get(), after);
  TableWalk flushing(flushing_.get(), after);
  HYDRA_TRY(const auto snapshot, kv_->snapshot());
  const auto cursor = snapshot->cursor();
  const std::string from = after ? shard_key(*after) : first_shard_key();
  HYDRA_TRY(bool more, cursor->seek(as_bytes(from)));
  std::optional<ShardId> stored;
  const auto load = [&] { stored = more ? parse_shard_key(cursor->key()) : std::nullopt; };
  const auto step = [&]() -> Status {
    HYDRA_TRY(more, cursor->next());
    load();
    return {};
  };
  load();
  if (stored && after && *stored == *after) HYDRA_CHECK_OK(step());

  while (recent.valid() || flushing.valid() || stored) {
    std::optional<ShardId> id;
    if (recent.valid()) id = recent.id();
    if (flushing.valid() && (!id || flushing.id() < *id)) id = flushing.id();
    if (stored && (!id || *stored < *id)) id = stored;
    EntryPtr entry;
    if (recent.valid() && recent.id() == *id) entry = recent.entry();
    if (flushing.valid() && flushing.id() == *id) {
      if (!entry) entry = flushing.entry();
      flushing.next();
    }
    if (recent.valid() && recent.id() == *id) recent.next();
    if (stored && *stored == *id) {
      if (!entry) {
        HYDRA_TRY(IndexEntry decoded, decode_index_entry(cursor->value()));
        entry = std::make_shared<const IndexEntry>(std::move(decoded));
      }
      HYDRA_CHECK_OK(step());
    }
    if (!entry->tombstone() && !visit(*id, *entry)) return {};
  }
  return {};
}

ShardIndex::Checkpoint ShardIndex::begin_checkpoint() {
  HYDRA_ASSERT(!flushing_);
  flushing_ = std::move(recent_);
  recent_ = std::make_shared<Table>();
  Checkpoint checkpoint;
  checkpoint.kv = kv_;
  checkpoint.changes = flushing_;
  return checkpoint;
}

Status ShardIndex::write_checkpoint(const Checkpoint& checkpoint) {
  HYDRA_TRY(const auto transaction, checkpoint.kv->begin());
  for (const auto& [id, entry] : *checkpoint.changes) {
    const std::string key = shard_key(id);
    if (entry->tombstone())
      HYDRA_CHECK_OK(transaction->erase(as_bytes(key)));
    else
      HYDRA_CHECK_OK(transaction->put(as_bytes(key), as_bytes(encode_index_entry(*entry))));
  }
  for (const LogState& log : checkpoint.logs)
    HYDRA_CHECK_OK(
        transaction->put(as_bytes(log_key(log.generation)), as_bytes(encode_log_state(log))));
  for (const std::uint64_t generation : checkpoint.dropped_logs)
    HYDRA_CHECK_OK(transaction->erase(as_bytes(log_key(generation))));
  if (checkpoint.meta)
    HYDRA_CHECK_OK(
        transaction->put(as_bytes(meta_key()), as_bytes(encode_index_meta(*checkpoint.meta))));
  return transaction->commit();
}

void ShardIndex::end_checkpoint(bool ok) {
  HYDRA_ASSERT(flushing_);
  if (!ok)
    for (const auto& [id, entry] : *flushing_) recent_->try_emplace(id, entry);
  flushing_.reset();
}

Status ShardIndex::clear() {
  recent_->clear();
  // In steps: a transaction may be bounded in size. The meta row goes first, so that a crash midway
  // leaves an index that is known to be incomplete.
  constexpr std::size_t kStep = 4096;
  HYDRA_TRY(auto first, kv_->begin());
  HYDRA_CHECK_OK(first->erase(as_bytes(meta_key())));
  HYDRA_CHECK_OK(first->commit());
  first.reset();
  for (;;) {
    std::vector<std::string> keys;
    {
      HYDRA_TRY(const auto snapshot, kv_->snapshot());
      const auto cursor = snapshot->cursor();
      constexpr std::byte kLeast{0};
      HYDRA_TRY(bool more, cursor->seek(ByteView(&kLeast, 1)));
      while (more && keys.size() < kStep) {
        keys.emplace_back(as_text(cursor->key()));
        HYDRA_TRY(more, cursor->next());
      }
    }
    if (keys.empty()) return {};
    HYDRA_TRY(auto transaction, kv_->begin());
    for (const std::string& key : keys) HYDRA_CHECK_OK(transaction->erase(as_bytes(key)));
    HYDRA_CHECK_OK(transaction->commit());
  }
}

Result<std::optional<IndexMeta>> ShardIndex::load_meta() const {
  HYDRA_TRY(const auto snapshot, kv_->snapshot());
  HYDRA_TRY(const auto value, snapshot->get(as_bytes(meta_key())));
  if (!value) return std::optional<IndexMeta>();
  HYDRA_TRY(const IndexMeta meta, decode_index_meta(*value));
  return std::optional<IndexMeta>(meta);
}

Result<std::vector<LogState>> ShardIndex::load_logs() const {
  std::vector<LogState> logs;
  HYDRA_TRY(const auto snapshot, kv_->snapshot());
  const auto cursor = snapshot->cursor();
  HYDRA_TRY(bool more, cursor->seek(as_bytes(first_log_key())));
  while (more) {
    const auto generation = parse_log_key(cursor->key());
    if (!generation) break;
    HYDRA_TRY(const LogState state, decode_log_state(*generation, cursor->value()));
    logs.push_back(state);
    HYDRA_TRY(more, cursor->next());
  }
  return logs;
}

}  // namespace hydra::agent
