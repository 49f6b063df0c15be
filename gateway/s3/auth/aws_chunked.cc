#include "gateway/s3/auth/aws_chunked.h"

#include <algorithm>
#include <charconv>

#include "base/assert.h"
#include "base/encoding.h"
#include "gateway/http/head_parser.h"

namespace hydra::s3 {

namespace {

constexpr std::size_t kSizeDigits = 15;  // keeps every size below 2^60
constexpr std::string_view kChunkSignature = ";chunk-signature=";
constexpr std::string_view kTrailerSignature = "x-amz-trailer-signature";

auto malformed(std::string message) { return fail(Code::kInvalidRequest, std::move(message)); }

Status check(std::string_view expected, std::string_view given) {
  if (equal_constant_time(as_bytes(expected), as_bytes(given))) return {};
  return fail(Code::kSignatureDoesNotMatch, "the signature of a chunk does not match");
}

}  // namespace

AwsChunkedDecoder::AwsChunkedDecoder(PayloadMode mode, ChunkSigning signing,
                                     std::uint64_t decoded_length,
                                     std::vector<std::string> trailers)
    : mode_(mode),
      signing_(std::move(signing)),
      decoded_length_(decoded_length),
      declared_(std::move(trailers)),
      previous_signature_(signing_.seed_signature) {
  HYDRA_ASSERT(is_aws_chunked(mode));
}

Result<std::size_t> AwsChunkedDecoder::feed(ByteView input) {
  const std::string_view text = as_text(input);
  std::size_t at = 0;
  while (at < text.size() && state_ != State::kData && state_ != State::kDone) {
    const auto found = text.find('\n', at);
    const std::size_t end = found == text.npos ? text.size() : found + 1;
    if (line_.size() + (end - at) > kLineBytes)
      return malformed("a line of aws-chunked is too long");
    line_.append(text, at, end - at);
    at = end;
    if (found == text.npos) break;
    line_.pop_back();
    const bool bare_line_feed = line_.empty() || line_.back() != '\r';
    if (!bare_line_feed) line_.pop_back();
    HYDRA_CHECK_OK(end_line(bare_line_feed));
    line_.clear();
  }
  return at;
}

Status AwsChunkedDecoder::end_line(bool bare_line_feed) {
  if (state_ == State::kTrailer) return end_trailer_line(line_, bare_line_feed);
  if (bare_line_feed) return malformed("a line of aws-chunked ends in a bare LF");
  if (state_ == State::kSize) return begin_chunk(line_);
  HYDRA_ASSERT(state_ == State::kDataEnd);
  if (!line_.empty()) return malformed("a chunk is longer than its size");
  state_ = State::kSize;
  return {};
}

// SIZE[;chunk-signature=HEX]
Status AwsChunkedDecoder::begin_chunk(std::string_view line) {
  const auto digits = std::min(line.find(';'), line.size());
  std::uint64_t size = 0;
  const auto [stop, error] = std::from_chars(line.data(), line.data() + digits, size, 16);
  if (digits == 0 || digits > kSizeDigits || error != std::errc() || stop != line.data() + digits)
    return malformed("malformed chunk size");
  line.remove_prefix(digits);
  if (chunks_signed()) {
    if (!line.starts_with(kChunkSignature)) return malformed("a chunk has no signature");
    chunk_signature_ = line.substr(kChunkSignature.size());
    chunk_sha256_ = make_digest(DigestKind::kSha256);
  } else if (!line.empty()) {
    return malformed("unknown chunk extension");
  }
  if (size > decoded_length_ - decoded_)
    return malformed("more data than x-amz-decoded-content-length announces");
  decoded_ += size;
  data_left_ = size;
  if (size > 0) {
    state_ = State::kData;
    return {};
  }
  if (decoded_ != decoded_length_)
    return fail(Code::kIncompleteBody, "less data than x-amz-decoded-content-length announces");
  state_ = State::kTrailer;
  return end_chunk();
}

Status AwsChunkedDecoder::take(ByteView data) {
  HYDRA_ASSERT(data.size() <= data_left_);
  if (data.empty()) return {};
  if (chunks_signed()) chunk_sha256_->update(data);
  data_left_ -= data.size();
  if (data_left_ > 0) return {};
  state_ = State::kDataEnd;
  return end_chunk();
}

Status AwsChunkedDecoder::end_chunk() {
  if (!chunks_signed()) return {};
  const std::string hash = hex_encode(chunk_sha256_->finish());
  previous_signature_ = sign(signing_.key, chunk_string_to_sign(signing_.amz_date, signing_.scope,
                                                                previous_signature_, hash));
  return check(previous_signature_, chunk_signature_);
}

// A trailer may end in a bare LF, which an empty line must then follow: so AWS prints its example,
// and some clients send it. One empty line between the last chunk and the trailers is spared too.
Status AwsChunkedDecoder::end_trailer_line(std::string_view line, bool bare_line_feed) {
  if (owed_line_end_) {
    if (!line.empty() || bare_line_feed) return malformed("malformed line end of a trailer");
    owed_line_end_ = false;
    return {};
  }
  owed_line_end_ = bare_line_feed;
  if (!line.empty()) return add_trailer(line);
  if (bare_line_feed) return malformed("a line of aws-chunked ends in a bare LF");
  const bool nothing_yet = arrived_.empty() && !trailer_signed_ && !spared_empty_line_;
  if (nothing_yet && !declared_.empty()) {
    spared_empty_line_ = true;
    return {};
  }
  return finish();
}

Status AwsChunkedDecoder::add_trailer(std::string_view line) {
  const auto field = http::parse_field_line(line);
  if (!field) return malformed("malformed trailer");
  if (trailer_signed_) return malformed("a trailer behind the trailers' signature");
  std::string name(field->name);
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  if (name == kTrailerSignature && mode_ == PayloadMode::kStreamingSignedTrailer)
    return check_trailer_signature(field->value);
  const bool declared = std::find(declared_.begin(), declared_.end(), name) != declared_.end();
  const bool repeated = std::any_of(arrived_.begin(), arrived_.end(),
                                    [&name](const auto& trailer) { return trailer.first == name; });
  if (!declared || repeated) return malformed("a trailer that was not declared");
  arrived_.emplace_back(std::move(name), field->value);
  return {};
}

Status AwsChunkedDecoder::check_trailer_signature(std::string_view signature) {
  auto sorted = arrived_;
  std::sort(sorted.begin(), sorted.end());
  std::string canonical;
  for (const auto& [name, value] : sorted) canonical.append(name).append(":").append(value) += '\n';
  trailer_signed_ = true;
  return check(sign(signing_.key, trailer_string_to_sign(signing_.amz_date, signing_.scope,
                                                         previous_signature_, canonical)),
               signature);
}

Status AwsChunkedDecoder::finish() {
  if (arrived_.size() != declared_.size()) return malformed("a declared trailer did not arrive");
  if (mode_ == PayloadMode::kStreamingSignedTrailer && !trailer_signed_)
    return malformed("the trailers are not signed");
  state_ = State::kDone;
  return {};
}

Status AwsChunkedDecoder::end_of_input() {
  if (done()) return {};
  if (state_ == State::kTrailer && line_.empty() && !owed_line_end_) return finish();
  return fail(Code::kIncompleteBody, "the body ended within aws-chunked framing");
}

}  // namespace hydra::s3
