// Any bytes: no crash, and the same data and outcome whether they come at once or one by one.
#include <cstdlib>
#include <string>

#include "gateway/http/chunked_decoder.h"

namespace {
struct Outcome {
  std::string data;
  std::size_t used = 0;
  bool done = false;
  bool failed = false;
  bool operator==(const Outcome&) const = default;
};

Outcome decode(std::string_view text, std::size_t step) {
  hydra::http::ChunkedDecoder decoder;
  Outcome out;
  while (out.used < text.size() && !decoder.done()) {
    const std::string_view piece = text.substr(out.used, step);
    if (const auto left = decoder.data_left(); left > 0) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size()));
      out.data += piece.substr(0, count);
      decoder.take(count);
      out.used += count;
      continue;
    }
    const auto used = decoder.feed(hydra::as_bytes(piece));
    if (!used) {
      out.failed = true;
      out.used = 0;
      return out;
    }
    out.used += *used;
  }
  out.done = decoder.done();
  return out;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (decode(text, text.size() + 1) != decode(text, 1)) std::abort();
  return 0;
}
