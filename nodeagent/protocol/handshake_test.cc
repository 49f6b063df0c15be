#include "nodeagent/protocol/handshake.h"

#include <gtest/gtest.h>

namespace hydra::agent {
namespace {

struct Setting {
  GridSecret secret{};
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
  other.secret[31] = std::byte{1};
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

TEST(GridSecretFile, HoldsSixtyFourHexadecimalDigits) {
  const std::string digits(64, 'a');
  const auto secret = parse_grid_secret("  " + digits + "\n");
  ASSERT_TRUE(secret);
  EXPECT_EQ(secret->front(), std::byte{0xaa});
  EXPECT_FALSE(parse_grid_secret(digits.substr(1)));
  EXPECT_FALSE(parse_grid_secret(digits + "aa"));
  EXPECT_FALSE(parse_grid_secret("x" + digits.substr(1)));
  EXPECT_FALSE(parse_grid_secret(""));
}

}  // namespace
}  // namespace hydra::agent
