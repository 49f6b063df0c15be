#include "gateway/http/exchange.h"

#include <fmt/format.h>

#include "gateway/http/response_head.h"

namespace hydra::http {

namespace {
constexpr std::size_t kUsualHeadBytes = 512;

// The client asked for leave to send no bytes. RFC 9110 section 10.1.1 lets us answer without a 100
// Continue, but then botocore takes that answer's status for the one of the next response on the
// connection, and that one's status line for a broken header.
bool waits_to_send_nothing(const Request& request) {
  return request.expects_continue && !request.chunked && request.content_length.value_or(0) == 0;
}
}  // namespace

ConnectionExchange::ConnectionExchange(Server& server, Stream& stream, Input& input,
                                       const Request& request)
    : server_(server),
      stream_(stream),
      request_(request),
      body_(server.loop_, stream, input, request, server.options_.limits) {}

bool ConnectionExchange::must_close() const {
  if (close_after_ || !request_.keep_alive || server_.stopping_ || body_.failed()) return true;
  if (body_.finished()) return false;
  return body_.withheld() || body_.remaining().value_or(0) > server_.options_.limits.drain_bytes;
}

void ConnectionExchange::begin(const ResponseHead& head, std::optional<std::uint64_t> length) {
  const bool has_body = status_has_body(head.status);
  bodiless_ = request_.method == "HEAD" || !has_body;
  chunked_ = !bodiless_ && !length && request_.minor_version == 1;
  closing_ = must_close() || (!bodiless_ && !length && !chunked_);
  length_ = bodiless_ ? std::optional<std::uint64_t>(0) : length;
  body_.forbid_continue();
  ResponseFraming framing;
  if (has_body) framing.length = length;
  framing.chunked = chunked_;
  framing.close = closing_;
  framing.keep_alive = !closing_ && request_.minor_version == 0;
  head_.reserve(kUsualHeadBytes);
  if (waits_to_send_nothing(request_)) head_ = kContinue;
  append_response_head(head_, head, framing, server_.date());
  state_ = State::kStarted;
}

// Sends what is held of the head and these pieces in one write.
Task<Status> ConnectionExchange::send(ByteView a, ByteView b, ByteView c) {
  const std::array<ByteView, 4> all{as_bytes(head_), a, b, c};
  std::array<ByteView, 4> pieces;
  std::size_t count = 0;
  for (const ByteView piece : all)
    if (!piece.empty()) pieces[count++] = piece;
  if (count == 0) co_return Status();
  auto status = co_await stream_.write(std::span(pieces).first(count),
                                       server_.loop_.after(server_.options_.limits.body_timeout));
  head_.clear();
  if (!status) state_ = State::kBroken;
  co_return status;
}

Task<Status> ConnectionExchange::respond(ResponseHead head, std::string_view body) {
  HYDRA_ASSERT(state_ == State::kFresh);
  begin(head, body.size());
  auto status = co_await send(bodiless_ ? ByteView() : as_bytes(body), {}, {});
  if (status) state_ = State::kFinished;
  co_return status;
}

Task<Status> ConnectionExchange::start(ResponseHead head, std::optional<std::uint64_t> length) {
  HYDRA_ASSERT(state_ == State::kFresh);
  begin(head, length);
  co_return Status();
}

Task<Status> ConnectionExchange::write(ByteView bytes) {
  HYDRA_ASSERT(state_ == State::kStarted || state_ == State::kBroken);
  if (state_ == State::kBroken) co_return fail(Code::kClosed, "the response was cut");
  if (bodiless_ || bytes.empty()) co_return Status();
  written_ += bytes.size();
  HYDRA_ASSERT(!length_ || written_ <= *length_);
  if (!chunked_) co_return co_await send(bytes, {}, {});
  const std::string size = fmt::format("{:x}\r\n", bytes.size());
  co_return co_await send(as_bytes(size), bytes, as_bytes("\r\n"));
}

Task<Status> ConnectionExchange::finish() {
  HYDRA_ASSERT(state_ == State::kStarted || state_ == State::kBroken);
  if (state_ == State::kBroken) co_return fail(Code::kClosed, "the response was cut");
  if (length_ && written_ != *length_) {
    state_ = State::kBroken;
    co_return fail(Code::kInternal, "the response is shorter than announced");
  }
  auto status = co_await send(chunked_ ? as_bytes("0\r\n\r\n") : ByteView(), {}, {});
  if (status) state_ = State::kFinished;
  co_return status;
}

Task<ConnectionExchange::Next> ConnectionExchange::conclude() {
  if (state_ == State::kFresh) {
    close_after_ = true;
    ResponseHead head;
    const std::string text =
        server_.options_.render_error(Error{Code::kInternal, "the request was not answered"}, head);
    (void)co_await respond(std::move(head), text);
  }
  if (state_ != State::kFinished) co_return Next::kClose;
  if (closing_) co_return body_.finished() ? Next::kClose : Next::kLinger;
  if (!co_await body_.drain(server_.options_.limits.drain_bytes)) co_return Next::kLinger;
  co_return server_.stopping_ ? Next::kClose : Next::kRequest;
}

}  // namespace hydra::http
