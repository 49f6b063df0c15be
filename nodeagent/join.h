// Joining: how a directory becomes a node of a grid. A claim token is presented to a gateway, once;
// what comes back (the node's secret, the grid's id) is kept in the directory, and agent.yaml
// beside it is all that hydra-agent needs from then on.
//
// A join that is refused leaves nothing behind. One that was cut off in the middle may be repeated
// with the same token.
#pragma once

#include <string>
#include <vector>

#include "base/runtime/io.h"
#include "nodeagent/protocol/messages.h"

namespace hydra::agent {

constexpr Nanos kJoinPatience = 20 * kSecond;  // for one try at a gateway
constexpr int kJoinTries = 3;                  // when links break

struct JoinOptions {
  Address gateway;
  ClaimToken token;
  std::string directory;  // of the store; absolute
  std::string name;
  std::string zone;  // empty: one of its own, called as the node
  NodeRole role = NodeRole::kStorage;
  std::uint64_t capacity_bytes = 0;  // 0: what the file system has
  std::string version = HYDRA_VERSION;
};

// kAlreadyExists: the directory belongs to a grid; kConflict: an agent runs on it, or it belongs to
// another grid; kUnauthenticated: the token is worth nothing; kInvalidArgument, kUnavailable,
// kTimeout, kIo.
Task<Result<Joined>> join_grid(Loop& loop, JoinOptions options);

}  // namespace hydra::agent
