// Hostile bytes into the frame decoder and every decoder of fields. What decodes must encode again
// to the same bytes.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "nodeagent/protocol/frame_format.h"
#include "nodeagent/protocol/messages.h"

namespace hydra::agent {
namespace {

template <typename Decode>
void round_trip(ByteView fields, Decode decode) {
  const auto message = decode(fields);
  if (!message) return;
  const auto again = decode(as_bytes(encode(*message)));
  HYDRA_ASSERT(again && *again == *message);
}

void decode_frames(ByteView bytes) {
  if (bytes.size() < kFrameHeaderBytes) return;
  const auto header = decode_frame_header(bytes.first(kFrameHeaderBytes));
  if (!header) return;
  HYDRA_ASSERT(header->fields_bytes + header->bulk_bytes <= kMaxPayloadBytes);
  const ByteView rest = bytes.subspan(kFrameHeaderBytes);
  if (rest.size() >= header->fields_bytes)
    (void)check_fields(*header, rest.first(header->fields_bytes));
}

}  // namespace
}  // namespace hydra::agent

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hydra;
  using namespace hydra::agent;
  const ByteView bytes = std::as_bytes(std::span(data, size));
  decode_frames(bytes);
  round_trip(bytes, decode_hello);
  round_trip(bytes, decode_challenge);
  round_trip(bytes, decode_proof);
  round_trip(bytes, decode_welcome);
  round_trip(bytes, decode_join);
  round_trip(bytes, decode_joined);
  round_trip(bytes, decode_heartbeat);
  round_trip(bytes, decode_credit);
  round_trip(bytes, decode_error);
  round_trip(bytes, decode_write_block);
  round_trip(bytes, decode_read_range);
  round_trip(bytes, decode_read_result);
  round_trip(bytes, decode_free_shards);
  round_trip(bytes, decode_shard_query);
  round_trip(bytes, decode_listed_shard);
  round_trip(bytes, decode_list_shards);
  round_trip(bytes, decode_list_result);
  return 0;
}
