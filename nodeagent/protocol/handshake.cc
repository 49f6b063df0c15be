#include "nodeagent/protocol/handshake.h"

#include <string>

#include "base/crypto.h"
#include "base/encoding.h"

namespace hydra::agent {

Result<GridSecret> parse_grid_secret(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  text = first == std::string_view::npos ? std::string_view() : text.substr(first);
  text = text.substr(0, text.find_last_not_of(kSpace) + 1);
  const auto raw = hex_decode(text);
  if (!raw || raw->size() != sizeof(GridSecret))
    return fail(Code::kInvalidArgument, "the grid secret must be 64 hexadecimal digits (32 bytes)");
  GridSecret secret;
  std::memcpy(secret.data(), raw->data(), secret.size());
  return secret;
}

Proof handshake_proof(const GridSecret& secret, Role role, ByteView hello_fields,
                      const ClusterId& cluster, const Nonce& gateway_nonce) {
  std::string signed_bytes(role == Role::kGateway ? "hydra grid 1 gateway\n"
                                                  : "hydra grid 1 agent\n");
  append(signed_bytes, gateway_nonce);
  append(signed_bytes, cluster.view());
  append(signed_bytes, hello_fields);
  return hmac_sha256(secret, as_bytes(signed_bytes));
}

Status check_proof(const Proof& given, const GridSecret& secret, Role role, ByteView hello_fields,
                   const ClusterId& cluster, const Nonce& gateway_nonce) {
  const Proof wanted = handshake_proof(secret, role, hello_fields, cluster, gateway_nonce);
  if (!equal_constant_time(given, wanted))
    return fail(Code::kUnauthenticated, "the other side does not know this grid's secret");
  return Status();
}

}  // namespace hydra::agent
