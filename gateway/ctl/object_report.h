// What `hydractl object stat` says of an answer to GET /v1/object. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "gateway/ctl/exit.h"

namespace hydra::ctl {

// Bucket and key of s3://bucket/key. kInvalidArgument.
Result<std::pair<std::string, std::string>> parse_s3_url(std::string_view url);

// kCorrupt when the answer is none.
Result<std::string> object_report(const nlohmann::ordered_json& object, bool colours);

// Ok when all shards that were asked for are there; degraded when some are not, at risk when an
// extent may lose no more of them or cannot be read.
Exit object_exit(const nlohmann::ordered_json& object);

}  // namespace hydra::ctl
