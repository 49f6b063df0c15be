// ShardIndex: shard id -> where its newest record lies. The key-value store holds the last
// checkpoint; what came since is in memory until the next one. Owned by the store, used on its
// loop; write_checkpoint's work on a pool thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/kv/kv.h"
#include "nodeagent/store/index_format.h"

namespace hydra::agent {

using EntryPtr = std::shared_ptr<const IndexEntry>;

class ShardIndex {
 public:
  using Table = std::map<ShardId, EntryPtr>;

  // All that one checkpoint writes, in one transaction.
  struct Checkpoint {
    std::shared_ptr<kv::Store> kv;
    std::shared_ptr<const Table> changes;
    std::vector<LogState> logs;
    std::vector<std::uint64_t> dropped_logs;
    std::optional<IndexMeta> meta;  // none: the index stays incomplete (a rebuild under way)
  };

  explicit ShardIndex(std::shared_ptr<kv::Store> kv) : kv_(std::move(kv)) {}

  // The live entry, or null. kCorrupt, kIo.
  Result<EntryPtr> find(const ShardId& id) const;
  // The newest thing known, tombstones kept in memory included.
  Result<EntryPtr> find_any(const ShardId& id) const;
  // Makes this the shard's entry, whatever it was.
  void put(const ShardId& id, EntryPtr entry);
  // Live shards in id order after `after`. Calls visit until it returns false.
  Status scan(std::optional<ShardId> after,
              const std::function<bool(const ShardId&, const IndexEntry&)>& visit) const;

  std::size_t changes() const { return recent_->size(); }
  bool flushing() const { return flushing_ != nullptr; }

  // Takes the changes so far for a checkpoint; they stay visible. One at a time.
  Checkpoint begin_checkpoint();
  // Blocks: run it on a pool thread.
  static Status write_checkpoint(const Checkpoint& checkpoint);
  // After it was written (ok), or failed: then the changes wait for the next one.
  void end_checkpoint(bool ok);

  // Lets go of the key-value store. No call after it.
  void close() { kv_.reset(); }
  // Forgets everything, to be rebuilt. Blocks.
  Status clear();
  // The last checkpoint's own rows. nothing: incomplete. kCorrupt: rebuild. Blocks.
  Result<std::optional<IndexMeta>> load_meta() const;
  Result<std::vector<LogState>> load_logs() const;

 private:
  std::shared_ptr<kv::Store> kv_;
  std::shared_ptr<Table> recent_ = std::make_shared<Table>();
  std::shared_ptr<const Table> flushing_;
};

}  // namespace hydra::agent
