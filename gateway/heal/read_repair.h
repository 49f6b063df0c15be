// ReadRepair: takes what readers found broken and tells the catalog, which puts the extents into
// the healer's queue. Readers themselves never wait for it.
//
// A shard that is wrong although its checksums hold would pass every check that a node can make, so
// it is also freed there; what the extent is read from are k others, whose segments' tags hold.
// Belongs to the healer's loop.
#pragma once

#include <cstdint>

#include "base/runtime/sync.h"
#include "gateway/catalog/catalog.h"
#include "gateway/heal/notices.h"
#include "nodeagent/client/grid.h"

namespace hydra::heal {

class ReadRepair {
 public:
  ReadRepair(Loop& loop, agent::Grid& grid, catalog::Catalog& catalog, BrokenShards& broken)
      : loop_(loop), grid_(grid), catalog_(catalog), broken_(broken) {}

  // Runs until the loop ends.
  static Task<void> run(ReadRepair* self);
  // One batch: how many shards were news to the catalog.
  Task<Result<std::size_t>> work();
  std::uint64_t found() const { return found_; }  // news, so far

 private:
  Task<Status> free_wrong(catalog::ShardReport shard);

  Loop& loop_;
  agent::Grid& grid_;
  catalog::Catalog& catalog_;
  BrokenShards& broken_;
  std::uint64_t found_ = 0;
};

}  // namespace hydra::heal
