#include "gateway/journal/rebuild.h"

#include <vector>

#include "gateway/catalog/keys_format.h"

namespace hydra::journal {

namespace {
constexpr std::size_t kCommitBytes = 8u << 20;
constexpr std::size_t kKeysAtATime = 10'000;
}  // namespace

Status Rebuild::begin() {
  if (transaction_ != nullptr) return {};
  HYDRA_TRY(transaction_, store_.begin());
  return {};
}

Status Rebuild::flush() {
  pending_bytes_ = 0;
  if (transaction_ == nullptr) return {};
  const auto transaction = std::move(transaction_);
  return transaction->commit();
}

Status Rebuild::put(ByteView key, ByteView value) {
  HYDRA_CHECK_OK(begin());
  HYDRA_CHECK_OK(transaction_->put(key, value));
  pending_bytes_ += key.size() + value.size();
  return {};
}

Task<Status> Rebuild::write(ByteView bytes) {
  HYDRA_CO_CHECK_OK(
      decoder_.feed(bytes, [this](ByteView key, ByteView value) { return put(key, value); }));
  if (pending_bytes_ >= kCommitBytes) HYDRA_CO_CHECK_OK(flush());
  co_return Status();
}

Status Rebuild::loaded(const Header& root) {
  if (!decoder_.complete()) return fail(Code::kCorrupt, "the snapshot ends early");
  const SnapshotHead& head = *decoder_.head();
  if (head.cluster != cluster_ || head.sequence != root.sequence || head.mark != root.previous)
    return fail(Code::kCorrupt, "the snapshot is not the one that its root names");
  sequence_ = head.sequence;
  mark_ = head.mark;
  return {};
}

Result<bool> Rebuild::replay(ByteView sealed, const Opened& record) {
  if (record.header.sequence != sequence_ + 1 || record.header.previous != mark_) return false;
  HYDRA_TRY(const Commit commit, decode_commit(as_bytes(record.plain)));
  if (commit.cluster != cluster_)
    return fail(Code::kCorrupt, "a record of another grid is in the journal");
  HYDRA_CHECK_OK(begin());
  for (const auto& [key, value] : commit.batch) {
    if (is_local(key)) return fail(Code::kCorrupt, "a record with rows that no record holds");
    if (value)
      HYDRA_CHECK_OK(transaction_->put(as_bytes(key), as_bytes(*value)));
    else
      HYDRA_CHECK_OK(transaction_->erase(as_bytes(key)));
  }
  pending_bytes_ += sealed.size();
  if (pending_bytes_ >= kCommitBytes) HYDRA_CHECK_OK(flush());
  sequence_ = record.header.sequence;
  mark_ = mark_of(sealed);
  made_ms_ = commit.made_ms;
  ++replayed_;
  return true;
}

Status erase_all(kv::Store& store) {
  for (;;) {
    HYDRA_TRY(const auto transaction, store.begin());
    const auto cursor = transaction->cursor();
    std::vector<std::string> keys;
    HYDRA_TRY(bool more, cursor->seek({}));
    while (more && keys.size() < kKeysAtATime) {
      keys.emplace_back(as_text(cursor->key()));
      HYDRA_TRY(more, cursor->next());
    }
    if (keys.empty()) return {};
    for (const std::string& key : keys) HYDRA_CHECK_OK(transaction->erase(as_bytes(key)));
    HYDRA_CHECK_OK(transaction->commit());
  }
}

Status Rebuild::finish(std::uint64_t first_sequence) {
  JournalRow row;
  row.sequence = row.gap = first_sequence;
  row.mark = mark_;
  HYDRA_CHECK_OK(put(as_bytes(table_key(catalog::Table::kJournal)), as_bytes(encode(row))));
  HYDRA_CHECK_OK(flush());
  return store_.sync();
}

}  // namespace hydra::journal
