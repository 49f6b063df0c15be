// The secrets of a grid's links, and what is derived from them. docs/FORMAT-grid-protocol.md,
// "Secrets". Pure functions; any thread.
//
// Gateways have the grid's secret, which follows from their key file. Each node has a secret of its
// own, made from the grid's and the node's identity: a gateway computes it anew whenever it is
// needed, and a device that is stolen betrays no other. A claim token lets a new node ask for its
// secret, once.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/runtime/tls.h"

namespace hydra::agent {

using SecretBytes = std::array<std::byte, 32>;

struct GridSecret {
  SecretBytes bytes{};
  bool operator==(const GridSecret&) const = default;
};
struct NodeSecret {
  SecretBytes bytes{};
  bool operator==(const NodeSecret&) const = default;
};
NodeSecret node_secret(const GridSecret& grid, const NodeIdentity& identity);

// 160 random bits, shown once, as "hg1-" and 40 hexadecimal digits.
struct ClaimToken {
  std::array<std::byte, 20> bytes{};
  bool operator==(const ClaimToken&) const = default;

  std::string text() const;
  // kInvalidArgument; blanks around it do no harm.
  static Result<ClaimToken> parse(std::string_view text);
};
// What the catalog keeps of a token: its name, and a hash that proves it. Neither gives the token.
using ClaimId = std::array<std::byte, 16>;
ClaimId claim_id(const ClaimToken& token);
Sha256 claim_hash(const ClaimToken& token);

// The shared keys of TLS: of a node's links, and of the one on which a token is presented.
TlsPsk link_psk(const NodeSecret& secret, const NodeIdentity& identity);
TlsPsk claim_psk(const ClaimId& id, const Sha256& hash);
// Whose key a peer means.
std::optional<NodeIdentity> parse_link_psk(std::string_view identity);
std::optional<ClaimId> parse_claim_psk(std::string_view identity);

}  // namespace hydra::agent
