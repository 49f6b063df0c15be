// Any bytes: no crash, and the same data and outcome whether they come at once or one by one.
// Chunks are unsigned, so that the fuzzer gets past the first line.
#include <algorithm>
#include <cstdlib>

#include "gateway/s3/auth/aws_chunked.h"

namespace {
using namespace hydra;

struct Outcome {
  std::string data;
  bool done = false;
  std::optional<Code> error;
  bool operator==(const Outcome&) const = default;
};

Outcome decode(std::string_view text, std::size_t step) {
  s3::AwsChunkedDecoder decoder(s3::PayloadMode::kStreamingUnsignedTrailer, {}, 64,
                                {"x-amz-checksum-crc32"});
  Outcome out;
  while (!text.empty() && !decoder.done()) {
    const std::string_view piece = text.substr(0, step);
    std::size_t used = 0;
    if (const auto left = decoder.data_left(); left > 0) {
      used = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size()));
      out.data += piece.substr(0, used);
      if (!decoder.take(as_bytes(piece.substr(0, used)))) std::abort();
    } else {
      const auto fed = decoder.feed(as_bytes(piece));
      if (!fed) {
        out.error = fed.error().code;
        return out;
      }
      used = *fed;
    }
    text.remove_prefix(used);
  }
  if (const auto end = decoder.end_of_input(); !end) out.error = end.error().code;
  out.done = decoder.done();
  return out;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Outcome whole = decode(text, size + 1);
  if (whole != decode(text, 1)) std::abort();
  if (whole.done && whole.data.size() != 64) std::abort();
  return 0;
}
