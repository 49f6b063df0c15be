// GridStatus as JSON: what the admin socket answers to GET /v1/status, and the short form of
// /health/cluster. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "gateway/admin/status.h"

namespace hydra::admin {

std::string to_json(const GridStatus& status);
// The inverse. Unknown members are passed over, so that an older hydractl understands a newer
// gateway. kInvalidArgument: it is not a status, and why.
Result<GridStatus> parse_status(std::string_view json);

// Verdict, reasons and numbers, for everybody to see: no names.
std::string to_public_json(const GridStatus& status);
// {"verdict": "unavailable", "reasons": [reason]}
std::string unavailable_json(std::string_view reason);

}  // namespace hydra::admin
