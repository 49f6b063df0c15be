// What hydractl says of the scrub (gateway/admin/scrub_routes.h). Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"

namespace hydra::ctl {

// kCorrupt when the answer is none.
Result<std::string> scrub_report(const nlohmann::ordered_json& scrub);

}  // namespace hydra::ctl
