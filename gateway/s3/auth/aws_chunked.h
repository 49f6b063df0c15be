// The aws-chunked content coding, sans-I/O, in its three forms: signed chunks, signed chunks with
// signed trailers, unsigned chunks with trailers. Sources: "Transferring Payload in Multiple Chunks
// (Chunked Upload)" and "Including Trailing Headers (Chunked Upload)" in the Amazon S3 API
// Reference.
//
// As in http::ChunkedDecoder the decoder sees only the framing through feed(); the bytes of a chunk
// go where they are wanted, and pass by in take(), which checks the chunk's signature with its last
// byte.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/result.h"
#include "gateway/s3/auth/verifier.h"

namespace hydra::s3 {

class AwsChunkedDecoder {
 public:
  static constexpr std::size_t kLineBytes =
      512;  // a chunk's header or a trailer, with its line end

  // `decoded_length` is x-amz-decoded-content-length, `trailers` the names declared in
  // x-amz-trailer, lower case.
  AwsChunkedDecoder(PayloadMode mode, ChunkSigning signing, std::uint64_t decoded_length,
                    std::vector<std::string> trailers);

  // Consumes framing from the front of `input` until data is due, the end is reached or the input
  // is used up. Returns the bytes consumed. Errors are final: kInvalidRequest (not aws-chunked,
  // more data than announced, a trailer missing or not declared), kIncompleteBody (less data than
  // announced), kSignatureDoesNotMatch.
  Result<std::size_t> feed(ByteView input);

  // Data bytes of the current chunk still to come; while there are any, feed() consumes nothing.
  std::uint64_t data_left() const { return data_left_; }
  // The next data bytes, at most data_left(). kSignatureDoesNotMatch.
  Status take(ByteView data);

  // Everything arrived and was in order.
  bool done() const { return state_ == State::kDone; }
  // The body ended. Some clients leave the last empty line out; anything else missing is
  // kIncompleteBody.
  Status end_of_input();

  // Names in lower case and values, once done.
  const std::vector<std::pair<std::string, std::string>>& trailers() const { return arrived_; }

 private:
  enum class State : std::uint8_t { kSize, kData, kDataEnd, kTrailer, kDone };

  bool chunks_signed() const { return mode_ != PayloadMode::kStreamingUnsignedTrailer; }
  Status end_line(bool bare_line_feed);
  Status begin_chunk(std::string_view line);
  Status end_chunk();
  Status end_trailer_line(std::string_view line, bool bare_line_feed);
  Status add_trailer(std::string_view line);
  Status check_trailer_signature(std::string_view signature);
  Status finish();

  const PayloadMode mode_;
  const ChunkSigning signing_;
  const std::uint64_t decoded_length_;
  const std::vector<std::string> declared_;

  State state_ = State::kSize;
  std::uint64_t decoded_ = 0;
  std::uint64_t data_left_ = 0;
  std::string line_;
  std::string previous_signature_;
  std::string chunk_signature_;  // as the current chunk's header has it
  std::unique_ptr<Digest> chunk_sha256_;
  std::vector<std::pair<std::string, std::string>> arrived_;
  bool trailer_signed_ = false;
  bool owed_line_end_ = false;  // behind a trailer that ended in a bare LF
  bool spared_empty_line_ =
      false;  // the one that may stand between the last chunk and the trailers
};

}  // namespace hydra::s3
