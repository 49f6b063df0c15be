#include "base/runtime/pistache/socket.h"

#include <limits.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/runtime/pistache/disk.h"
#include "base/runtime/pistache/system_error.h"

namespace hydra::runtime {

namespace {

// After so much in one turn of the loop a socket lets the others have theirs.
constexpr std::size_t kBytesPerTurn = 4u << 20;
constexpr std::size_t kCallsPerTurn = 64;

// Where a gathering write stands.
struct WriteCursor {
  std::span<const ByteView> pieces;
  std::size_t offset = 0;  // into the first piece

  void skip_empty() {
    while (!pieces.empty() && offset == pieces[0].size()) {
      pieces = pieces.subspan(1);
      offset = 0;
    }
  }
  bool done() const { return pieces.empty(); }
  void advance(std::size_t bytes) {
    while (bytes > 0) {
      const std::size_t step = std::min(bytes, pieces[0].size() - offset);
      offset += step;
      bytes -= step;
      skip_empty();
    }
  }
};

ssize_t or_errno(ssize_t result) { return result >= 0 ? result : -errno; }

// One sendmsg of as many pieces as it takes. Bytes sent, or -errno.
ssize_t send_some(int fd, const WriteCursor& cursor) {
  iovec vectors[IOV_MAX];
  std::size_t count = 0;
  std::size_t offset = cursor.offset;
  for (const ByteView piece : cursor.pieces) {
    if (count == IOV_MAX) break;
    if (piece.size() > offset)
      vectors[count++] = {const_cast<std::byte*>(piece.data() + offset), piece.size() - offset};
    offset = 0;
  }
  msghdr message{};
  message.msg_iov = vectors;
  message.msg_iovlen = count;
  return or_errno(::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
}

ssize_t receive_some(int fd, MutableBytes into) {
  return or_errno(::recv(fd, into.data(), into.size(), MSG_DONTWAIT));
}

bool would_block(ssize_t result) { return result == -EAGAIN || result == -EWOULDBLOCK; }

tl::unexpected<Error> socket_failure(ssize_t negative_errno, const char* call) {
  const int error = static_cast<int>(-negative_errno);
  // The network gave up on the peer: the stream is over, whatever the caller's deadline was.
  return fail_errno(error == ETIMEDOUT ? Code::kClosed : code_of_errno(error), error, call);
}

tl::unexpected<Error> closed_here() { return fail(Code::kClosed, "the stream is closed"); }

}  // namespace

Status Socket::attach(PistacheLoop& loop) {
  HYDRA_ASSERT(loop_ == nullptr && fd_.valid());
  HYDRA_TRY(token_, loop.watch(fd_.get(), *this, false));
  loop_ = &loop;
  readable_ = true;
  watching_writes_ = false;
  turn_ = 0;
  return {};
}

void Socket::uncount() {
  if (std::exchange(counted_, false)) --loop_->accepted_connections();
}

void Socket::detach() {
  if (loop_ == nullptr) return;
  uncount();
  std::exchange(loop_, nullptr)->unwatch(fd_.get(), token_);
}

void Socket::close() {
  if (!fd_.valid()) return;
  detach();
  fd_.reset();
  readers_.resume_all();
  writers_.resume_all();
}

void Socket::on_ready(Readiness readiness) {
  ended_ = ended_ || readiness.ended;
  if (readiness.readable) {
    readable_ = true;
    readers_.resume_all();
  }
  if (!readiness.writable) return;
  // Where nobody waits to write such events only cost turns of the loop.
  if (watching_writes_ && writers_.empty()) (void)watch_writes(false);
  writers_.resume_all();
}

Status Socket::watch_writes(bool writes) {
  HYDRA_CHECK_OK(loop_->watch_writes(fd_.get(), token_, writes));
  watching_writes_ = writes;
  return {};
}

Task<Result<bool>> Socket::writable(std::shared_ptr<Socket> self, Deadline deadline) {
  if (!self->watching_writes_) HYDRA_CO_CHECK_OK(self->watch_writes(true));
  co_return co_await detail::Waiter(self->loop(), self->writers_, deadline);
}

bool Socket::used_up_turn(std::size_t bytes) {
  if (turn_ != loop_->turn()) {
    turn_ = loop_->turn();
    bytes_this_turn_ = calls_this_turn_ = 0;
  }
  bytes_this_turn_ += bytes;
  return ++calls_this_turn_ > kCallsPerTurn || bytes_this_turn_ > kBytesPerTurn;
}

Task<Result<std::size_t>> Socket::read(std::shared_ptr<Socket> self, MutableBytes into,
                                       Deadline deadline) {
  HYDRA_ASSERT(!into.empty());
  for (;;) {
    if (self->closed()) co_return closed_here();
    const ssize_t received = self->readable_ ? receive_some(self->fd(), into) : -EAGAIN;
    if (received >= 0) {
      // Less than was asked for: all that there was (epoll(7), about edge-triggered streams).
      if (static_cast<std::size_t>(received) < into.size() && !self->ended_)
        self->readable_ = false;
      if (self->used_up_turn(static_cast<std::size_t>(received))) co_await self->loop().next_turn();
      co_return static_cast<std::size_t>(received);
    }
    if (received == -EINTR) continue;
    if (!would_block(received)) co_return socket_failure(received, "recv");
    self->readable_ = false;
    if (!co_await detail::Waiter(self->loop(), self->readers_, deadline))
      co_return fail(Code::kTimeout, "nothing came in time");
  }
}

Task<Status> Socket::write(std::shared_ptr<Socket> self, std::span<const ByteView> pieces,
                           Deadline deadline) {
  WriteCursor cursor{pieces};
  cursor.skip_empty();
  while (!cursor.done()) {
    if (self->closed()) co_return closed_here();
    const ssize_t sent = send_some(self->fd(), cursor);
    if (sent >= 0) {
      cursor.advance(static_cast<std::size_t>(sent));
      if (self->used_up_turn(static_cast<std::size_t>(sent))) co_await self->loop().next_turn();
      continue;
    }
    if (sent == -EINTR) continue;
    if (!would_block(sent)) co_return socket_failure(sent, "send");
    HYDRA_CO_TRY(const bool more, co_await writable(self, deadline));
    if (!more) co_return fail(Code::kTimeout, "the peer took too long to read");
  }
  co_return Status();
}

// The descriptor of every socket is non-blocking, which is all that sendfile(2) heeds.
Task<Status> Socket::send(std::shared_ptr<Socket> self, const FileRun& run, Deadline deadline) {
  const int file = static_cast<const DescriptorFile*>(run.file)->descriptor();
  auto at = static_cast<off_t>(run.offset);
  const auto end = static_cast<off_t>(run.offset + run.length);
  while (at < end) {
    if (self->closed()) co_return closed_here();
    const ssize_t sent =
        or_errno(::sendfile(self->fd(), file, &at, static_cast<std::size_t>(end - at)));
    if (sent > 0) {
      if (self->used_up_turn(static_cast<std::size_t>(sent))) co_await self->loop().next_turn();
      continue;
    }
    if (sent == 0) co_return fail(Code::kIo, "the file ended before what was to be sent");
    if (sent == -EINTR) continue;
    if (!would_block(sent)) co_return socket_failure(sent, "sendfile");
    HYDRA_CO_TRY(const bool more, co_await writable(self, deadline));
    if (!more) co_return fail(Code::kTimeout, "the peer took too long to read");
  }
  co_return Status();
}

Task<Status> Socket::finish_connect(std::shared_ptr<Socket> self, Deadline deadline) {
  HYDRA_CO_TRY(const bool ready, co_await writable(self, deadline));
  if (!ready) co_return fail(Code::kTimeout, "no connection in time");
  if (self->closed()) co_return closed_here();
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(self->fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) co_return fail_errno(Code::kUnavailable, error, "connect");
  co_return Status();
}

void SocketStream::move_to(Loop& target, std::unique_ptr<Stream> self,
                           std::function<void(std::unique_ptr<Stream>)> then) {
  HYDRA_ASSERT(self.get() == this);
  socket_->detach();
  auto& loop = static_cast<PistacheLoop&>(target);
  auto stream = std::make_shared<std::unique_ptr<Stream>>(std::move(self));
  loop.post([&loop, socket = socket_, stream, then = std::move(then)] {
    // A descriptor that cannot be watched is useless: its first read then says kClosed.
    if (!socket->closed() && !socket->attach(loop)) socket->close();
    then(std::move(*stream));
  });
}

}  // namespace hydra::runtime
