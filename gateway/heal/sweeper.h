// Sweeper: gives space back. It frees the shards of extents that no body refers to any more, and
// those that extents left behind when they moved, each once its grace time has passed; it trims
// bodies that are only needed in part; and it aborts uploads that nobody went on with.
//
// Its queues are the catalog's tables, so a restart goes on where it was. What lies on a node that
// is away stays queued and keeps nobody else waiting (invariant 5); a node that was removed is
// waited for no longer. Before each FREE the extent's row is looked at again. Belongs to the
// healer's loop.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/runtime/sync.h"
#include "gateway/catalog/catalog.h"
#include "gateway/heal/needs.h"
#include "nodeagent/client/grid.h"

namespace hydra::heal {

struct SweepOptions {
  Nanos interval = 5 * kSecond;
  std::int64_t grace_ms = 3'600'000;  // reads that began before an extent died may go on this long
  std::size_t batch = 1024;           // rows looked at in one go
  std::size_t trim_batch = 16;        // bodies of one commit: each may be of a hundred extents
  std::int64_t upload_expiry_ms = 7 * 24 * 3'600'000LL;  // 0: never
  Nanos upload_interval = 3600 * kSecond;
};

// Extents that are being worked on: nobody else touches their shards meanwhile.
using Busy = std::set<ExtentId>;

class Sweeper {
 public:
  Sweeper(Loop& loop, agent::Grid& grid, catalog::Catalog& catalog, Busy& busy,
          SweepOptions options)
      : loop_(loop), grid_(grid), catalog_(catalog), busy_(busy), options_(options) {}

  struct Swept {
    std::size_t extents = 0, strays = 0, trims = 0, uploads = 0;
  };
  // One round over all queues. `removed`: nodes that never come back; `go_on`: asked before each
  // batch.
  Task<Result<Swept>> sweep(std::set<NodeId> removed, std::function<bool()> go_on);

 private:
  using Shards = std::map<NodeId, std::vector<ShardId>>;
  // Frees them, node by node; returns the nodes that did not say that they did.
  Task<Result<std::set<NodeId>>> free(Shards shards);
  Task<Result<std::size_t>> sweep_dead(const std::set<NodeId>& removed,
                                       const std::function<bool()>& go_on);
  Task<Result<std::size_t>> sweep_strays(const std::set<NodeId>& removed,
                                         const std::function<bool()>& go_on);
  Task<Result<std::size_t>> free_strays(std::vector<catalog::Stray> strays,
                                        const std::set<NodeId>& removed);
  Task<Result<std::size_t>> trim_bodies(const std::function<bool()>& go_on);
  Task<Result<std::size_t>> abort_old_uploads();

  Loop& loop_;
  agent::Grid& grid_;
  catalog::Catalog& catalog_;
  Busy& busy_;
  SweepOptions options_;
  Nanos uploads_due_ = 0;
};

}  // namespace hydra::heal
