// The mutual proof of the node's secret with which every link opens.
//
// The agent sends HELLO with a nonce; the gateway answers CHALLENGE with a nonce and its own proof;
// the agent checks it and sends PROOF. A proof is HMAC-SHA256 under the node's secret over a label
// for the role, both nonces, the gateway's cluster id and all fields of the HELLO (so the node's
// identity and wanted worker are bound too). Pure functions; any thread.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "nodeagent/protocol/messages.h"
#include "nodeagent/protocol/secrets.h"

namespace hydra::agent {

enum class Role { kGateway, kAgent };

// `hello_fields` are the bytes of the HELLO as they were sent; they hold the agent's nonce.
Proof handshake_proof(const NodeSecret& secret, Role role, ByteView hello_fields,
                      const ClusterId& cluster, const Nonce& gateway_nonce);

// kUnauthenticated when the proof is not the one that `role` would give.
Status check_proof(const Proof& given, const NodeSecret& secret, Role role, ByteView hello_fields,
                   const ClusterId& cluster, const Nonce& gateway_nonce);

}  // namespace hydra::agent
