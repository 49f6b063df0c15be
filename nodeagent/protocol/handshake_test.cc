#include "nodeagent/protocol/handshake.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace hydra::agent {
namespace {

struct Setting {
  NodeSecret secret{};
  ClusterId cluster;
  Nonce nonce{};
  std::string hello = encode(Hello{});

  Proof proof(Role role) const {
    return handshake_proof(secret, role, as_bytes(hello), cluster, nonce);
  }
  bool accepts(const Proof& given, Role role) const {
    return check_proof(given, secret, role, as_bytes(hello), cluster, nonce).has_value();
  }
};

TEST(Handshake, AProofOfTheSameSecretIsAccepted) {
  const Setting setting;
  EXPECT_TRUE(setting.accepts(setting.proof(Role::kAgent), Role::kAgent));
  EXPECT_TRUE(setting.accepts(setting.proof(Role::kGateway), Role::kGateway));
}

TEST(Handshake, AProofCannotBeReflected) {
  const Setting setting;
  EXPECT_FALSE(setting.accepts(setting.proof(Role::kGateway), Role::kAgent));
}

TEST(Handshake, AProofIsBoundToAllThatWasSaid) {
  const Proof proof = Setting().proof(Role::kAgent);
  Setting other;
  other.secret.bytes[31] = std::byte{1};
  EXPECT_FALSE(other.accepts(proof, Role::kAgent));
  other = Setting();
  other.cluster.bytes[0] = std::byte{1};
  EXPECT_FALSE(other.accepts(proof, Role::kAgent));
  other = Setting();
  other.nonce[0] = std::byte{1};
  EXPECT_FALSE(other.accepts(proof, Role::kAgent));
  other = Setting();
  other.hello = encode(Hello{.wanted_worker = 1});
  EXPECT_FALSE(other.accepts(proof, Role::kAgent));
}

// As docs/FORMAT-grid-protocol.md has it.
TEST(Secrets, WorkedExample) {
  GridSecret grid;
  grid.bytes.fill(std::byte{7});
  NodeIdentity identity;
  identity.bytes.fill(std::byte{0xa5});
  const NodeSecret secret = node_secret(grid, identity);
  EXPECT_EQ(hex_encode(secret.bytes),
            "2410d7289b5ab768af2467f4517abebad9e5e17e41f52f6d621d8a470414985a");
  const TlsPsk psk = link_psk(secret, identity);
  EXPECT_EQ(psk.identity, "hydragrid node 1 a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5");
  EXPECT_EQ(hex_encode(psk.key),
            "afefe501d5d815b44483811cd48f443495a7d45edb696e9ba8c07a5bf8f5304e");
}

TEST(Secrets, EveryNodeHasItsOwn) {
  GridSecret grid;
  NodeIdentity one, other;
  other.bytes[15] = std::byte{1};
  EXPECT_NE(node_secret(grid, one), node_secret(grid, other));
  grid.bytes[0] = std::byte{1};
  EXPECT_NE(node_secret(grid, one), node_secret(GridSecret{}, one));
}

TEST(Secrets, NamesOfKeysComeBack) {
  NodeIdentity identity;
  identity.bytes.fill(std::byte{0x3c});
  const std::string node = link_psk({}, identity).identity;
  EXPECT_EQ(parse_link_psk(node), identity);
  EXPECT_FALSE(parse_claim_psk(node));
  EXPECT_FALSE(parse_link_psk(node + "00"));
  EXPECT_FALSE(parse_link_psk(node.substr(0, node.size() - 2)));
  EXPECT_FALSE(parse_link_psk(""));
  ClaimToken token;
  token.bytes.fill(std::byte{9});
  const std::string claim = claim_psk(claim_id(token), claim_hash(token)).identity;
  EXPECT_EQ(parse_claim_psk(claim), claim_id(token));
  EXPECT_FALSE(parse_link_psk(claim));
}

TEST(ClaimTokens, ComeBackFromTheirText) {
  ClaimToken token;
  token.bytes.fill(std::byte{0xab});
  EXPECT_EQ(token.text(), "hg1-abababababababababababababababababababab");
  EXPECT_EQ(*ClaimToken::parse(" " + token.text() + "\n"), token);
  for (const std::string& wrong :
       {std::string(), std::string("hg1-"), token.text().substr(4), token.text() + "ab",
        token.text().substr(0, 43), "hg2-" + token.text().substr(4), token.text() + "x"})
    EXPECT_FALSE(ClaimToken::parse(wrong)) << wrong;
}

// Whoever reads the catalog, or the wire, does not have the token.
TEST(ClaimTokens, NeitherTheirNameNorTheirHashIsPartOfAnother) {
  ClaimToken token;
  token.bytes.fill(std::byte{1});
  const std::string name = hex_encode(claim_id(token)), hash = hex_encode(claim_hash(token));
  EXPECT_EQ(hash.find(name), std::string::npos);
  const TlsPsk psk = claim_psk(claim_id(token), claim_hash(token));
  EXPECT_NE(psk.key, claim_hash(token));
  EXPECT_EQ(psk.identity.find(hash), std::string::npos);
}

}  // namespace
}  // namespace hydra::agent
