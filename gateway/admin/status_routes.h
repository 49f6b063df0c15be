// GET /v1/status: the verdict, the nodes, capacity and totals, as status_json.h writes them, with
// "heal" (heal_json.h; null while it is not known) and "durability" (durability_json.h).
#pragma once

#include "gateway/admin/observe.h"
#include "gateway/admin/routes.h"

namespace hydra::admin {

// `sources` outlives the routes.
void add_status_routes(Routes& routes, const Sources& sources);

// A look at everything, as an operator gets it. kTimeout when the first worker does not answer;
// errors of the catalog.
Task<Result<GridStatus>> take_status(const Sources& sources, Loop& home);

}  // namespace hydra::admin
