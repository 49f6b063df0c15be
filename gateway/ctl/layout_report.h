// What hydractl says of a layout (gateway/admin/layout_routes.h), and how changes are written on
// the command line. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace hydra::ctl {

// The options of `layout plan` and `layout apply`. Nodes are named by number or name.
struct LayoutOptions {
  std::vector<std::string> drain, undrain, remove;
  std::vector<std::string> weight, zone;  // NODE=VALUE
};

// The body of the request. kInvalidArgument.
Result<nlohmann::ordered_json> layout_changes(const LayoutOptions& options);

// `show`: as it is, else as it would be. kCorrupt when the answer is none.
Result<std::string> layout_report(const nlohmann::ordered_json& layout, bool show);

}  // namespace hydra::ctl
