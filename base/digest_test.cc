#include "base/digest.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/crc64.h"
#include "base/encoding.h"

namespace hydra {
namespace {

std::string hex_of(DigestKind kind, std::string_view text) {
  return hex_encode(digest_of(kind, as_bytes(text)));
}

TEST(Digest, KnownAnswers) {
  EXPECT_EQ(hex_of(DigestKind::kMd5, "abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex_of(DigestKind::kSha1, "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex_of(DigestKind::kSha256, "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex_of(DigestKind::kCrc32, "123456789"), "cbf43926");
  EXPECT_EQ(hex_of(DigestKind::kCrc32c, "123456789"), "e3069283");
  EXPECT_EQ(hex_of(DigestKind::kCrc64Nvme, "123456789"), "ae8b14860a799888");
}

// One bit at a time, straight from the definition.
std::uint64_t crc64_by_bits(std::string_view text) {
  std::uint64_t state = ~std::uint64_t{0};
  for (char c : text) {
    state ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit)
      state = (state >> 1) ^ ((state & 1) ? kCrc64NvmePolynomial : 0);
  }
  return ~state;
}

RC_GTEST_PROP(Digest, FoldedCrc64EqualsTheDefinition, ()) {
  const auto text = *rc::gen::resize(2000, rc::gen::arbitrary<std::string>());
  RC_ASSERT(crc64_nvme(as_bytes(text)) == crc64_by_bits(text));
}

RC_GTEST_PROP(Digest, PiecesMakeTheSameDigestAsTheWhole,
              (const std::string& a, const std::string& b)) {
  for (auto kind : {DigestKind::kMd5, DigestKind::kSha1, DigestKind::kSha256, DigestKind::kCrc32,
                    DigestKind::kCrc32c, DigestKind::kCrc64Nvme}) {
    auto digest = make_digest(kind);
    digest->update(as_bytes(a));
    digest->update(as_bytes(b));
    const std::string whole = digest_of(kind, as_bytes(a + b));
    RC_ASSERT(whole.size() == digest_bytes(kind));
    RC_ASSERT(digest->finish() == whole);
  }
}

RC_GTEST_PROP(Digest, CombinedCrcIsThatOfTheWhole, (const std::string& a, const std::string& b)) {
  for (auto kind : {DigestKind::kCrc32, DigestKind::kCrc32c, DigestKind::kCrc64Nvme})
    RC_ASSERT(combine_crc(kind, digest_of(kind, as_bytes(a)), digest_of(kind, as_bytes(b)),
                          b.size()) == digest_of(kind, as_bytes(a + b)));
}

}  // namespace
}  // namespace hydra
