#include "nodeagent/protocol/handshake.h"

#include <string>

#include "base/crypto.h"

namespace hydra::agent {

Proof handshake_proof(const NodeSecret& secret, Role role, ByteView hello_fields,
                      const ClusterId& cluster, const Nonce& gateway_nonce) {
  std::string signed_bytes(role == Role::kGateway ? "hydra grid 1 gateway\n"
                                                  : "hydra grid 1 agent\n");
  append(signed_bytes, gateway_nonce);
  append(signed_bytes, cluster.view());
  append(signed_bytes, hello_fields);
  return hmac_sha256(secret.bytes, as_bytes(signed_bytes));
}

Status check_proof(const Proof& given, const NodeSecret& secret, Role role, ByteView hello_fields,
                   const ClusterId& cluster, const Nonce& gateway_nonce) {
  const Proof wanted = handshake_proof(secret, role, hello_fields, cluster, gateway_nonce);
  if (!equal_constant_time(given, wanted))
    return fail(Code::kUnauthenticated, "the other side does not know this node's secret");
  return Status();
}

}  // namespace hydra::agent
