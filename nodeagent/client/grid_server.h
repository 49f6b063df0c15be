// GridServer: the gateway's door for agents: listens, checks that both sides know the node's
// secret, and hands each link to the GridClient of the worker that the agent wants. It also lets
// devices join that bring a claim token. Over TCP all of this happens inside TLS, by the node's or
// the token's key.
//
// Belongs to the loop it was started on. The GridClients must outlive the server, and any closure
// that their loops still hold for them. Destroying the server stops listening and drops links that
// were not handed over yet.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/runtime/io.h"
#include "nodeagent/client/grid_client.h"
#include "nodeagent/protocol/handshake.h"

namespace hydra::agent {

constexpr Nanos kAdmitDeadline = 10 * kSecond;
constexpr std::size_t kMaxGuests = 256;  // links that have not proved themselves; more are dropped

// Gives the number of a node that has proved its secret, entering it in the catalog when it is new.
// Called on the server's loop, once for each link, so several times for one node.
using LinkHandler = std::function<Task<Result<NodeId>>(NodeDescription node, Loop& loop)>;
// The hash of a token that may be presented, if only to be told why it is worth nothing any more.
using FindClaim = std::function<std::optional<Sha256>(const ClaimId& id)>;
// Lets a device join: consumes the token it brings. kUnauthenticated when that is worth nothing.
using JoinHandler = std::function<Task<Result<Joined>>(Join join, Loop& loop)>;

struct GridServerOptions {
  std::vector<Address> addresses;
  ClusterId cluster;
  // Instead of `cluster`, where that is not known yet: the grid to name to a node that says which
  // it belongs to, if any; or why it is refused. What it says has not been proved yet.
  std::function<Result<ClusterId>(const std::optional<ClusterId>& theirs,
                                  const NodeDescription& node)>
      cluster_for;
  // Why a node of another grid is refused.
  std::string foreign = "it belongs to another grid";
  GridSecret secret;
  std::vector<GridClient*> workers;  // by worker number
  LinkHandler on_link;
  FindClaim find_claim;  // both may be empty: then nobody can join
  JoinHandler on_join;
  std::function<void(std::string)> log;  // may be empty; plain sentences
};

class GridServer {
 public:
  // kInvalidArgument without a worker; what listen() gives.
  static Result<std::unique_ptr<GridServer>> start(Loop& loop, GridServerOptions options);
  ~GridServer();

  std::vector<Address> addresses() const;  // with the real ports

 private:
  struct State;
  class Guest;
  struct Reception;
  explicit GridServer(std::shared_ptr<State> state);
  static Task<void> admit(std::shared_ptr<State> state, std::unique_ptr<Stream> stream);

  std::shared_ptr<State> state_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
};

}  // namespace hydra::agent
