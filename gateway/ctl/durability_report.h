// What hydractl says of a durability statement (gateway/admin/durability_json.h). Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"

namespace hydra::ctl {

// One line for `hydractl status`. kCorrupt when the answer is none.
Result<std::string> durability_line(const nlohmann::ordered_json& durability);
// The statement with all that it rests on, for `hydractl health --durability`.
Result<std::string> durability_report(const nlohmann::ordered_json& durability);

}  // namespace hydra::ctl
