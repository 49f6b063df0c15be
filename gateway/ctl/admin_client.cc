#include "gateway/ctl/admin_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

namespace hydra::ctl {

namespace {

constexpr std::size_t kMaxResponseBytes = 64u << 20;

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<Error> failed(std::string_view socket, int error) {
  if (error == EAGAIN || error == EWOULDBLOCK)
    return fail(Code::kTimeout, std::string(socket) + ": no answer");
  const bool absent = error == ENOENT || error == ECONNREFUSED;
  return fail(absent ? Code::kUnavailable : Code::kIo,
              std::string(socket) + ": " + std::strerror(error));
}

// An address has room for 107 bytes: a longer path is reached through its directory.
bool connect_to(const Fd& socket, std::string path, std::chrono::seconds patience) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto slash = path.rfind('/');
  const bool long_path = path.size() >= sizeof address.sun_path && slash != std::string::npos;
  const Fd directory(
      long_path ? ::open(path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC) : -1);
  if (long_path && directory.get() < 0) return false;
  if (long_path) path = "/proc/self/fd/" + std::to_string(directory.get()) + path.substr(slash);
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return false;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const timeval limit{patience.count(), 0};
  return socket.get() >= 0 &&
         ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
         ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
         ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

// The value of a field of the head, or nullopt. Names are as our gateway writes them.
std::optional<std::uint64_t> content_length(std::string_view head) {
  constexpr std::string_view kName = "\r\nContent-Length: ";
  const auto at = head.find(kName);
  if (at == std::string_view::npos) return std::nullopt;
  std::uint64_t value = 0;
  const char* begin = head.data() + at + kName.size();
  const auto parsed = std::from_chars(begin, head.data() + head.size(), value);
  if (parsed.ec != std::errc()) return std::nullopt;
  return value;
}

}  // namespace

Result<Answer> parse_answer(std::string_view response) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  const auto end = response.find("\r\n\r\n");
  if (end == std::string_view::npos || !response.starts_with(kVersion))
    return fail(Code::kCorrupt, "what answers is no gateway");
  const std::string_view head = response.substr(0, end);
  Answer answer;
  const char* digits = head.data() + kVersion.size();
  const auto parsed = std::from_chars(digits, head.data() + head.size(), answer.status);
  if (parsed.ec != std::errc() || parsed.ptr != digits + 3)
    return fail(Code::kCorrupt, "what answers is no gateway");
  answer.body = response.substr(end + 4);
  if (content_length(head) != answer.body.size())
    return fail(Code::kCorrupt, "the answer was cut off");
  return answer;
}

Result<Answer> ask(std::string_view socket, const AdminRequest& request) {
  if (socket.starts_with("unix:")) socket.remove_prefix(5);
  if (socket.empty()) return fail(Code::kInvalidArgument, "the path of the socket is empty");
  const Fd connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!connect_to(connection, std::string(socket), request.patience)) return failed(socket, errno);
  const std::string bytes = fmt::format(
      "{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
      request.method, request.target, request.body.size(), request.body);
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t took =
        ::send(connection.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (took < 0 && errno == EINTR) continue;
    if (took < 0) return failed(socket, errno);
    sent += static_cast<std::size_t>(took);
  }
  std::string response;
  char piece[16384];
  for (;;) {
    const ssize_t got = ::recv(connection.get(), piece, sizeof piece, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(socket, errno);
    if (got == 0) break;
    response.append(piece, static_cast<std::size_t>(got));
    if (response.size() > kMaxResponseBytes)
      return fail(Code::kTooLarge, std::string(socket) + ": an answer without end");
  }
  auto answer = parse_answer(response);
  if (!answer)
    return fail(answer.error().code, std::string(socket) + ": " + answer.error().message);
  return answer;
}

}  // namespace hydra::ctl
