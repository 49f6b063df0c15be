// Change: what one write closure sees and does. It reads the writer's transaction through an
// overlay of its own puts and erases; only if the closure succeeds are these applied, in key order.
// They are the batch that a journal record carries. Lives on the writer thread during one closure.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/kv/kv.h"

namespace hydra::catalog {

class Change {
 public:
  explicit Change(kv::Transaction& transaction) : transaction_(transaction) {}
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

  // Sees this closure's own writes. The view is valid until the closure writes that same key.
  Result<std::optional<ByteView>> get(const std::string& key) {
    if (const auto own = writes_.find(key); own != writes_.end()) {
      if (!own->second) return std::optional<ByteView>();
      return std::optional<ByteView>(as_bytes(*own->second));
    }
    return transaction_.get(as_bytes(key));
  }
  // Sees what earlier closures did, but not this one's own writes: scan first, then write.
  std::unique_ptr<kv::Cursor> cursor() { return transaction_.cursor(); }

  // The first row at or after `from`, this closure's own writes seen: its key and value.
  Result<std::optional<std::pair<std::string, std::string>>> first_from(const std::string& from) {
    using Row = std::optional<std::pair<std::string, std::string>>;
    const auto cursor = transaction_.cursor();
    HYDRA_TRY(bool more, cursor->seek(as_bytes(from)));
    while (more && writes_.contains(std::string(as_text(cursor->key())))) {
      HYDRA_TRY(more, cursor->next());
    }
    auto own = writes_.lower_bound(from);
    while (own != writes_.end() && !own->second) ++own;
    if (own != writes_.end() && (!more || own->first < as_text(cursor->key())))
      return Row(std::in_place, own->first, *own->second);
    if (!more) return Row();
    return Row(std::in_place, as_text(cursor->key()), as_text(cursor->value()));
  }

  void put(std::string key, std::string value) {
    bytes_ += key.size() + value.size();
    writes_.insert_or_assign(std::move(key), std::move(value));
  }
  void erase(std::string key) {
    bytes_ += key.size();
    writes_.insert_or_assign(std::move(key), std::nullopt);
  }

  // Key to new value, or to nullopt where it is erased.
  using Batch = std::map<std::string, std::optional<std::string>>;
  const Batch& batch() const { return writes_; }
  Batch take_batch() { return std::move(writes_); }
  std::size_t bytes() const { return bytes_; }

 private:
  kv::Transaction& transaction_;
  Batch writes_;
  std::size_t bytes_ = 0;
};

}  // namespace hydra::catalog
