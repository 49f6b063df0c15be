#include "nodeagent/protocol/frame_format.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/crc32c.h"
#include "base/encoding.h"
#include "base/endian.h"
#include "nodeagent/protocol/messages.h"

namespace hydra::agent {
namespace {

ByteView header_of(const std::string& frame) { return as_bytes(frame).first(kFrameHeaderBytes); }

// Gives a header whose bytes were changed a CRC that fits them.
void reseal(std::string& frame) {
  const std::size_t at = offsetof(RawFrameHeader, header_crc32c);
  store_le(frame.data() + at, crc32c(as_bytes(frame).first(at)));
}

std::string sample() {
  return encode_frame({.type = FrameType::kWrite,
                       .flags = kFlagLast,
                       .request_id = 7,
                       .deadline_ms = 1500,
                       .bulk_bytes = 4096},
                      "fields");
}

RC_GTEST_PROP(FrameFormat, HeadersComeBackAsTheyWent, ()) {
  FrameHeader header;
  header.type = *rc::gen::element(FrameType::kHello, FrameType::kWrite, FrameType::kReadResult,
                                  FrameType::kError, FrameType::kListResult);
  if (header.type == FrameType::kWrite) header.flags = *rc::gen::inRange<std::uint16_t>(0, 4);
  header.request_id = *rc::gen::arbitrary<std::uint64_t>();
  header.deadline_ms = *rc::gen::arbitrary<std::uint32_t>();
  const auto fields = *rc::gen::arbitrary<std::string>();
  if (may_have_bulk(header.type)) header.bulk_bytes = *rc::gen::inRange(0u, 4'000'000u);
  const std::string frame = encode_frame(header, fields);
  const auto decoded = decode_frame_header(header_of(frame));
  RC_ASSERT(decoded.has_value());
  header.fields_bytes = static_cast<std::uint32_t>(fields.size());
  header.fields_crc32c = crc32c(as_bytes(fields));
  RC_ASSERT(*decoded == header);
  RC_ASSERT(check_fields(*decoded, as_bytes(frame).subspan(kFrameHeaderBytes)).has_value());
}

TEST(FrameFormat, EveryFlippedBitOfAHeaderIsNoticed) {
  const std::string good = sample();
  for (std::size_t bit = 0; bit < 8 * kFrameHeaderBytes; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_frame_header(header_of(bad))) << "bit " << bit;
  }
}

TEST(FrameFormat, DamagedFieldsAreNoticed) {
  std::string frame = sample();
  const auto header = decode_frame_header(header_of(frame));
  ASSERT_TRUE(header);
  frame.back() ^= 1;
  const auto checked = check_fields(*header, as_bytes(frame).subspan(kFrameHeaderBytes));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, Code::kCorrupt);
}

TEST(FrameFormat, AnotherVersionIsUnsupported) {
  std::string frame = sample();
  frame[offsetof(RawFrameHeader, version)] = 1;
  reseal(frame);
  const auto header = decode_frame_header(header_of(frame));
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().code, Code::kUnsupported);
}

TEST(FrameFormat, UnknownTypesAndFlagsAreUnsupported) {
  std::string frame = sample();
  frame[offsetof(RawFrameHeader, type)] = 99;
  reseal(frame);
  EXPECT_EQ(decode_frame_header(header_of(frame)).error().code, Code::kUnsupported);
  frame = sample();
  frame[offsetof(RawFrameHeader, flags)] = 4;
  reseal(frame);
  EXPECT_EQ(decode_frame_header(header_of(frame)).error().code, Code::kUnsupported);
}

TEST(FrameFormat, PayloadsBeyondTheLimitAreRefused) {
  std::string frame = sample();
  store_le(frame.data() + offsetof(RawFrameHeader, payload_bytes), kMaxPayloadBytes + 1);
  reseal(frame);
  EXPECT_EQ(decode_frame_header(header_of(frame)).error().code, Code::kTooLarge);
}

TEST(FrameFormat, BulkWhereNoneBelongsIsRefused) {
  std::string frame = encode_frame({.type = FrameType::kRead}, "");
  store_le(frame.data() + offsetof(RawFrameHeader, payload_bytes), 1u);
  reseal(frame);
  EXPECT_EQ(decode_frame_header(header_of(frame)).error().code, Code::kCorrupt);
}

TEST(FrameFormat, FieldsLongerThanThePayloadAreRefused) {
  std::string frame = sample();
  store_le(frame.data() + offsetof(RawFrameHeader, payload_bytes), 5u);
  reseal(frame);
  EXPECT_EQ(decode_frame_header(header_of(frame)).error().code, Code::kCorrupt);
}

// The example of docs/FORMAT-grid-protocol.md.
TEST(FrameFormat, TheDocumentedExampleIsWhatWeWrite) {
  ReadRange range;
  for (std::size_t i = 0; i < 16; ++i) range.shard.extent.bytes[i] = static_cast<std::byte>(i);
  range.shard.index = 3;
  range.offset = 262144;
  range.length = 4096;
  const std::string frame = encode_frame(
      {.type = FrameType::kRead, .request_id = 42, .deadline_ms = 2000}, encode(range));
  EXPECT_EQ(hex_encode(frame),
            "484702140000"
            "1d00"
            "2a00000000000000"
            "1d000000"
            "d0070000"
            "20e5d418"
            "858268f0"
            "000102030405060708090a0b0c0d0e0f"
            "03"
            "0000040000000000"
            "00100000");
}

}  // namespace
}  // namespace hydra::agent
