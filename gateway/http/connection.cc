#include "gateway/http/connection.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/encoding.h"
#include "gateway/http/exchange.h"
#include "gateway/http/head_parser.h"
#include "gateway/http/input.h"
#include "gateway/http/response_head.h"

namespace hydra::http {

namespace {
// For the client to see our last words before the connection is cut: as long as each second brings
// so much more of what it had to say, but not for ever.
constexpr Nanos kLingerTime = kSecond;
constexpr std::uint64_t kLingerBytes = 256 * 1024;
constexpr Nanos kLongestLinger = 30 * kSecond;
constexpr std::size_t kMaxRefusing =
    64;  // connections that are being told 503; more are cut at once
constexpr std::size_t kScrapBytes = 16 * 1024;
}  // namespace

std::string render_plain_error(const Error& error, ResponseHead& head) {
  switch (error.code) {
    case Code::kBadRequest:
    case Code::kHeadersTooLarge:
      head.status = 400;
      break;
    case Code::kRequestTimeout:
      head.status = 408;
      break;
    case Code::kSlowDown:
      head.status = 503;
      break;
    default:
      head.status = 500;
      break;
  }
  head.add("Content-Type", "text/plain");
  return error.to_string() + "\n";
}

// Keeps a stream in the server's books for as long as its coroutine lives.
struct Server::Membership {
  Membership(Server& owner, Stream& member) : server(owner), stream(member) {
    server.open_.insert(&stream);
  }
  Membership(const Membership&) = delete;
  ~Membership() {
    server.idle_.erase(&stream);
    server.open_.erase(&stream);
    if (server.open_.empty()) server.empty_.set();
  }
  Server& server;
  Stream& stream;
};

// One connection's state and the steps of its life; lives in the frame of serve_connection.
class Connection {
 public:
  Connection(Server& server, Stream& stream)
      : server_(server),
        stream_(stream),
        input_(stream, server.options_.limits.head_bytes),
        parser_(server.options_.limits) {}

  Task<void> serve();
  // The answer of the connection itself; nothing is served after it.
  Task<void> answer(Error error);

 private:
  Task<Status> receive_head();
  Task<void> linger();

  Server& server_;
  Stream& stream_;
  Input input_;
  HeadParser parser_;
  Request request_;
};

Task<void> Connection::serve() {
  while (true) {
    auto head = co_await receive_head();
    if (!head) {
      if (head.error().code != Code::kClosed) co_await answer(head.error());
      co_return;
    }
    ++server_.requests_;
    ConnectionExchange exchange(server_, stream_, input_, request_);
    co_await server_.options_.handler(exchange);
    const auto next = co_await exchange.conclude();
    if (next == ConnectionExchange::Next::kLinger) co_await linger();
    if (next != ConnectionExchange::Next::kRequest) co_return;
  }
}

// kClosed: there is nobody to answer, or nothing to answer to.
Task<Status> Connection::receive_head() {
  const Limits& limits = server_.options_.limits;
  input_.rewind();
  parser_.reset();
  std::optional<Deadline> whole;
  while (true) {
    if (!input_.unread().empty()) {
      if (!whole) whole = server_.loop_.after(limits.head_timeout);
      HYDRA_CO_TRY(const auto length, parser_.feed(as_text(input_.unread()), request_));
      if (length) {
        input_.consume(*length);
        input_.pin();
        co_return Status();
      }
    } else if (server_.stopping_) {
      co_return fail(Code::kClosed);
    } else {
      server_.idle_.insert(&stream_);
    }
    auto count = co_await input_.fill(whole ? *whole : server_.loop_.after(limits.idle_timeout));
    server_.idle_.erase(&stream_);
    if (!count && count.error().code == Code::kTimeout && whole)
      co_return fail(Code::kRequestTimeout, "the request head did not come in time");
    if (!count || *count == 0) co_return fail(Code::kClosed);
  }
}

Task<void> Connection::answer(Error error) {
  ResponseHead head;
  const std::string body = server_.options_.render_error(error, head);
  std::string text;
  append_response_head(text, head, {.length = body.size(), .close = true}, server_.date());
  text += body;
  const std::array pieces{as_bytes(text)};
  auto sent = co_await stream_.write(pieces, server_.loop_.after(kLingerTime));
  if (sent) co_await linger();
}

// Closing a socket with unread input makes the kernel send a reset, which can overtake our answer
// on its way. So the client gets time to see it and to hang up first; many look only when they have
// sent all.
Task<void> Connection::linger() {
  const Nanos end = server_.loop_.now() + kLongestLinger;
  Buffer scrap(kScrapBytes);
  scrap.resize(kScrapBytes);
  while (server_.loop_.now() < end) {
    const Deadline deadline = server_.loop_.after(kLingerTime);
    for (std::uint64_t dropped = 0; dropped < kLingerBytes;) {
      auto count = co_await stream_.read(scrap.span(), deadline);
      if (!count || *count == 0) co_return;
      dropped += *count;
    }
  }
}

Server::Server(Loop& loop, ServerOptions options)
    : loop_(loop), options_(std::move(options)), empty_(loop) {
  HYDRA_ASSERT(options_.handler != nullptr && options_.render_error != nullptr);
  empty_.set();
}

std::shared_ptr<Server> Server::create(Loop& loop, ServerOptions options) {
  return std::shared_ptr<Server>(new Server(loop, std::move(options)));
}

AcceptHandler Server::acceptor() {
  return [self = shared_from_this()](std::unique_ptr<Stream> stream) {
    self->serve(std::move(stream));
  };
}

void Server::serve(std::unique_ptr<Stream> stream) {
  loop_.spawn(serve_connection(shared_from_this(), std::move(stream)));
}

Task<void> serve_connection(std::shared_ptr<Server> server, std::unique_ptr<Stream> stream) {
  if (server->stopping_) co_return;
  if (server->open_.size() >= server->options_.max_connections)
    co_return co_await Server::refuse(std::move(server), std::move(stream));
  server->empty_.reset();
  const Server::Membership membership(*server, *stream);
  Connection connection(*server, *stream);
  co_await connection.serve();
}

Task<void> Server::refuse(std::shared_ptr<Server> self, std::unique_ptr<Stream> stream) {
  if (self->refusing_ >= kMaxRefusing) co_return;
  struct Count {
    std::size_t& of;
    ~Count() { --of; }
  };
  const Count count{++self->refusing_};
  Connection connection(*self, *stream);
  co_await connection.answer({Code::kSlowDown, "this server has too many connections"});
}

void Server::stop() {
  stopping_ = true;
  const std::vector<Stream*> idle(idle_.begin(), idle_.end());
  for (Stream* stream : idle) stream->close();
}

Task<bool> Server::drained(Deadline deadline) { return empty_.wait(deadline); }

void Server::cut_all() {
  stopping_ = true;
  const std::vector<Stream*> open(open_.begin(), open_.end());
  for (Stream* stream : open) stream->close();
}

std::string_view Server::date() {
  const std::int64_t wall_ms = loop_.wall_ms();
  if (wall_ms / 1000 != date_second_) {
    date_second_ = wall_ms / 1000;
    date_ = format_http_date(wall_ms);
  }
  return date_;
}

}  // namespace hydra::http
