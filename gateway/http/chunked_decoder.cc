#include "gateway/http/chunked_decoder.h"

#include <cstring>

#include "base/assert.h"
#include "gateway/http/head_parser.h"

namespace hydra::http {

namespace {
constexpr std::size_t kSizeDigits = 15;  // keeps every size below 2^60

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
auto bad(std::string message) { return fail(Code::kBadRequest, std::move(message)); }
}  // namespace

void ChunkedDecoder::take(std::uint64_t bytes) {
  HYDRA_ASSERT(bytes <= data_left_);
  data_left_ -= bytes;
  if (data_left_ == 0 && state_ == State::kData) state_ = State::kDataEnd;
}

Result<std::size_t> ChunkedDecoder::feed(ByteView input) {
  const std::string_view text = as_text(input);
  std::size_t at = 0;
  while (at < text.size() && state_ != State::kData && state_ != State::kDone) {
    const auto found = text.find('\n', at);
    const std::size_t end = found == text.npos ? text.size() : found + 1;
    if (line_.size() + (end - at) > kLineBytes)
      return bad("line of the chunked coding is too long");
    line_.append(text, at, end - at);
    at = end;
    if (found == text.npos) break;
    if (line_.size() < 2 || line_[line_.size() - 2] != '\r')
      return bad("a line of the chunked coding ends in a bare LF");
    line_.resize(line_.size() - 2);
    HYDRA_CHECK_OK(end_line());
    line_.clear();
  }
  return at;
}

Status ChunkedDecoder::end_line() {
  switch (state_) {
    case State::kSize:
      return parse_size();
    case State::kDataEnd:
      if (!line_.empty()) return bad("chunk is longer than its size");
      state_ = State::kSize;
      return {};
    case State::kTrailer:
      if (line_.empty()) {
        state_ = State::kDone;
        return {};
      }
      trailer_bytes_ += line_.size();
      if (trailer_bytes_ > kTrailerBytes) return bad("trailers are too long");
      if (auto field = parse_field_line(line_); !field) return fail(field.error());
      return {};
    default:
      HYDRA_ASSERT(false);
      return {};
  }
}

// chunk-size [ ";" extensions ]; extensions are ignored, as RFC 9112 asks.
Status ChunkedDecoder::parse_size() {
  std::size_t digits = 0;
  std::uint64_t size = 0;
  while (digits < line_.size() && hex_value(line_[digits]) >= 0) {
    if (digits == kSizeDigits) return bad("chunk size is too large");
    size = size * 16 + static_cast<std::uint64_t>(hex_value(line_[digits++]));
  }
  if (digits == 0) return bad("malformed chunk size");
  const std::string_view rest = trim_spaces(std::string_view(line_).substr(digits));
  if (!rest.empty() && rest[0] != ';') return bad("malformed chunk size");
  if (rest.empty() && digits != line_.size()) return bad("malformed chunk size");
  if (!is_field_value(rest)) return bad("control byte in a chunk extension");
  data_left_ = size;
  state_ = size == 0 ? State::kTrailer : State::kData;
  return {};
}

}  // namespace hydra::http
