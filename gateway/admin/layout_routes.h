// Where data lies, and what a change would move:
//
//   GET  /v1/layout         the roster as the ring has it, and what the catalog says is on each
//   node POST /v1/layout/plan    {"changes": [{"node": number or name, "weight", "zone",
//   "draining",
//                           "remove"}]}: what these would move. Changes nothing.
//   POST /v1/layout/apply   the same, and makes the changes; "remove" is refused here, for that has
//                           its own checks (hydractl node remove)
//
//   {"epoch", "profile", "write_profile", "extents", "moved_extents", "moved_shards",
//   "moved_bytes",
//    "touched_bytes", "rebuilt_bytes", "rate_bytes_per_second", "seconds", "warnings",
//    "nodes": [{"id", "name", "zone", "weight", "draining", "removed", "capacity_bytes",
//               "now_bytes", "then_bytes", "in_bytes", "out_bytes"}]}
//
// `seconds` is at the healer's measured rate; null while there is none. All extents are walked, so
// that this takes about a second for each 200,000 of them.
#pragma once

#include <functional>

#include "gateway/admin/observe.h"
#include "gateway/admin/routes.h"
#include "gateway/object/membership.h"

namespace hydra::admin {

// The healer's rate in bytes of extents a second; 0 when it has not been measured.
using HealRate = std::function<double()>;

// All of them outlive the routes.
void add_layout_routes(Routes& routes, const Sources& sources, object::Membership& membership,
                       HealRate rate);

}  // namespace hydra::admin
