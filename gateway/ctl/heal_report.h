// What hydractl says of the healer's status (gateway/admin/heal_json.h) beside the grid's. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "gateway/admin/status.h"

namespace hydra::ctl {

// `hydractl heal status`. kCorrupt when the answer is none.
Result<std::string> heal_report(const nlohmann::ordered_json& heal, const admin::GridStatus& status,
                                bool colours);

// What follows the verdict: ", at 12.0 MiB/s, 3 min left (until ...)"; nothing while nothing waits.
Result<std::string> heal_progress(const nlohmann::ordered_json& heal);

// One line for `hydractl status`: what waits, how fast it goes, when it ends.
Result<std::string> heal_line(const nlohmann::ordered_json& heal);

}  // namespace hydra::ctl
