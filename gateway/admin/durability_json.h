// A durability statement as JSON: the number, what it was made from, what it rests on and what it
// leaves out. Pure.
//
//   {"statement": ">= 11 nines (modelled)", "nines", "at_least", "loss_per_year", "profile",
//    "shard_away", "node_failures_per_year", "latent_errors_per_year",
//    "repair_seconds", "repair_measured", "scrub_seconds", "scrub_measured",
//    "assumptions": [...], "not_covered": [...]}
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "gateway/admin/durability.h"

namespace hydra::admin {

nlohmann::ordered_json write_durability(const Durability& durability);

}  // namespace hydra::admin
