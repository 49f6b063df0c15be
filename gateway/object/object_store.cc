#include "gateway/object/object_store.h"

namespace hydra::object {

ObjectStore::ObjectStore(Loop& loop, agent::Grid& grid, catalog::Catalog& catalog,
                         const PlacementBoard& board, const KeyRing& keys, StoreOptions options,
                         heal::Notices* notices)
    : loop_(loop),
      grid_(grid),
      catalog_(catalog),
      board_(board),
      keys_(loop, keys),
      options_(options),
      notices_(notices),
      budget_(loop, options.budget_bytes),
      cache_(loop, grid, [&catalog] { return catalog.nodes(); }) {}

}  // namespace hydra::object
