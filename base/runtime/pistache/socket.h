// SocketStream: a connected TCP or unix socket as a Stream. It tries the system call first and
// waits for the descriptor only when that would block, or when the last read has emptied it. The
// state lives as long as a pending read or write, so that closing or destroying the stream under a
// waiting reader is safe: the reader gets kClosed.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/runtime/file_sending.h"
#include "base/runtime/io.h"
#include "base/runtime/pistache/pistache_loop.h"
#include "base/runtime/pistache/unique_fd.h"
#include "base/runtime/sync.h"

namespace hydra::runtime {

// What a SocketStream shares with its pending reads and writes. Belongs to one loop at a time, or
// to none while it moves between loops.
class Socket final : public FdWatcher {
 public:
  Socket(UniqueFd fd, std::string peer) : fd_(std::move(fd)), peer_(std::move(peer)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { close(); }

  Status attach(PistacheLoop& loop);
  void detach();
  void close();
  bool closed() const { return !fd_.valid(); }
  // Counts this connection in its loop's accepted_connections(), which the caller has incremented
  // already.
  void count_as_accepted() { counted_ = true; }

  static Task<Result<std::size_t>> read(std::shared_ptr<Socket> self, MutableBytes into,
                                        Deadline deadline);
  static Task<Status> write(std::shared_ptr<Socket> self, std::span<const ByteView> pieces,
                            Deadline deadline);
  static Task<Status> send(std::shared_ptr<Socket> self, const FileRun& run, Deadline deadline);
  // Waits until a non-blocking connect has ended; its outcome.
  static Task<Status> finish_connect(std::shared_ptr<Socket> self, Deadline deadline);

  PistacheLoop& loop() const { return *loop_; }
  int fd() const { return fd_.get(); }
  const std::string& peer() const { return peer_; }

 private:
  void on_ready(Readiness readiness) override;
  Status watch_writes(bool writes);
  // Waits until more can be written; false when the deadline passes first.
  static Task<Result<bool>> writable(std::shared_ptr<Socket> self, Deadline deadline);
  bool used_up_turn(std::size_t bytes);
  void uncount();

  UniqueFd fd_;
  std::string peer_;
  PistacheLoop* loop_ = nullptr;
  std::uint32_t token_ = 0;
  bool counted_ = false;
  bool readable_ = true;  // false: there is nothing to read until an event says so
  bool ended_ = false;    // the peer sends no more: reads end with 0, and no event will say so
  bool watching_writes_ = false;
  std::uint64_t turn_ = 0;  // the turn that the two below speak of
  std::size_t bytes_this_turn_ = 0;
  std::size_t calls_this_turn_ = 0;
  detail::WaitList readers_;
  detail::WaitList writers_;
};

class SocketStream final : public Stream, public FileSender {
 public:
  explicit SocketStream(std::shared_ptr<Socket> socket) : socket_(std::move(socket)) {}
  ~SocketStream() override { socket_->close(); }

  Task<Result<std::size_t>> read(MutableBytes into, Deadline deadline) override {
    return Socket::read(socket_, into, deadline);
  }
  Task<Status> write(std::span<const ByteView> pieces, Deadline deadline) override {
    return Socket::write(socket_, pieces, deadline);
  }
  Task<Status> send(const FileRun& run, Deadline deadline) override {
    return Socket::send(socket_, run, deadline);
  }
  void close() override { socket_->close(); }
  void move_to(Loop& target, std::unique_ptr<Stream> self,
               std::function<void(std::unique_ptr<Stream>)> then) override;
  std::string peer() const override { return socket_->peer(); }

 private:
  std::shared_ptr<Socket> socket_;
};

}  // namespace hydra::runtime
