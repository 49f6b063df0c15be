// GridStatus as JSON: what the admin socket answers to GET /v1/status, and the short form of
// /health/cluster. Pure; any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "gateway/admin/status.h"

namespace hydra::admin {

nlohmann::ordered_json write_status(const GridStatus& status);
// The inverse. Unknown members are passed over, so that an older hydractl understands a newer
// gateway. kInvalidArgument: it is not a status, and why.
Result<GridStatus> read_status(const nlohmann::ordered_json& json);
// The same as text.
std::string to_json(const GridStatus& status);
Result<GridStatus> parse_status(std::string_view json);

// Verdict, reasons and numbers, for everybody to see: no names.
std::string to_public_json(const GridStatus& status);
// {"verdict": "unavailable", "reasons": [reason]}
std::string unavailable_json(std::string_view reason);

}  // namespace hydra::admin
