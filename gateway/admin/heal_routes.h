// What the healer does, and what it is asked to do:
//
//   GET  /v1/heal            heal_json.h
//   POST /v1/heal/survey     look at all extents now
//   POST /v1/rebalance       move extents to where the ring wants them; {"reprofile": true}: also
//                            rewrite those that are wanted in another profile than new ones
#pragma once

#include "gateway/admin/routes.h"
#include "gateway/heal/healer.h"

namespace hydra::admin {

// `healer` outlives the routes. They are called on its loop.
void add_heal_routes(Routes& routes, heal::Healer& healer);

}  // namespace hydra::admin
