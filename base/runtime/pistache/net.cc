#include "base/runtime/pistache/net.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/runtime/pistache/address.h"
#include "base/runtime/pistache/pistache_loop.h"
#include "base/runtime/pistache/socket.h"
#include "base/runtime/pistache/system_error.h"

namespace hydra::runtime {

namespace {

constexpr int kBacklog = 1024;
constexpr int kUnixBufferBytes = 1 << 20;
constexpr int kAcceptsPerEvent = 64;
constexpr Nanos kAcceptPause = 50 * kMillisecond;   // when the process is out of descriptors
constexpr Nanos kConnectPause = 10 * kMillisecond;  // when a unix listener's backlog is full

UniqueFd new_socket(int family) {
  return UniqueFd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// Is anybody listening there? A stale socket file refuses.
bool answers(const SocketAddress& address) {
  const UniqueFd probe = new_socket(AF_UNIX);
  return probe.valid() &&
         (::connect(probe.get(), address.get(), address.size) == 0 || errno == EAGAIN);
}

// Listens until destroyed. Kept alive by the acceptor and by a turn that is inside it.
class ListenSocket final : public FdWatcher, public std::enable_shared_from_this<ListenSocket> {
 public:
  ListenSocket(PistacheLoop& loop, UniqueFd fd, AcceptHandler handler, std::string unix_path)
      : loop_(loop),
        fd_(std::move(fd)),
        handler_(std::move(handler)),
        unix_path_(std::move(unix_path)) {
    struct stat info;
    if (!unix_path_.empty() && ::lstat(unix_path_.c_str(), &info) == 0) inode_ = info.st_ino;
  }

  Status start() {
    HYDRA_TRY(token_, loop_.watch(fd_.get(), *this, false));
    watching_ = true;
    return {};
  }

  void stop() {
    if (!fd_.valid()) return;
    if (watching_) loop_.unwatch(fd_.get(), token_);
    if (pause_ != 0) loop_.cancel(pause_);
    struct stat info;
    // Another process may have taken the path over since.
    if (!unix_path_.empty() && ::lstat(unix_path_.c_str(), &info) == 0 && info.st_ino == inode_)
      ::unlink(unix_path_.c_str());
    fd_.reset();
  }

 private:
  void on_ready(Readiness) override { accept_some(); }

  void accept_some() {
    const auto self = shared_from_this();  // the handler may destroy the acceptor
    for (int count = 0; fd_.valid(); ++count) {
      if (count == kAcceptsPerEvent) return again_at(0);
      SocketAddress from;
      from.size = sizeof from.storage;
      UniqueFd fd(::accept4(fd_.get(), from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd.valid()) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) return;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
          return again_at(loop_.now() + kAcceptPause);
        continue;  // that connection is gone already
      }
      const bool is_unix = !unix_path_.empty();
      tune_socket(fd.get(), is_unix);
      auto socket = std::make_shared<Socket>(std::move(fd), is_unix ? "unix" : text_of(from));
      if (socket->attach(loop_)) handler_(std::make_unique<SocketStream>(std::move(socket)));
    }
  }

  void again_at(Nanos at) {
    if (pause_ != 0) return;
    pause_ = loop_.call_at(at, [this] {
      pause_ = 0;
      accept_some();
    });
  }

  PistacheLoop& loop_;
  UniqueFd fd_;
  AcceptHandler handler_;
  std::string unix_path_;
  ino_t inode_ = 0;
  std::uint32_t token_ = 0;
  bool watching_ = false;
  Loop::TimerId pause_ = 0;
};

class SocketAcceptor final : public Acceptor {
 public:
  SocketAcceptor(std::shared_ptr<ListenSocket> socket, Address local)
      : socket_(std::move(socket)), local_(std::move(local)) {}
  ~SocketAcceptor() override { socket_->stop(); }
  Address local() const override { return local_; }

 private:
  std::shared_ptr<ListenSocket> socket_;
  Address local_;
};

Result<UniqueFd> bound_tcp_socket(const Address& at) {
  HYDRA_TRY(const HostPort host_port, parse_host_port(at));
  HYDRA_TRY(const auto addresses, resolve(host_port, true, false));
  int error = EADDRNOTAVAIL;
  for (const SocketAddress& address : addresses) {
    UniqueFd fd = new_socket(address.family());
    const int one = 1;
    if (fd.valid() && ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        ::bind(fd.get(), address.get(), address.size) == 0 && ::listen(fd.get(), kBacklog) == 0)
      return fd;
    error = errno;
  }
  if (error == EADDRINUSE) return fail(Code::kAlreadyExists, at.text + " is already in use");
  return fail_errno(error, "cannot listen on " + at.text);
}

Result<UniqueFd> bound_unix_socket(const Address& at) {
  HYDRA_TRY(const SocketAddress address, unix_address(at));
  UniqueFd fd = new_socket(AF_UNIX);
  if (!fd.valid()) return fail_errno(errno, "socket");
  ::fchmod(fd.get(), 0600);  // before bind: the socket file is made with this mode
  int error = ::bind(fd.get(), address.get(), address.size) == 0 ? 0 : errno;
  if (error == EADDRINUSE && !answers(address)) {
    const char* const path = reinterpret_cast<const sockaddr_un*>(address.get())->sun_path;
    struct stat info;
    if (::lstat(path, &info) == 0 && S_ISSOCK(info.st_mode)) ::unlink(path);
    error = ::bind(fd.get(), address.get(), address.size) == 0 ? 0 : errno;
  }
  if (error == 0 && ::listen(fd.get(), kBacklog) != 0) error = errno;
  if (error == 0) return fd;
  if (error == EADDRINUSE) return fail(Code::kAlreadyExists, at.text + " is already in use");
  return fail_errno(error, "cannot listen on " + at.text);
}

// The outcome of a name lookup on the pool; outlives a caller that lost patience.
struct Lookup {
  explicit Lookup(Loop& loop) : done(loop) {}
  Result<std::vector<SocketAddress>> result = fail(Code::kInternal);
  Event done;
};

class PistacheNet final : public Net {
 public:
  explicit PistacheNet(PistacheLoop& loop) : loop_(loop) {}

  Task<Result<std::unique_ptr<Stream>>> connect(Address to, Deadline deadline) override {
    return connect_on(loop_, std::move(to), deadline);
  }

  Result<std::unique_ptr<Acceptor>> listen(Address at, AcceptHandler handler) override {
    HYDRA_TRY(UniqueFd fd, at.is_unix() ? bound_unix_socket(at) : bound_tcp_socket(at));
    Address local = at;
    if (!at.is_unix()) {
      SocketAddress name;
      name.size = sizeof name.storage;
      if (::getsockname(fd.get(), name.get(), &name.size) == 0) local.text = text_of(name);
    }
    auto socket = std::make_shared<ListenSocket>(loop_, std::move(fd), std::move(handler),
                                                 at.is_unix() ? at.text.substr(5) : std::string());
    auto acceptor = std::make_unique<SocketAcceptor>(socket, std::move(local));
    HYDRA_CHECK_OK(socket->start());
    return acceptor;
  }

 private:
  using Connected = Result<std::unique_ptr<Stream>>;

  static Task<Result<std::vector<SocketAddress>>> look_up(PistacheLoop& loop, HostPort at,
                                                          Deadline deadline) {
    auto numeric = resolve(at, false, true);
    if (!numeric || !numeric->empty()) co_return numeric;
    auto lookup = std::make_shared<Lookup>(loop);
    loop.offload([lookup, at] { lookup->result = resolve(at, false, false); },
                 [lookup] { lookup->done.set(); });
    if (!co_await lookup->done.wait(deadline))
      co_return fail(Code::kTimeout, "resolving " + at.host);
    co_return lookup->result;
  }

  static Task<Connected> connect_on(PistacheLoop& loop, Address to, Deadline deadline) {
    if (to.is_unix()) {
      HYDRA_CO_TRY(const SocketAddress address, unix_address(to));
      co_return co_await connect_unix(loop, address, std::move(to), deadline);
    }
    HYDRA_CO_TRY(HostPort host_port, parse_host_port(to));
    HYDRA_CO_TRY(const auto addresses, co_await look_up(loop, std::move(host_port), deadline));
    Connected outcome = fail(Code::kUnavailable, "no address for " + to.text);
    for (const SocketAddress& address : addresses) {
      outcome = co_await connect_tcp(loop, address, deadline);
      if (outcome || outcome.error().code == Code::kTimeout) break;
    }
    co_return outcome;
  }

  static Task<Connected> connect_tcp(PistacheLoop& loop, SocketAddress address, Deadline deadline) {
    UniqueFd fd = new_socket(address.family());
    if (!fd.valid()) co_return fail_errno(errno, "socket");
    tune_socket(fd.get(), false);
    const int error = ::connect(fd.get(), address.get(), address.size) == 0 ? 0 : errno;
    if (error != 0 && error != EINPROGRESS)
      co_return fail_errno(Code::kUnavailable, error, "connect to " + text_of(address));
    auto socket = std::make_shared<Socket>(std::move(fd), text_of(address));
    HYDRA_CO_CHECK_OK(socket->attach(loop));
    if (error == EINPROGRESS) {
      const Status connected = co_await Socket::finish_connect(socket, deadline);
      if (!connected)
        co_return fail(connected.error().code,
                       connected.error().message + " (" + text_of(address) + ")");
    }
    co_return std::make_unique<SocketStream>(std::move(socket));
  }

  static Task<Connected> connect_unix(PistacheLoop& loop, SocketAddress address, Address to,
                                      Deadline deadline) {
    UniqueFd fd = new_socket(AF_UNIX);
    if (!fd.valid()) co_return fail_errno(errno, "socket");
    tune_socket(fd.get(), true);
    while (::connect(fd.get(), address.get(), address.size) != 0) {
      if (errno != EAGAIN) co_return fail_errno(Code::kUnavailable, errno, "connect to " + to.text);
      if (loop.now() >= deadline.at) co_return fail(Code::kTimeout, to.text + " is too busy");
      co_await sleep_until(loop, std::min(loop.now() + kConnectPause, deadline.at));
    }
    auto socket = std::make_shared<Socket>(std::move(fd), "unix");
    HYDRA_CO_CHECK_OK(socket->attach(loop));
    co_return std::make_unique<SocketStream>(std::move(socket));
  }

  PistacheLoop& loop_;
};

}  // namespace

void tune_socket(int fd, bool is_unix) {
  if (is_unix) {
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kUnixBufferBytes, sizeof kUnixBufferBytes);
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kUnixBufferBytes, sizeof kUnixBufferBytes);
  } else {
    const int one = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
}

std::unique_ptr<Net> make_net(PistacheLoop& loop) { return std::make_unique<PistacheNet>(loop); }

}  // namespace hydra::runtime
