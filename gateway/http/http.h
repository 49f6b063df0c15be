// HTTP/1.1 as the gateway speaks it (RFC 9110, RFC 9112): the request, and the exchange a handler
// works on.
//
// A connection is one coroutine on its worker's loop (connection.h); head_parser.h is sans-I/O. An
// Exchange lives for one request and belongs to the connection.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/runtime/io.h"
#include "base/runtime/source.h"

namespace hydra::http {

struct Limits {
  std::size_t head_bytes = 16 * 1024;
  std::size_t fields = 100;
  std::size_t target_bytes = 8 * 1024;
  Nanos head_timeout = 10 * kSecond;  // from the first byte of a head to its end
  Nanos idle_timeout = 60 * kSecond;  // between requests
  Nanos body_timeout = 30 * kSecond;  // for each read of a body, and each write of a response
  std::int64_t body_bytes_per_second = 1024;  // slower bodies are given up, after body_timeout
  std::uint64_t drain_bytes = 256 * 1024;  // of an unread body, to keep the connection; more: close
};

struct Field {
  std::string_view name;   // as sent
  std::string_view value;  // trimmed
};

// A parsed head. The views point into memory owned by the connection, valid for the whole exchange.
struct Request {
  std::string_view method;
  std::string_view target;  // as sent
  std::string_view path;    // of the target, still encoded, begins with '/'
  std::string_view query;   // of the target, still encoded, without '?'
  int minor_version = 1;    // HTTP/1.0 or 1.1
  std::vector<Field> fields;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;  // Transfer-Encoding: chunked
  bool expects_continue = false;
  bool keep_alive = true;

  // The first field of that name (any case), or nullopt.
  std::optional<std::string_view> field(std::string_view name) const;
  std::size_t count(std::string_view name) const;
};

struct ResponseHead {
  int status = 200;
  std::vector<std::pair<std::string, std::string>>
      fields;  // without Content-Length, Date, Connection
  void add(std::string name, std::string value) {
    fields.emplace_back(std::move(name), std::move(value));
  }
};

class Exchange : public ByteSink {
 public:
  virtual const Request& request() const = 0;
  virtual std::string peer() const = 0;
  virtual bool encrypted() const = 0;
  virtual Loop& loop() = 0;

  // The request's body with HTTP framing removed. 100 Continue is sent on the first read, if it was
  // asked for. kIncompleteBody when the client stops early, kRequestTimeout when it stalls.
  virtual ByteSource& body() = 0;

  // A whole response. For HEAD requests the body's length is announced and its bytes are not sent.
  virtual Task<Status> respond(ResponseHead head, std::string_view body) = 0;
  // A streamed response: start, then write() as often as needed, then finish(). Without a length:
  // chunked. For HEAD nothing follows the head. If finish() comes before `length` bytes were
  // written, or is never called, the connection is cut, so that the client sees the failure.
  virtual Task<Status> start(ResponseHead head, std::optional<std::uint64_t> length) = 0;
  virtual Task<Status> finish() = 0;
  virtual bool started() const = 0;
  // The connection closes after this exchange.
  virtual void close_after() = 0;
};

// Must respond exactly once; when it returns without having done so the connection answers 500 and
// closes.
using Handler = std::function<Task<void>(Exchange&)>;

}  // namespace hydra::http
