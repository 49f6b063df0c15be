#include "gateway/http/request_body.h"

#include <algorithm>
#include <array>

#include "gateway/http/response_head.h"

namespace hydra::http {

namespace {
constexpr std::size_t kDrainBytes = 16 * 1024;
}  // namespace

RequestBody::RequestBody(Loop& loop, Stream& stream, Input& input, const Request& request,
                         const Limits& limits)
    : loop_(loop),
      stream_(stream),
      input_(input),
      limits_(limits),
      chunked_(request.chunked),
      expects_continue_(request.expects_continue),
      left_(request.content_length.value_or(0)) {
  finished_ = !chunked_ && left_ == 0;
  // A client that did not wait for us needs no permission (RFC 9110 section 10.1.1).
  if (finished_ || !input_.unread().empty()) expects_continue_ = false;
}

std::optional<std::uint64_t> RequestBody::remaining() const {
  if (finished_) return 0;
  if (chunked_) return std::nullopt;
  return left_;
}

tl::unexpected<Error> RequestBody::give_up(Error error) {
  if (error.code == Code::kTimeout)
    error = {Code::kRequestTimeout, "no data came for too long"};
  else if (error.code != Code::kBadRequest)
    error = {Code::kIncompleteBody, "the connection ended before the body"};
  error_ = error;
  return fail(std::move(error));
}

// Each wait has its own limit, and the caller's whole request another one, so that no client holds
// us by single bytes.
Deadline RequestBody::wait(Deadline whole) const {
  return {std::min(whole.at, loop_.now() + limits_.body_timeout)};
}

Task<Status> RequestBody::send_continue() {
  expects_continue_ = false;
  if (!may_continue_) co_return Status();
  const std::array pieces{as_bytes(kContinue)};
  co_return co_await stream_.write(pieces, loop_.after(limits_.body_timeout));
}

Task<Result<std::size_t>> RequestBody::read(MutableBytes into) {
  if (error_) co_return fail(*error_);
  if (expects_continue_) {
    auto sent = co_await send_continue();
    if (!sent) co_return give_up(sent.error());
  }
  const auto bytes = static_cast<Nanos>(into.size());
  const Deadline whole =
      loop_.after(limits_.body_timeout + bytes * (kSecond / limits_.body_bytes_per_second));
  std::size_t done = 0;
  while (done < into.size() && !finished_) {
    auto count = co_await read_some(into.subspan(done), whole);
    if (!count) co_return give_up(count.error());
    done += *count;
  }
  co_return done;
}

// Returns 0 only when the body is finished.
Task<Result<std::size_t>> RequestBody::read_some(MutableBytes into, Deadline whole) {
  if (chunked_) {
    HYDRA_CO_CHECK_OK(co_await next_chunk(whole));
    if (finished_) co_return std::size_t{0};
  }
  const std::uint64_t due = chunked_ ? decoder_.data_left() : left_;
  into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), due)));
  std::size_t count = 0;
  if (const ByteView unread = input_.unread(); !unread.empty()) {
    count = std::min(into.size(), unread.size());
    std::memcpy(into.data(), unread.data(), count);
    input_.consume(count);
  } else {
    HYDRA_CO_TRY(count, co_await input_.read_direct(into, wait(whole)));
    if (count == 0) co_return fail(Code::kClosed);
  }
  if (chunked_) {
    decoder_.take(count);
  } else {
    left_ -= count;
    finished_ = left_ == 0;
  }
  co_return count;
}

// Reads framing until data is due or the body is finished.
Task<Status> RequestBody::next_chunk(Deadline whole) {
  while (decoder_.data_left() == 0) {
    HYDRA_CO_TRY(const std::size_t used, decoder_.feed(input_.unread()));
    input_.consume(used);
    finished_ = decoder_.done();
    if (finished_) break;
    if (decoder_.data_left() > 0 || !input_.unread().empty()) continue;
    HYDRA_CO_TRY(const std::size_t count, co_await input_.fill(wait(whole)));
    if (count == 0) co_return fail(Code::kClosed);
  }
  co_return Status();
}

Task<bool> RequestBody::drain(std::uint64_t limit) {
  if (failed()) co_return false;
  if (finished_) co_return true;
  if (withheld() || remaining().value_or(0) > limit) co_return false;
  Buffer scrap(kDrainBytes);
  scrap.resize(kDrainBytes);
  for (std::uint64_t dropped = 0; dropped <= limit;) {
    auto count = co_await read(scrap.span());
    if (!count) co_return false;
    if (finished_) co_return true;
    dropped += *count;
  }
  co_return false;
}

}  // namespace hydra::http
