// The deep scrub and what it found:
//
//   GET  /v1/scrub          {"working", "progress", "bytes_per_second", "ends", "next",
//                           "now": {...} or null, "last": {...} or null} with, in each pass,
//                           "started", "finished", "shards", "bytes", "broken", "unreachable"
//   POST /v1/scrub/start    begins a pass now, or hurries the one under way
#pragma once

#include "gateway/admin/routes.h"
#include "gateway/heal/scrub.h"

namespace hydra::admin {

// `scrub` outlives the routes. They are called on its loop.
void add_scrub_routes(Routes& routes, heal::Scrub& scrub);

}  // namespace hydra::admin
