// The body of the request that a connection is at: HTTP framing removed, 100 Continue sent when it
// is first read.
#pragma once

#include <optional>

#include "base/runtime/loop.h"
#include "base/runtime/source.h"
#include "gateway/http/chunked_decoder.h"
#include "gateway/http/http.h"
#include "gateway/http/input.h"

namespace hydra::http {

class RequestBody final : public ByteSource {
 public:
  RequestBody(Loop& loop, Stream& stream, Input& input, const Request& request,
              const Limits& limits);

  // kIncompleteBody, kRequestTimeout, kBadRequest (broken chunked coding); final.
  Task<Result<std::size_t>> read(MutableBytes into) override;

  bool finished() const { return finished_; }
  bool failed() const { return error_.has_value(); }
  // The client waits for a 100 Continue that was not sent: it may or may not send the body after
  // our answer.
  bool withheld() const { return expects_continue_; }
  // Upper bound of what is still to come, when it is known.
  std::optional<std::uint64_t> remaining() const;
  // A 100 Continue after the final response would be taken for the next one.
  void forbid_continue() { may_continue_ = false; }

  // Reads and drops the rest if it is at most `limit` bytes; true when the next request may follow.
  Task<bool> drain(std::uint64_t limit);

 private:
  Task<Status> send_continue();
  Task<Result<std::size_t>> read_some(MutableBytes into, Deadline whole);
  Task<Status> next_chunk(Deadline whole);
  Deadline wait(Deadline whole) const;
  tl::unexpected<Error> give_up(Error error);

  Loop& loop_;
  Stream& stream_;
  Input& input_;
  const Limits& limits_;
  const bool chunked_;
  bool expects_continue_;
  bool may_continue_ = true;
  bool finished_ = false;
  std::uint64_t left_ = 0;  // of Content-Length
  ChunkedDecoder decoder_;
  std::optional<Error> error_;
};

}  // namespace hydra::http
