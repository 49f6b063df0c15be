#include "placement/ring_format.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/crc32c.h"
#include "base/endian.h"

namespace hydra::placement {
namespace {

using erasure::Profile;

Ring sample() {
  ClusterMap map;
  for (std::uint32_t id : {1u, 2u, 7u, 300u, 70000u})
    EXPECT_TRUE(map.put({NodeId{id}, "agent-" + std::to_string(id), id == 7 ? "" : "zone-1",
                         id * 1000ull, 0.5, id == 2})
                    .has_value());
  const std::vector<Profile> profiles = {{1, 2}, {2, 2}};
  return build_ring(map, profiles, nullptr, 42);
}

std::string with_checksum(std::string bytes) {
  store_le(bytes.data() + bytes.size() - 4, crc32c(as_bytes(bytes).first(bytes.size() - 4)));
  return bytes;
}

Code code_of(const std::string& bytes) {
  const auto ring = decode_ring(as_bytes(bytes));
  return ring ? Code{} : ring.error().code;
}

TEST(RingFormat, EpochsRoundTrip) {
  const Ring ring = sample();
  const auto decoded = decode_ring(as_bytes(encode_ring(ring)));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, ring);
  EXPECT_EQ(decoded->epoch(), 42u);
  const Ring empty(7, {}, {});
  EXPECT_EQ(decode_ring(as_bytes(encode_ring(empty))).value(), empty);
}

TEST(RingFormat, TheDocumentedExampleHolds) {
  ClusterMap map;
  ASSERT_TRUE(map.put({NodeId{1}, "a1", "z", 1'000'000, 1.0, false}).has_value());
  ASSERT_TRUE(map.put({NodeId{2}, "a2", "", 2'000'000, 0.5, true}).has_value());
  const std::string bytes = encode_ring(Ring(3, map, {}));
  const std::string expected(
      "HYRN\x01\x00\x0c\x00\x03\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"
      "\x01\x00\x00\x00\x00\x00\x02\x01\x40\x42\x0f\x00\x00\x00\x00\x00"
      "\x00\x00\x00\x00\x00\x00\xf0\x3f"
      "a1z"
      "\x02\x00\x00\x00\x01\x00\x02\x00\x80\x84\x1e\x00\x00\x00\x00\x00"
      "\x00\x00\x00\x00\x00\x00\xe0\x3f"
      "a2"
      "\x00\x00\x00\x00",
      81);
  EXPECT_EQ(bytes, with_checksum(expected));
  EXPECT_EQ(load_le<std::uint32_t>(bytes.data() + 77), 0x7b928ff2u);
}

TEST(RingFormat, AnyChangedByteIsFound) {
  const std::string bytes = encode_ring(sample());
  EXPECT_TRUE(rc::check([&] {
    std::string damaged = bytes;
    const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
    damaged[at] = static_cast<char>(damaged[at] ^ *rc::gen::inRange(1, 256));
    const Code code = code_of(damaged);
    RC_ASSERT(code == Code::kCorrupt || code == Code::kUnsupported);
  }));
}

TEST(RingFormat, AnyTruncationIsFound) {
  const std::string bytes = encode_ring(sample());
  EXPECT_TRUE(rc::check([&] {
    const auto size = *rc::gen::inRange<std::size_t>(0, bytes.size());
    RC_ASSERT(code_of(bytes.substr(0, size)) == Code::kCorrupt);
    if (size >= 4) RC_ASSERT(code_of(with_checksum(bytes.substr(0, size))) != Code{});
  }));
  EXPECT_EQ(code_of(with_checksum(bytes + '\0')), Code::kCorrupt);
}

TEST(RingFormat, AnotherVersionIsUnsupported) {
  std::string bytes = encode_ring(sample());
  bytes[ring_format::kVersionAt] = 2;
  EXPECT_EQ(code_of(bytes), Code::kUnsupported);
}

TEST(RingFormat, NonsenseUnderAGoodChecksumIsRefused) {
  using namespace ring_format;
  const std::string bytes = encode_ring(sample());
  const auto patched = [&](std::size_t at, std::uint8_t value) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(value);
    return code_of(with_checksum(changed));
  };
  const std::size_t tables = kHeaderBytes + 5 * kNodeBytes + 7 + 7 + 7 + 9 + 11 + 4 * 6;
  ASSERT_EQ(static_cast<int>(bytes[tables]), 1);  // k of 1+2
  const std::size_t first_slot = tables + kTableBytes;
  EXPECT_EQ(patched(kArcBitsAt, 11), Code::kCorrupt);
  EXPECT_EQ(patched(kNodeCountAt, 6), Code::kCorrupt);
  EXPECT_EQ(patched(kTableCountAt, 3), Code::kCorrupt);
  EXPECT_EQ(patched(kHeaderBytes + kNodeIdAt, 0), Code::kCorrupt);     // id 0
  EXPECT_EQ(patched(kHeaderBytes + kNodeIdAt, 3), Code::kCorrupt);     // order
  EXPECT_EQ(patched(kHeaderBytes + kNodeFlagsAt, 2), Code::kCorrupt);  // unknown flag
  EXPECT_EQ(patched(kHeaderBytes + kNodeWeightAt + 7, 0x7f), Code::kCorrupt);
  EXPECT_EQ(patched(tables + kTableMAt, 0), Code::kCorrupt);
  EXPECT_EQ(patched(tables + kTableWidthAt, 4), Code::kCorrupt);
  EXPECT_EQ(patched(tables + kTableZeroAt, 1), Code::kCorrupt);
  EXPECT_EQ(patched(first_slot, 5), Code::kCorrupt);  // no such node
  EXPECT_EQ(patched(first_slot, static_cast<std::uint8_t>(bytes[first_slot + 2])), Code::kCorrupt);
}

}  // namespace
}  // namespace hydra::placement
