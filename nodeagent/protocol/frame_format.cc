#include "nodeagent/protocol/frame_format.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/endian.h"

namespace hydra::agent {

namespace {
constexpr std::size_t kHeaderCrcOffset = offsetof(RawFrameHeader, header_crc32c);

std::uint16_t flags_of(FrameType type) {
  return type == FrameType::kWrite ? kFlagFirst | kFlagLast : 0;
}
}  // namespace

std::string_view frame_type_name(FrameType type) {
  switch (type) {
    case FrameType::kHello:
      return "HELLO";
    case FrameType::kChallenge:
      return "CHALLENGE";
    case FrameType::kProof:
      return "PROOF";
    case FrameType::kWelcome:
      return "WELCOME";
    case FrameType::kHeartbeat:
      return "HEARTBEAT";
    case FrameType::kCredit:
      return "CREDIT";
    case FrameType::kError:
      return "ERROR";
    case FrameType::kJoin:
      return "JOIN";
    case FrameType::kJoined:
      return "JOINED";
    case FrameType::kWrite:
      return "WRITE";
    case FrameType::kWriteResult:
      return "WRITE_RESULT";
    case FrameType::kAbandon:
      return "ABANDON";
    case FrameType::kRead:
      return "READ";
    case FrameType::kReadResult:
      return "READ_RESULT";
    case FrameType::kFree:
      return "FREE";
    case FrameType::kFreeResult:
      return "FREE_RESULT";
    case FrameType::kInfo:
      return "INFO";
    case FrameType::kInfoResult:
      return "INFO_RESULT";
    case FrameType::kVerify:
      return "VERIFY";
    case FrameType::kVerifyResult:
      return "VERIFY_RESULT";
    case FrameType::kList:
      return "LIST";
    case FrameType::kListResult:
      return "LIST_RESULT";
  }
  return {};
}

bool is_known(FrameType type) { return !frame_type_name(type).empty(); }

Result<FrameHeader> decode_frame_header(ByteView bytes) {
  HYDRA_ASSERT(bytes.size() == kFrameHeaderBytes);
  const std::byte* at = bytes.data();
  if (load_le<std::uint16_t>(at + offsetof(RawFrameHeader, magic)) != kFrameMagic)
    return fail(Code::kCorrupt, "this is not a frame of the grid protocol");
  const auto version = load_le<std::uint8_t>(at + offsetof(RawFrameHeader, version));
  if (version != kProtocolVersion)
    return fail(Code::kUnsupported, fmt::format("grid protocol version {}, this side speaks {}",
                                                version, kProtocolVersion));
  if (load_le<std::uint32_t>(at + kHeaderCrcOffset) != crc32c(bytes.first(kHeaderCrcOffset)))
    return fail(Code::kCorrupt, "a frame header arrived damaged");

  FrameHeader header;
  header.type = FrameType{load_le<std::uint8_t>(at + offsetof(RawFrameHeader, type))};
  header.flags = load_le<std::uint16_t>(at + offsetof(RawFrameHeader, flags));
  header.fields_bytes = load_le<std::uint16_t>(at + offsetof(RawFrameHeader, fields_bytes));
  header.request_id = load_le<std::uint64_t>(at + offsetof(RawFrameHeader, request_id));
  const auto payload = load_le<std::uint32_t>(at + offsetof(RawFrameHeader, payload_bytes));
  header.deadline_ms = load_le<std::uint32_t>(at + offsetof(RawFrameHeader, deadline_ms));
  header.fields_crc32c = load_le<std::uint32_t>(at + offsetof(RawFrameHeader, fields_crc32c));

  if (!is_known(header.type) || (header.flags & ~flags_of(header.type)) != 0)
    return fail(Code::kUnsupported, fmt::format("frame type {} with flags {:#x} is unknown",
                                                static_cast<int>(header.type), header.flags));
  if (payload > kMaxPayloadBytes)
    return fail(Code::kTooLarge,
                fmt::format("a frame of {} bytes: the limit is {}", payload, kMaxPayloadBytes));
  if (header.fields_bytes > payload)
    return fail(Code::kCorrupt, "a frame's fields are longer than its payload");
  header.bulk_bytes = payload - header.fields_bytes;
  if (header.bulk_bytes > 0 && !may_have_bulk(header.type))
    return fail(Code::kCorrupt, fmt::format("{} carries no bulk", frame_type_name(header.type)));
  return header;
}

Status check_fields(const FrameHeader& header, ByteView fields) {
  if (fields.size() != header.fields_bytes || crc32c(fields) != header.fields_crc32c)
    return fail(Code::kCorrupt, fmt::format("the fields of a {} frame arrived damaged",
                                            frame_type_name(header.type)));
  return Status();
}

std::string encode_frame(FrameHeader header, std::string_view fields) {
  HYDRA_ASSERT(is_known(header.type) && (header.flags & ~flags_of(header.type)) == 0);
  HYDRA_ASSERT(fields.size() <= kMaxFieldsBytes);
  HYDRA_ASSERT(header.bulk_bytes <= kMaxPayloadBytes - fields.size());
  HYDRA_ASSERT(header.bulk_bytes == 0 || may_have_bulk(header.type));
  std::string frame;
  frame.reserve(kFrameHeaderBytes + fields.size());
  frame.resize(kFrameHeaderBytes);
  char* at = frame.data();
  store_le(at + offsetof(RawFrameHeader, magic), kFrameMagic);
  store_le(at + offsetof(RawFrameHeader, version), kProtocolVersion);
  store_le(at + offsetof(RawFrameHeader, type), static_cast<std::uint8_t>(header.type));
  store_le(at + offsetof(RawFrameHeader, flags), header.flags);
  store_le(at + offsetof(RawFrameHeader, fields_bytes), static_cast<std::uint16_t>(fields.size()));
  store_le(at + offsetof(RawFrameHeader, request_id), header.request_id);
  store_le(at + offsetof(RawFrameHeader, payload_bytes),
           static_cast<std::uint32_t>(fields.size() + header.bulk_bytes));
  store_le(at + offsetof(RawFrameHeader, deadline_ms), header.deadline_ms);
  store_le(at + offsetof(RawFrameHeader, fields_crc32c), crc32c(as_bytes(fields)));
  store_le(at + kHeaderCrcOffset, crc32c(as_bytes(frame).first(kHeaderCrcOffset)));
  frame += fields;
  return frame;
}

}  // namespace hydra::agent
