// The nodes, and what an operator does with them:
//
//   POST /v1/nodes/token          a claim token, and how to use it
//   GET  /v1/nodes                the nodes and cache nodes as in /v1/status
//   GET  /v1/nodes/{node}         one of them, with what it holds
//   POST /v1/nodes/{node}/set     {weight, zone, draining}, each if it is to change
//   POST /v1/nodes/{node}/remove  {lost}
//
// {node} is a node's number or its name. Answered on the first loop.
#pragma once

#include <string>
#include <vector>

#include "gateway/admin/observe.h"
#include "gateway/admin/routes.h"
#include "gateway/object/admission.h"

namespace hydra::admin {

struct NodeSources {
  const Sources& sources;
  object::Membership& membership;
  object::Admission& admission;
  std::vector<Address> listen;          // where the gateway waits for nodes
  std::vector<std::string> advertised;  // how they reach it, if that was configured
};

// What `nodes` refers to outlives the routes.
void add_node_routes(Routes& routes, NodeSources nodes);

// The address to tell a person who sets up a node: the first that was configured, else the first
// over TCP that is listened at, where a wildcard becomes `host`.
std::string address_for_nodes(const std::vector<Address>& listen,
                              const std::vector<std::string>& advertised, const std::string& host);

}  // namespace hydra::admin
