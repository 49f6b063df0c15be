// The frame: what every message on a grid link is wrapped in. docs/FORMAT-grid-protocol.md is its
// page.
//
// A frame is a fixed header of 32 bytes and a payload: first the message's *fields* (encoded by
// messages.h), then, for WRITE and READ_RESULT alone, *bulk* bytes of a shard. The header's CRC
// covers the header, and the header carries the CRC of the fields; bulk is covered by CRCs in the
// fields. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hydra::agent {

constexpr std::uint16_t kFrameMagic = 0x4748;  // the bytes "HG"
constexpr std::uint8_t kProtocolVersion = 2;
constexpr std::size_t kFrameHeaderBytes = 32;
constexpr std::uint32_t kMaxFieldsBytes = 0xffff;
constexpr std::uint32_t kMaxPayloadBytes = 4u << 20;  // fields and bulk

// Append only, never renumber. A request's reply is the request's number plus one, or kError.
enum class FrameType : std::uint8_t {
  kHello = 1,
  kChallenge = 2,
  kProof = 3,
  kWelcome = 4,
  kHeartbeat = 5,
  kCredit = 6,
  kError = 7,
  kJoin = 8,
  kJoined = 9,
  kWrite = 16,
  kWriteResult = 17,
  kAbandon = 18,
  kRead = 20,
  kReadResult = 21,
  kFree = 22,
  kFreeResult = 23,
  kInfo = 24,
  kInfoResult = 25,
  kVerify = 26,
  kVerifyResult = 27,
  kList = 28,
  kListResult = 29,
};
bool is_known(FrameType type);
// Whether bulk bytes may follow the fields.
inline bool may_have_bulk(FrameType type) {
  return type == FrameType::kWrite || type == FrameType::kReadResult;
}
std::string_view frame_type_name(FrameType type);

// Flags; only WRITE has any.
constexpr std::uint16_t kFlagFirst = 1;  // the first block of a shard
constexpr std::uint16_t kFlagLast = 2;   // the last one: commit, then reply

// The bytes of a header as they lie on the wire, all little-endian.
struct RawFrameHeader {
  std::uint16_t magic;
  std::uint8_t version;
  std::uint8_t type;
  std::uint16_t flags;
  std::uint16_t fields_bytes;
  std::uint64_t request_id;     // 0: the frame concerns the link itself
  std::uint32_t payload_bytes;  // fields and bulk
  std::uint32_t deadline_ms;    // from arrival; 0: none
  std::uint32_t fields_crc32c;
  std::uint32_t header_crc32c;  // of the 28 bytes before
};
static_assert(sizeof(RawFrameHeader) == kFrameHeaderBytes);
static_assert(offsetof(RawFrameHeader, version) == 2);
static_assert(offsetof(RawFrameHeader, type) == 3);
static_assert(offsetof(RawFrameHeader, flags) == 4);
static_assert(offsetof(RawFrameHeader, fields_bytes) == 6);
static_assert(offsetof(RawFrameHeader, request_id) == 8);
static_assert(offsetof(RawFrameHeader, payload_bytes) == 16);
static_assert(offsetof(RawFrameHeader, deadline_ms) == 20);
static_assert(offsetof(RawFrameHeader, fields_crc32c) == 24);
static_assert(offsetof(RawFrameHeader, header_crc32c) == 28);

// A header as the program uses it.
struct FrameHeader {
  FrameType type = FrameType::kError;
  std::uint16_t flags = 0;
  std::uint64_t request_id = 0;
  std::uint32_t deadline_ms = 0;
  std::uint32_t fields_bytes = 0;
  std::uint32_t bulk_bytes = 0;
  std::uint32_t fields_crc32c = 0;

  bool operator==(const FrameHeader&) const = default;
};

// `bytes` holds kFrameHeaderBytes. kCorrupt: not a frame, or damaged. kUnsupported: a version, type
// or flag that we do not know. kTooLarge: over a limit.
Result<FrameHeader> decode_frame_header(ByteView bytes);
// kCorrupt when the fields do not match the header's CRC.
Status check_fields(const FrameHeader& header, ByteView fields);

// Header and fields, ready to be sent; `header.bulk_bytes` bytes must follow. Fills in fields_bytes
// and the CRCs. Asserts the limits.
std::string encode_frame(FrameHeader header, std::string_view fields);

}  // namespace hydra::agent
