// ResponseReader: HTTP/1.1 responses (RFC 9112) from a stream of bytes; sans-I/O. Knows lengths,
// chunked framing, interim responses and keep-alive, which is what S3 servers use.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hydra::bench {

class ResponseReader {
 public:
  using OnBody = std::function<void(std::string_view)>;

  // Begins the response to the next request; to HEAD there is no body.
  void begin(bool to_head);
  // Takes bytes up to the response's end and returns how many. kInvalidArgument when they are no
  // response, kUnsupported for a body that only the connection's end would delimit.
  Result<std::size_t> feed(std::string_view bytes, const OnBody& on_body);

  bool done() const { return state_ == State::kDone; }
  bool started() const { return state_ != State::kHead || !head_.empty(); }
  int status() const { return status_; }
  bool keep_alive() const { return keep_alive_; }

 private:
  enum class State { kHead, kBody, kChunkLine, kChunkData, kChunkEnd, kTrailers, kDone };

  // Gathers up to the next line's end in line_; true when it is whole, without CRLF.
  bool take_line(std::string_view& bytes);
  Status head_is_whole();
  Status header(std::string_view name, std::string_view value);
  Status line_is_whole();
  void take_data(std::string_view& bytes, const OnBody& on_body);

  State state_ = State::kDone;
  bool to_head_ = false;
  std::string head_, line_;
  int status_ = 0;
  bool keep_alive_ = true, chunked_ = false, has_length_ = false;
  std::uint64_t left_ = 0;  // of the body or of the chunk
};

}  // namespace hydra::bench
