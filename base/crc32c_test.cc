#include "base/crc32c.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <string>
#include <vector>

namespace hydra {
namespace {

TEST(Crc32c, PublishedVectorsMatch) {
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283u);
  // RFC 3720, B.4.
  std::string text(32, '\0');
  EXPECT_EQ(crc32c(as_bytes(text)), 0x8a9136aau);
  text.assign(32, '\xff');
  EXPECT_EQ(crc32c(as_bytes(text)), 0x62a8ab43u);
  for (int i = 0; i < 32; ++i) text[static_cast<std::size_t>(i)] = static_cast<char>(i);
  EXPECT_EQ(crc32c(as_bytes(text)), 0x46dd794eu);
  for (int i = 0; i < 32; ++i) text[static_cast<std::size_t>(i)] = static_cast<char>(31 - i);
  EXPECT_EQ(crc32c(as_bytes(text)), 0x113fdb5cu);
}

TEST(Crc32c, NoBytesLeaveTheSeedAlone) {
  EXPECT_EQ(crc32c({}), 0u);
  EXPECT_EQ(crc32c({}, 0x12345678u), 0x12345678u);
}

std::uint32_t bit_by_bit(const std::vector<std::uint8_t>& bytes) {
  std::uint32_t state = ~0u;
  for (const std::uint8_t byte : bytes) {
    state ^= byte;
    for (int i = 0; i < 8; ++i) state = (state >> 1) ^ ((state & 1) != 0 ? 0x82f63b78u : 0u);
  }
  return ~state;
}

TEST(Crc32c, AgreesWithTheDefinitionAndChainsAtEverySplit) {
  EXPECT_TRUE(rc::check([](const std::vector<std::uint8_t>& bytes) {
    const ByteView view = std::as_bytes(std::span(bytes));
    RC_ASSERT(crc32c(view) == bit_by_bit(bytes));
    const auto split = *rc::gen::inRange<std::size_t>(0, bytes.size() + 1);
    RC_ASSERT(crc32c(view.subspan(split), crc32c(view.first(split))) == crc32c(view));
  }));
}

}  // namespace
}  // namespace hydra
