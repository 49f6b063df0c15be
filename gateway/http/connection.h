// The HTTP/1.1 server of one worker: a coroutine per connection, keep-alive, sequential pipelining,
// 100 Continue, deadlines, and a graceful stop. Streams come from an Acceptor (plain or TLS); what
// is served is the Handler's.
//
// A Server and all its connections belong to one loop; every method is called there. Connections
// hold the server by shared_ptr, so that it may be dropped while they end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "base/runtime/io.h"
#include "base/runtime/sync.h"
#include "gateway/http/http.h"

namespace hydra::http {

// Renders an error that no handler can answer (bad head, timeout, overload, a handler that did not
// respond): sets status and fields, returns the body.
using ErrorRenderer = std::function<std::string(const Error&, ResponseHead&)>;

// A one-line text body; what a server without a renderer of its own uses.
std::string render_plain_error(const Error& error, ResponseHead& head);

struct ServerOptions {
  Handler handler;
  ErrorRenderer render_error = render_plain_error;
  Limits limits;
  std::size_t max_connections = 4096;  // of this worker; over it: 503 SlowDown, then close
};

class Server : public std::enable_shared_from_this<Server> {
 public:
  static std::shared_ptr<Server> create(Loop& loop, ServerOptions options);

  // Serves the stream in a task of its own.
  void serve(std::unique_ptr<Stream> stream);
  // An AcceptHandler that serves; it keeps the server alive.
  AcceptHandler acceptor();

  // Graceful stop: idle connections close now, the others after the response they are at.
  void stop();
  bool stopping() const { return stopping_; }
  // After stop(): true when the last connection is gone, false when the deadline passed first.
  Task<bool> drained(Deadline deadline);
  // Cuts every connection in the middle; for the end of the grace period.
  void cut_all();

  std::size_t open_connections() const { return open_.size(); }
  std::uint64_t requests() const { return requests_; }

 private:
  friend class Connection;
  friend class ConnectionExchange;
  friend Task<void> serve_connection(std::shared_ptr<Server>, std::unique_ptr<Stream>);
  struct Membership;

  Server(Loop& loop, ServerOptions options);
  static Task<void> refuse(std::shared_ptr<Server> self, std::unique_ptr<Stream> stream);
  std::string_view date();

  Loop& loop_;
  ServerOptions options_;
  bool stopping_ = false;
  std::unordered_set<Stream*> open_;
  std::unordered_set<Stream*> idle_;  // waiting for the first byte of a request
  std::size_t refusing_ = 0;
  std::uint64_t requests_ = 0;
  Event empty_;
  std::int64_t date_second_ = -1;
  std::string date_;
};

// Serves one connection until it ends; what Server::serve spawns.
Task<void> serve_connection(std::shared_ptr<Server> server, std::unique_ptr<Stream> stream);

}  // namespace hydra::http
