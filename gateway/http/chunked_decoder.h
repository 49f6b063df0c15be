// The chunked transfer coding (RFC 9112 section 7.1), sans-I/O. The decoder sees only the framing:
// the bytes of a chunk go from the stream straight to whoever wants them, and are reported with
// take().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace hydra::http {

class ChunkedDecoder {
 public:
  static constexpr std::size_t kLineBytes =
      1024;  // a chunk-size line with its extensions, or a trailer
  static constexpr std::size_t kTrailerBytes = 8192;  // all trailers together

  // Consumes framing from the front of `input` until data is due, the message ends or the input is
  // used up, and returns the number of bytes consumed. kBadRequest: final.
  Result<std::size_t> feed(ByteView input);

  // Data bytes of the current chunk that are still to come; while there are any, feed() consumes
  // nothing.
  std::uint64_t data_left() const { return data_left_; }
  void take(std::uint64_t bytes);

  // The last chunk and the trailers (which are checked and dropped) are behind us.
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State : std::uint8_t { kSize, kData, kDataEnd, kTrailer, kDone };

  Status end_line();
  Status parse_size();

  State state_ = State::kSize;
  std::uint64_t data_left_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::string line_;
};

}  // namespace hydra::http
