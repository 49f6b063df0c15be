// Rebuild: writes a catalog from a snapshot's rows and the records after it, into an empty store,
// and says what is missing when that cannot be whole. For who rebuilds a catalog; belongs to one
// thread.
#pragma once

#include <memory>
#include <string>

#include "base/kv/kv.h"
#include "base/runtime/source.h"
#include "gateway/journal/sealer.h"
#include "gateway/journal/snapshot_format.h"

namespace hydra::journal {

class Rebuild final : public ByteSink {
 public:
  // The store is not owned.
  Rebuild(kv::Store& store, ClusterId cluster) : store_(store), cluster_(cluster) {}

  // The snapshot's stream.
  Task<Status> write(ByteView bytes) override;
  // After all of it: kCorrupt unless it was the whole snapshot of that root.
  Status loaded(const Header& root);
  // The next record; false: it does not continue the chain, and nothing was done.
  Result<bool> replay(ByteView sealed, const Opened& record);
  // Writes the journal's row of a new chain, and makes all durable.
  Status finish(std::uint64_t first_sequence);

  std::uint64_t sequence() const { return sequence_; }
  std::int64_t made_ms() const { return made_ms_; }  // of the last record
  std::uint64_t replayed() const { return replayed_; }

 private:
  Status put(ByteView key, ByteView value);
  Status flush();
  Status begin();

  kv::Store& store_;
  ClusterId cluster_;
  std::unique_ptr<kv::Transaction> transaction_;
  std::size_t pending_bytes_ = 0;
  SnapshotDecoder decoder_;
  std::uint64_t sequence_ = 0;
  Mark mark_{};
  std::int64_t made_ms_ = 0;
  std::uint64_t replayed_ = 0;
};

// Erases every row.
Status erase_all(kv::Store& store);

}  // namespace hydra::journal
