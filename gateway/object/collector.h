// Collector: frees the shards of extents that no body refers to any more, once the grace time has
// passed.
//
// One instance a process, on its first loop. Its queue is the catalog's table of dead extents, so a
// restart goes on where it was. An extent is forgotten only after every node that may hold a shard
// of it has said that it is free; extents with a node away stay queued (invariant 5).
#pragma once

#include "base/runtime/sync.h"
#include "gateway/catalog/catalog.h"
#include "nodeagent/client/grid.h"

namespace hydra::object {

struct CollectorOptions {
  Nanos interval = 5 * kSecond;
  std::int64_t grace_ms = 3'600'000;  // reads that began before an extent died may go on this long
  std::size_t batch = 1024;           // extents looked at in one round
};

class Collector {
 public:
  Collector(Loop& loop, agent::Grid& grid, catalog::Catalog& catalog, CollectorOptions options)
      : loop_(loop), grid_(grid), catalog_(catalog), options_(options) {}

  // Runs until the loop ends.
  static Task<void> run(Collector* self);
  // One round: how many extents were freed.
  Task<Result<std::size_t>> collect();

 private:
  Loop& loop_;
  agent::Grid& grid_;
  catalog::Catalog& catalog_;
  CollectorOptions options_;
};

}  // namespace hydra::object
