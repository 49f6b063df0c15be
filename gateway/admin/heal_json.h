// The healer's status as JSON:
//
//   {"active", "lease_holder", "surveying", "surveyed",
//    "queue": {"repairs", "repair_bytes", "moves", "move_bytes", "strays", "dead_extents"},
//    "rate_bytes_per_second", "pace_bytes_per_second", "seconds_left", "ends",
//    "healed_extents", "healed_bytes", "written_bytes", "running", "blocked", "blocked_why",
//    "census": null or {"ended", "extents", "bytes", "smallest_spare", "waiting_extents",
//                       "below": [{"spare", "extents", "bytes"}]}}
//
// `seconds_left` and `ends` are null while the rate is not known. `census` is of the last walk over
// all extents: `below` are those that lack shards, by how many more they may lose.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "gateway/heal/healer.h"

namespace hydra::admin {

nlohmann::ordered_json write_heal(const heal::HealStatus& status, std::int64_t now_ms);

}  // namespace hydra::admin
