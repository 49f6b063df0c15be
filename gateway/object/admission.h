// Admission: lets devices join the grid by claim tokens. A token is shown to the operator once; the
// catalog keeps what tells a right one. One instance a process, on its first loop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gateway/catalog/catalog.h"
#include "gateway/object/membership.h"
#include "nodeagent/protocol/messages.h"

namespace hydra::object {

constexpr std::int64_t kTokenLifeMs = 15 * 60 * 1000;

struct NewToken {
  agent::ClaimToken token;
  std::int64_t expires_ms = 0;
};

class Admission {
 public:
  // `gateways`: where nodes reach the grid's gateways; empty: where they reached the one that let
  // them join.
  Admission(Loop& loop, catalog::Catalog& catalog, Membership& membership, agent::GridSecret secret,
            std::vector<std::string> gateways)
      : loop_(loop),
        catalog_(catalog),
        membership_(membership),
        secret_(secret),
        gateways_(std::move(gateways)) {}

  // Good for one node, for kTokenLifeMs. kSlowDown when too many were made lately.
  Task<Result<NewToken>> make_token();
  // The hash of a token that the catalog remembers, even if it is used or expired.
  std::optional<Sha256> find(const agent::ClaimId& id) const;
  // Spends the token and gives what the node is to keep. kUnauthenticated.
  Task<Result<agent::Joined>> join(agent::Join join);

 private:
  Loop& loop_;
  catalog::Catalog& catalog_;
  Membership& membership_;
  agent::GridSecret secret_;
  std::vector<std::string> gateways_;
};

}  // namespace hydra::object
