// PipelineBodies: the journal's snapshots as ordinary bodies: sealed, coded and placed by the same
// pipeline as objects. Belongs to the worker of its ObjectStore.
#pragma once

#include "gateway/journal/journal.h"
#include "gateway/object/object_store.h"

namespace hydra {

class PipelineBodies final : public journal::SnapshotBodies {
 public:
  explicit PipelineBodies(object::ObjectStore& store) : store_(store) {}
  Task<Status> store(ByteSource& source, std::uint64_t length, Commit commit) override;

 private:
  object::ObjectStore& store_;
};

}  // namespace hydra
