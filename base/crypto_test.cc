#include "base/crypto.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/encoding.h"

namespace hydra {
namespace {

std::string unhex(std::string_view text) { return hex_decode(text).value(); }

// RFC 4231, test cases 2 and 6 (a key longer than the hash's block).
TEST(Crypto, HmacMatchesRfc4231) {
  EXPECT_EQ(hex_encode(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const std::string key(131, '\xaa');
  EXPECT_EQ(hex_encode(hmac_sha256(
                as_bytes(key), as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

// NIST GCM test case 15 of the original submission (256-bit key, 96-bit IV, no AAD).
TEST(Crypto, SealMatchesThePublishedVector) {
  Aead aead(as_bytes(unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")));
  const std::string plain = unhex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255");
  std::string sealed(plain.size() + kGcmTagBytes, '\0');
  aead.seal(as_bytes(unhex("cafebabefacedbaddecaf888")), {}, as_bytes(plain),
            std::as_writable_bytes(std::span(sealed)));
  EXPECT_EQ(hex_encode(sealed),
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
            "b094dac5d93471bdec1a502270e3cc6c");
}

RC_GTEST_PROP(Crypto, OpenUndoesSealAndRefusesAnyChange,
              (const std::string& plain, const std::string& aad)) {
  Aead aead(as_bytes(std::string(32, 'k')));
  const std::string nonce(12, 'n');
  std::string sealed(plain.size() + kGcmTagBytes, '\0');
  aead.seal(as_bytes(nonce), as_bytes(aad), as_bytes(plain),
            std::as_writable_bytes(std::span(sealed)));
  std::string opened(plain.size(), '\0');
  const auto out = std::as_writable_bytes(std::span(opened));
  RC_ASSERT(aead.open(as_bytes(nonce), as_bytes(aad), as_bytes(sealed), out).has_value());
  RC_ASSERT(opened == plain);
  const auto at = *rc::gen::inRange<std::size_t>(0, sealed.size());
  sealed[at] = static_cast<char>(sealed[at] ^ (1 << *rc::gen::inRange(0, 8)));
  RC_ASSERT(!aead.open(as_bytes(nonce), as_bytes(aad), as_bytes(sealed), out).has_value());
}

TEST(Crypto, AssociatedDataIsBound) {
  Aead aead(as_bytes(std::string(32, 'k')));
  std::string sealed(3 + kGcmTagBytes, '\0'), opened(3, '\0');
  aead.seal(as_bytes(std::string(12, '1')), as_bytes("body 1"), as_bytes("abc"),
            std::as_writable_bytes(std::span(sealed)));
  const auto out = std::as_writable_bytes(std::span(opened));
  EXPECT_FALSE(
      aead.open(as_bytes(std::string(12, '1')), as_bytes("body 2"), as_bytes(sealed), out));
  EXPECT_FALSE(
      aead.open(as_bytes(std::string(12, '2')), as_bytes("body 1"), as_bytes(sealed), out));
  EXPECT_TRUE(aead.open(as_bytes(std::string(12, '1')), as_bytes("body 1"), as_bytes(sealed), out));
}

}  // namespace
}  // namespace hydra
