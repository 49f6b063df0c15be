// The bytes on the disk: golden ones, round trips, refusals; and the walk over them.
#include "nodeagent/store/log_format.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/crc32c.h"
#include "base/endian.h"
#include "nodeagent/store/index_format.h"
#include "nodeagent/store/log_walker.h"
#include "nodeagent/store/store_fixture.h"

namespace hydra::agent {
namespace {

NodeIdentity node() {
  NodeIdentity id;
  for (int i = 0; i < 16; ++i) id.bytes[i] = static_cast<std::byte>(0xa0 + i);
  return id;
}

RecordHeader example_header(std::uint64_t offset, std::uint64_t number = 1,
                            std::uint64_t length = 4096) {
  RecordHeader header;
  header.type = RecordType::kShard;
  header.node = node();
  header.cluster.bytes[0] = std::byte{0xcc};
  header.generation = 3;
  header.offset = offset;
  header.shard = shard_id(number, 1);
  header.layout = layout_of(length);
  header.shard_bytes = header.layout.shard_bytes();
  header.record_bytes = shard_record_bytes(header.layout, offset);
  return header;
}

std::string hex(ByteView bytes) {
  std::string text;
  for (const std::byte b : bytes) text += fmt::format("{:02x}", std::to_integer<unsigned>(b));
  return text;
}

// The worked example of docs/FORMAT-log.md.
TEST(LogFormat, ExampleOfTheDocument) {
  const RecordHeaderBytes header = encode_record_header(example_header(kFirstRecord));
  EXPECT_EQ(hex(ByteView(header).first(8)), "4852454301000100");
  EXPECT_EQ(hex(ByteView(header).subspan(8, 32)),
            "cc000000000000000000000000000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
  EXPECT_EQ(hex(ByteView(header).subspan(40, 16)), "03000000000000000010000000000000");
  EXPECT_EQ(hex(ByteView(header).subspan(56, 24)),
            "0000000000000001000000000000005a"
            "0101010000001000");
  EXPECT_EQ(hex(ByteView(header).subspan(80, 32)),
            "00100000000000000010000000000000c0100000000000000000000000000000");
  EXPECT_EQ(hex(ByteView(header).subspan(112, 12)), "000000000000000000000000");

  std::vector<std::byte> trailer(trailer_bytes(1));
  encode_trailer(header, Trailer{7, 9, 6, {0xe3069283}}, trailer);
  EXPECT_EQ(trailer.size(), 64u);
  EXPECT_EQ(hex(ByteView(trailer).first(12)), "484350540100000001000000");
  EXPECT_EQ(hex(ByteView(trailer).subspan(16, 28)),
            "0700000000000000"
            "0900000000000000"
            "0600000000000000"
            "839206e3");

  const auto log = encode_log_header({node(), ClusterId(), 3});
  EXPECT_EQ(hex(ByteView(log).first(8)), "484c4f4701000000");
}

RC_GTEST_PROP(LogFormat, RecordHeaderRoundTrip, ()) {
  const auto k = *rc::gen::inRange<int>(1, 20);
  const auto m = *rc::gen::inRange<int>(1, 12);
  RecordHeader header = example_header(64ull * *rc::gen::inRange(64, 1 << 24));
  header.layout = layout_of(*rc::gen::inRange<std::uint64_t>(1, erasure::kMaxExtentBytes),
                            static_cast<std::uint8_t>(k), static_cast<std::uint8_t>(m));
  header.shard.index = static_cast<std::uint8_t>(*rc::gen::inRange(0, k + m));
  header.shard_bytes = header.layout.shard_bytes();
  header.record_bytes = shard_record_bytes(header.layout, header.offset);
  const auto decoded = decode_record_header(encode_record_header(header));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->shard == header.shard);
  RC_ASSERT(decoded->layout.profile == header.layout.profile);
  RC_ASSERT(decoded->layout.length == header.layout.length);
  RC_ASSERT(decoded->offset == header.offset);
  RC_ASSERT(decoded->record_bytes == header.record_bytes);
  RC_ASSERT(decoded->generation == header.generation);
  if (header.shard_bytes >= kPunchableBytes) RC_ASSERT(header.end() % kPageBytes == 0);
}

RC_GTEST_PROP(LogFormat, EveryFlippedBitIsNoticed, ()) {
  const RecordHeaderBytes header = encode_record_header(example_header(kFirstRecord));
  RecordHeaderBytes flipped = header;
  const auto bit = *rc::gen::inRange<std::size_t>(0, 8 * flipped.size());
  flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
  RC_ASSERT(!decode_record_header(flipped));

  std::vector<std::byte> trailer(trailer_bytes(3));
  encode_trailer(header, Trailer{1, 2, 0, {4, 5, 6}}, trailer);
  RC_ASSERT(decode_trailer(header, 3, trailer).has_value());
  const auto at = *rc::gen::inRange<std::size_t>(0, 8 * trailer.size());
  trailer[at / 8] ^= static_cast<std::byte>(1 << at % 8);
  RC_ASSERT(!decode_trailer(header, 3, trailer));
}

TEST(LogFormat, TrailerOfAnotherRecordIsRefused) {
  const RecordHeaderBytes one = encode_record_header(example_header(kFirstRecord, 1));
  const RecordHeaderBytes other = encode_record_header(example_header(kFirstRecord, 2));
  std::vector<std::byte> trailer(trailer_bytes(1));
  encode_trailer(one, Trailer{1, 1, 0, {4}}, trailer);
  EXPECT_TRUE(decode_trailer(one, 1, trailer));
  EXPECT_EQ(decode_trailer(other, 1, trailer).error().code, Code::kCorrupt);
}

TEST(LogFormat, UnknownVersionsAreRefused) {
  RecordHeaderBytes header = encode_record_header(example_header(kFirstRecord));
  header[4] = std::byte{2};
  store_le<std::uint32_t>(header.data() + 124, crc32c(ByteView(header).first(124)));
  EXPECT_EQ(decode_record_header(header).error().code, Code::kUnsupported);
  auto log = encode_log_header({node(), ClusterId(), 3});
  log[4] = std::byte{2};
  store_le<std::uint32_t>(log.data() + 60, crc32c(ByteView(log).first(60)));
  EXPECT_EQ(decode_log_header(log).error().code, Code::kUnsupported);
}

TEST(IndexFormat, RoundTripAndRefusals) {
  IndexEntry entry;
  entry.generation = 4;
  entry.offset = 8192;
  entry.record_bytes = 777;
  entry.layout = layout_of(3'000'000, 2, 1);
  entry.order = 10;
  entry.sequence = 11;
  entry.block_crcs = {1, 2, 3};
  std::string value = encode_index_entry(entry);
  const auto decoded = decode_index_entry(as_bytes(value));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->block_crcs, entry.block_crcs);
  EXPECT_EQ(decoded->layout.length, entry.layout.length);
  EXPECT_TRUE(decoded->at(4, 8192));
  for (std::size_t i = 0; i < value.size(); ++i) {
    value[i] ^= 4;
    EXPECT_FALSE(decode_index_entry(as_bytes(value))) << i;
    value[i] ^= 4;
  }
  EXPECT_EQ(parse_shard_key(as_bytes(shard_key(shard_id(5, 3)))), shard_id(5, 3));
  EXPECT_EQ(parse_log_key(as_bytes(log_key(77))), 77u);
  EXPECT_FALSE(parse_shard_key(as_bytes(log_key(77))));
  EXPECT_FALSE(parse_log_key(as_bytes(meta_key())));
}

// A log in memory, and what a walk finds in it, one letter each: S shard, u uncommitted, T, G gap,
// E end.
struct MemoryLog {
  std::string bytes = std::string(kFirstRecord, '\0');

  std::uint64_t add(std::uint64_t number, std::uint64_t length, bool commit) {
    const RecordHeader header = example_header(bytes.size(), number, length);
    const RecordHeaderBytes raw = encode_record_header(header);
    std::string record(header.record_bytes, '\x11');
    std::memcpy(record.data(), raw.data(), raw.size());
    const std::uint32_t blocks = header.layout.stripes();
    if (commit) {
      const Trailer trailer{number, number, 0, std::vector<std::uint32_t>(blocks, 5)};
      const auto out = std::as_writable_bytes(std::span(record)).last(trailer_bytes(blocks));
      encode_trailer(raw, trailer, out);
    }
    bytes += record;
    return header.offset;
  }
  std::uint64_t add_bare(RecordType type, std::uint64_t record_bytes = kRecordHeaderBytes) {
    RecordHeader header = example_header(bytes.size());
    header.type = type;
    header.record_bytes = record_bytes;
    const RecordHeaderBytes raw = encode_record_header(header);
    bytes += as_text(raw);
    bytes.resize(header.end());
    return header.offset;
  }
  std::string walk(std::uint64_t window, std::vector<LogWalker::Gap>* gaps = nullptr,
                   NodeIdentity owner = node(), std::uint64_t generation = 3) const {
    LogWalker walker(owner, generation, 0, bytes.size());
    std::string found;
    std::uint64_t offset = 0, length = 0;
    for (;;) {
      const auto step = walker.step(offset, as_bytes(bytes).subspan(offset, length));
      if (const auto* need = std::get_if<LogWalker::Need>(&step)) {
        EXPECT_LE(need->offset + need->length, bytes.size());
        offset = need->offset;
        length = std::min(std::max(need->length, window), bytes.size() - offset);
      } else if (const auto* shard = std::get_if<LogWalker::Shard>(&step)) {
        found += shard->trailer ? 'S' : 'u';
      } else if (std::get_if<LogWalker::Tombstone>(&step) != nullptr) {
        found += 'T';
      } else if (const auto* gap = std::get_if<LogWalker::Gap>(&step)) {
        found += 'G';
        if (gaps != nullptr) gaps->push_back(*gap);
      } else {
        const auto& end = std::get<LogWalker::End>(step);
        return found + (end.sealed ? "sealed" : end.clean ? "end" : "dirty");
      }
    }
  }
};

TEST(LogWalker, FindsEveryKindOfRecordThroughAnyWindow) {
  MemoryLog log;
  log.add(1, 4096, true);
  log.add(2, 100, false);
  log.add_bare(RecordType::kTombstone);
  log.add(3, 3'000'000, true);
  log.add_bare(RecordType::kPad, 640);
  log.add(4, 1, true);
  for (const std::uint64_t window : {1, 64, 1000, 100'000, 10'000'000})
    EXPECT_EQ(log.walk(window), "SuTSSend") << window;
  log.bytes += std::string(10'000, '\0');
  EXPECT_EQ(log.walk(4096), "SuTSSend");
  log.bytes.back() = 'x';
  EXPECT_EQ(log.walk(4096), "SuTSSdirty");
}

TEST(LogWalker, NothingBehindASealCounts) {
  MemoryLog log;
  log.add(1, 4096, true);
  log.add_bare(RecordType::kSeal);
  log.add(2, 4096, true);
  EXPECT_EQ(log.walk(4096), "Ssealed");
}

TEST(LogWalker, GoesOnBehindADamagedHeader) {
  MemoryLog log;
  log.add(1, 4096, true);
  const std::uint64_t second = log.add(2, 50'000, true);
  const std::uint64_t third = log.add(3, 50'000, true);
  log.bytes[second + 100] ^= 1;
  std::vector<LogWalker::Gap> gaps;
  EXPECT_EQ(log.walk(512, &gaps), "SGSend");
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].offset, second);
  EXPECT_EQ(gaps[0].bytes, third - second);
}

TEST(LogWalker, RecordsOfOtherLogsAndPlacesDoNotCount) {
  MemoryLog log;
  const std::uint64_t at = log.add(1, 4096, true);
  MemoryLog moved;  // the same bytes at another offset, as in the payload of a shard
  moved.bytes += std::string(640, '\x22');
  moved.bytes += log.bytes.substr(at);
  EXPECT_EQ(moved.walk(4096), "dirty");
  EXPECT_EQ(log.walk(4096, nullptr, node(), 4), "dirty");
  NodeIdentity other = node();  // whose log was copied to this device, or whose blocks it got
  other.bytes[0] ^= std::byte{1};
  EXPECT_EQ(log.walk(4096, nullptr, other), "dirty");
  EXPECT_EQ(log.walk(4096), "Send");
}

}  // namespace
}  // namespace hydra::agent
