// Reading a gateway's JSON for a report: a member that is absent or of another type is kCorrupt.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace hydra::ctl {

// What `make` makes of the answer; it may throw what nlohmann::json throws.
template <typename Make>
Result<std::string> reading(Make make) {
  try {
    return make();
  } catch (const nlohmann::ordered_json::exception& error) {
    return fail(Code::kCorrupt,
                fmt::format("the gateway's answer is of another kind: {}", error.what()));
  }
}

}  // namespace hydra::ctl
