// What hydractl says of nodes, from the answers of the admin socket. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace hydra::ctl {

using Json = nlohmann::ordered_json;

// Of GET /v1/nodes: a table.
std::string node_list_text(const Json& answer);
// "Node 3 (attic)".
std::string node_name(const Json& node);
// Of GET /v1/nodes/{node}: what it still holds.
std::string holdings_text(const Json& node);

}  // namespace hydra::ctl
