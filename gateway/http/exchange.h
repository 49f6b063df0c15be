// The Exchange that a connection hands to its handler: framing of the response, and the decision
// whether the connection can live on. Internal to gateway/http.
#pragma once

#include <array>
#include <string>

#include "gateway/http/connection.h"
#include "gateway/http/request_body.h"

namespace hydra::http {

class ConnectionExchange final : public Exchange {
 public:
  ConnectionExchange(Server& server, Stream& stream, Input& input, const Request& request);

  const Request& request() const override { return request_; }
  std::string peer() const override { return stream_.peer(); }
  bool encrypted() const override { return stream_.encrypted(); }
  Loop& loop() override { return server_.loop_; }
  ByteSource& body() override { return body_; }

  Task<Status> respond(ResponseHead head, std::string_view body) override;
  Task<Status> start(ResponseHead head, std::optional<std::uint64_t> length) override;
  Task<Status> write(ByteView bytes) override;
  Task<Status> finish() override;
  bool started() const override { return state_ != State::kFresh; }
  void close_after() override { close_after_ = true; }

  // After the handler: completes the exchange, and says how the connection goes on.
  enum class Next : std::uint8_t {
    kRequest,  // the next request may come
    kLinger,   // close, but let the client read the response first: it is still sending
    kClose,    // close now
  };
  Task<Next> conclude();

 private:
  enum class State : std::uint8_t { kFresh, kStarted, kFinished, kBroken };

  void begin(const ResponseHead& head, std::optional<std::uint64_t> length);
  bool must_close() const;
  Task<Status> send(ByteView a, ByteView b, ByteView c);

  Server& server_;
  Stream& stream_;
  const Request& request_;
  RequestBody body_;
  State state_ = State::kFresh;
  bool bodiless_ = false;  // HEAD, or a status without a body
  bool chunked_ = false;
  bool close_after_ = false;
  bool closing_ = false;  // announced, or the only way to end the response
  std::optional<std::uint64_t> length_;
  std::uint64_t written_ = 0;
  std::string head_;  // not sent yet: goes out with the first bytes of the body
};

}  // namespace hydra::http
