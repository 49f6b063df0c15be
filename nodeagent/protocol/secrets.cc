#include "nodeagent/protocol/secrets.h"

#include <cstring>

#include "base/encoding.h"

namespace hydra::agent {

namespace {

constexpr std::string_view kTokenPrefix = "hg1-";
constexpr std::string_view kLinkPrefix = "hydragrid node 1 ";
constexpr std::string_view kClaimPrefix = "hydragrid token 1 ";

Sha256 derive(ByteView key, std::string_view label, ByteView data = {}) {
  std::string bytes(label);
  append(bytes, data);
  return hmac_sha256(key, as_bytes(bytes));
}

// The 16 bytes that follow `prefix` in hexadecimal digits.
std::optional<std::array<std::byte, 16>> parse_name(std::string_view text,
                                                    std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  const auto raw = hex_decode(text.substr(prefix.size()));
  std::array<std::byte, 16> name;
  if (!raw || raw->size() != name.size()) return std::nullopt;
  std::memcpy(name.data(), raw->data(), name.size());
  return name;
}

}  // namespace

NodeSecret node_secret(const GridSecret& grid, const NodeIdentity& identity) {
  return {derive(grid.bytes, "hydragrid node 1", identity.view())};
}

std::string ClaimToken::text() const { return std::string(kTokenPrefix) + hex_encode(bytes); }

Result<ClaimToken> ClaimToken::parse(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  text = first == std::string_view::npos ? std::string_view() : text.substr(first);
  text = text.substr(0, text.find_last_not_of(kSpace) + 1);
  const auto raw =
      text.starts_with(kTokenPrefix) ? hex_decode(text.substr(kTokenPrefix.size())) : std::nullopt;
  ClaimToken token;
  if (!raw || raw->size() != token.bytes.size())
    return fail(Code::kInvalidArgument,
                "a claim token is hg1- and 40 hexadecimal digits; hydractl node token makes one");
  std::memcpy(token.bytes.data(), raw->data(), token.bytes.size());
  return token;
}

ClaimId claim_id(const ClaimToken& token) {
  const Sha256 hash = derive(token.bytes, "hydragrid token name 1");
  ClaimId id;
  std::memcpy(id.data(), hash.data(), id.size());
  return id;
}
Sha256 claim_hash(const ClaimToken& token) {
  return derive(token.bytes, "hydragrid token proof 1");
}

TlsPsk link_psk(const NodeSecret& secret, const NodeIdentity& identity) {
  return {std::string(kLinkPrefix) + identity.to_string(),
          derive(secret.bytes, "hydragrid link tls 1")};
}
TlsPsk claim_psk(const ClaimId& id, const Sha256& hash) {
  return {std::string(kClaimPrefix) + hex_encode(id), derive(hash, "hydragrid token tls 1")};
}

std::optional<NodeIdentity> parse_link_psk(std::string_view identity) {
  const auto name = parse_name(identity, kLinkPrefix);
  if (!name) return std::nullopt;
  return NodeIdentity{*name};
}
std::optional<ClaimId> parse_claim_psk(std::string_view identity) {
  return parse_name(identity, kClaimPrefix);
}

}  // namespace hydra::agent
