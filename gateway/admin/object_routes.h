// GET /v1/object?bucket=B&key=K: an object as it lies on the grid.
//
//   version=ID    that version instead of the current one
//   shards        each shard's node and state; the nodes are asked whether they have it
//   verify        the same, and they read it and check every block
//   after=N       leaves out the first N extents
//
//   {"bucket", "key", "version_id", "bytes", "etag", "modified",
//    "extents": [{"id", "profile", "wanted", "bytes", "spare",
//                 "shards": [{"index", "node", "name", "zone", "state", "verified", "error"}]}],
//    "extent_count", "truncated"}
//
// `state`: present, missing (the catalog says so, or the node does), unreachable, corrupt. `spare`:
// how many of its shards may still be lost, counting only those that are present; negative when it
// cannot be read now. `verified`: since when the scrub has looked at it (now, with `verify`); null
// when that is not known. At most
// 1000 extents an answer, then `truncated` is true.
#pragma once

#include "gateway/admin/observe.h"
#include "gateway/admin/routes.h"

namespace hydra::admin {

// `sources` outlives the routes. They are called on the first worker's loop.
void add_object_routes(Routes& routes, const Sources& sources);

}  // namespace hydra::admin
