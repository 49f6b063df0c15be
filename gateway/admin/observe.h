// Looking at the running gateway: what each worker knows, and the status of the grid made from it
// and the catalog.
//
// Worker parts belong to their loops, so they are asked there, by posting. Everything here may be
// called on any loop of the process.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/runtime/sync.h"
#include "gateway/admin/durability.h"
#include "gateway/admin/status.h"
#include "gateway/catalog/catalog.h"
#include "gateway/heal/healer.h"
#include "gateway/http/connection.h"
#include "gateway/journal/journal.h"
#include "gateway/object/object_store.h"
#include "gateway/object/placement_view.h"

namespace hydra::admin {

struct WorkerParts {
  Loop* loop = nullptr;
  agent::Grid* grid = nullptr;
  const object::ObjectStore* store = nullptr;
  const http::Server* server = nullptr;
  heal::Healer* healer = nullptr;       // on its loop; the others have none
  journal::Journal* journal = nullptr;  // likewise
};

// What is looked at. All of it outlives its users; `workers` is complete before the first look.
struct Sources {
  catalog::Catalog* catalog = nullptr;
  const object::PlacementBoard* board = nullptr;
  erasure::Profile profile{};
  TimeFacts times;  // those that are configured
  std::vector<WorkerParts> workers;
};

struct WorkerSample {
  bool taken = false;  // the worker answered in time; what follows is else empty
  Nanos now = 0;       // on the worker's clock
  std::int64_t wall_ms = 0;
  std::vector<agent::NodeView> nodes;
  object::StoreCounters store;
  std::map<NodeId, object::CacheUse> cache;  // by cache node
  std::size_t budget_bytes = 0;
  std::size_t budget_free = 0;
  std::size_t connections = 0;
  std::optional<heal::HealStatus> heal;
  std::optional<journal::Journal::Health> journal;
};

// Asks all workers; those that did not answer by the deadline stay untaken. `home` is the caller's
// loop.
Task<std::vector<WorkerSample>> sample_workers(const Sources& sources, Loop& home,
                                               Deadline deadline);

// Can each worker write now? nullopt, or why not.
std::optional<std::string> why_not_ready(const Sources& sources,
                                         const std::vector<WorkerSample>& samples);

// The nodes are those that the first worker sees. At most `examined` extents of the repair queue
// are looked at one by one. Errors of the catalog.
Result<GridStatus> status_of(const Sources& sources, const std::vector<WorkerSample>& samples,
                             std::size_t examined);

// What is known of healing, from the worker that has the healer.
const heal::HealStatus* heal_of(const std::vector<WorkerSample>& samples);

// What the model says of the grid, with the times that it was seen to take.
Durability durability_of(const Sources& sources, const GridStatus& status,
                         const heal::HealStatus* heal);

}  // namespace hydra::admin
