#include "bench/load/engine.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace hydra::bench {

namespace {

constexpr std::size_t kReceiveBytes = 256 * 1024;
constexpr std::size_t kSendBytes = 1 << 20;  // of one stream before the others get a turn
constexpr std::size_t kMaxText = 4 << 20;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kMaxFailedConnects = 100;

std::int64_t now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

std::string errno_text() { return std::strerror(errno); }

std::int64_t in_ns(double seconds) { return static_cast<std::int64_t>(seconds * 1e9); }

}  // namespace

Engine::Engine(EngineOptions options, const Workload& workload, const Payload& payload)
    : options_(std::move(options)),
      workload_(workload),
      payload_(payload),
      streams_(options_.streams),
      buffer_(new char[kReceiveBytes]) {
  if (options_.rate > 0)
    schedule_.emplace(options_.rate, options_.poisson, workload.options().seed);
}

Engine::~Engine() {
  for (Stream& stream : streams_) disconnect(stream);
  if (epoll_ >= 0) close(epoll_);
}

Status Engine::resolve() {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(options_.host.c_str(), options_.port.c_str(), &hints, &found);
  if (error != 0) return fail(Code::kUnavailable, options_.host + ": " + gai_strerror(error));
  std::memcpy(&address_, found->ai_addr, found->ai_addrlen);
  address_bytes_ = found->ai_addrlen;
  freeaddrinfo(found);
  return {};
}

Status Engine::connect(Stream& stream) {
  stream.fd = socket(address_.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (stream.fd < 0) return fail(Code::kIo, "socket: " + errno_text());
  const int on = 1;
  setsockopt(stream.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event event{EPOLLIN, {.u64 = static_cast<std::uint64_t>(&stream - streams_.data())}};
  if (::connect(stream.fd, reinterpret_cast<sockaddr*>(&address_), address_bytes_) != 0 ||
      epoll_ctl(epoll_, EPOLL_CTL_ADD, stream.fd, &event) != 0) {
    const std::string why = errno_text();
    disconnect(stream);
    return fail(Code::kUnavailable, "connect: " + why);
  }
  stream.wants_write = false;
  return {};
}

void Engine::disconnect(Stream& stream) {
  if (stream.fd >= 0) close(stream.fd);
  stream.fd = -1;
}

Result<Report> Engine::run() {
  HYDRA_CHECK_OK(resolve());
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return fail(Code::kIo, "epoll: " + errno_text());
  for (std::size_t i = streams_.size(); i-- > 0;) {
    HYDRA_CHECK_OK(connect(streams_[i]));
    idle_.push_back(i);
  }
  start_ns_ = now_ns();
  next_check_ns_ = start_ns_ + kSecond;
  for (;;) {
    const std::int64_t now = now_ns();
    start_due(now);
    if (idle_.size() == streams_.size() && exhausted(now)) break;
    if (failed_connects_ >= kMaxFailedConnects)
      return fail(Code::kUnavailable, "the server is gone: " + report_.first_error);
    if (now >= next_check_ns_) drop_overdue(now);
    wait(now);
  }
  report_.seconds = static_cast<double>(now_ns() - start_ns_) / 1e9;
  return std::move(report_);
}

bool Engine::exhausted(std::int64_t now) const {
  if (options_.max_operations > 0 && issued_ >= options_.max_operations) return true;
  if (options_.seconds <= 0) return false;
  return (schedule_ ? schedule_->next() : now - start_ns_) >= in_ns(options_.seconds);
}

void Engine::start_due(std::int64_t now) {
  while (!idle_.empty() && !exhausted(now) && failed_connects_ < kMaxFailedConnects) {
    std::int64_t intended = now;
    if (schedule_) {
      if (start_ns_ + schedule_->next() > now) return;
      intended = start_ns_ + schedule_->take();
    }
    const std::size_t index = idle_.back();
    idle_.pop_back();
    start(index, intended, now);
  }
}

void Engine::start(std::size_t index, std::int64_t intended, std::int64_t now) {
  Stream& stream = streams_[index];
  stream.request = workload_.request(issued_++);
  stream.head = workload_.head(stream.request, stream.own_head);
  stream.sent = stream.received = 0;
  stream.intended_ns = intended;
  stream.started_ns = now;
  stream.wrong_bytes = false;
  stream.text.clear();
  stream.reader.begin(stream.request.operation == Operation::kHead);
  stream.busy = true;
  if (stream.fd < 0) {
    ++report_.reconnects;
    if (Status status = connect(stream); !status) {
      ++failed_connects_;
      return drop(index, "connect", status.error().message);
    }
  }
  failed_connects_ = 0;
  push(index);
}

void Engine::wait(std::int64_t now) {
  std::int64_t until = next_check_ns_;
  if (schedule_ && !idle_.empty() && !exhausted(now))
    until = std::min(until, start_ns_ + schedule_->next());
  const std::int64_t left = std::max<std::int64_t>(0, until - now);
  const timespec timeout{left / kSecond, left % kSecond};
  epoll_event events[64];
  const int count = epoll_pwait2(epoll_, events, 64, &timeout, nullptr);
  for (int i = 0; i < count; ++i) {
    const std::size_t index = events[i].data.u64;
    if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) pull(index);
    if ((events[i].events & EPOLLOUT) && streams_[index].busy && streams_[index].fd >= 0)
      push(index);
  }
}

void Engine::watch(std::size_t index, bool wants_write) {
  Stream& stream = streams_[index];
  if (stream.wants_write == wants_write) return;
  epoll_event event{wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN, {.u64 = index}};
  epoll_ctl(epoll_, EPOLL_CTL_MOD, stream.fd, &event);
  stream.wants_write = wants_write;
}

void Engine::push(std::size_t index) {
  Stream& stream = streams_[index];
  const std::uint64_t total = stream.head.size() + stream.request.body_bytes;
  const std::uint64_t stop = std::min<std::uint64_t>(total, stream.sent + kSendBytes);
  while (stream.sent < stop) {
    iovec pieces[2];
    std::size_t count = 0;
    std::uint64_t at = stream.sent;
    const auto add = [&](std::string_view piece) {
      pieces[count++] = {const_cast<char*>(piece.data()), piece.size()};
      at += piece.size();
    };
    if (at < stream.head.size()) add(stream.head.substr(at));
    if (at < stop) {
      const std::string_view body = payload_.at(stream.request.key, at - stream.head.size());
      add(body.substr(0, std::min<std::uint64_t>(body.size(), stop - at)));
    }
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = count;
    const ssize_t sent = sendmsg(stream.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      // The answer may lie ready, a refusal before the body was taken: the reading side decides.
      if (errno == EPIPE || errno == ECONNRESET) return watch(index, false);
      return drop(index, "send", errno_text());
    }
    stream.sent += static_cast<std::uint64_t>(sent);
  }
  watch(index, stream.sent < total);
}

void Engine::pull(std::size_t index) {
  Stream& stream = streams_[index];
  if (stream.fd < 0) return;
  const ssize_t got = recv(stream.fd, buffer_.get(), kReceiveBytes, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (!stream.busy) return disconnect(stream);  // closed while idle: a new one at its next turn
  if (got <= 0) return drop(index, "closed", got < 0 ? errno_text() : "before the answer's end");
  const std::string_view bytes(buffer_.get(), static_cast<std::size_t>(got));
  const auto taken =
      stream.reader.feed(bytes, [&](std::string_view piece) { take_body(stream, piece); });
  if (!taken) return drop(index, "response", taken.error().message);
  if (!stream.reader.done()) return;
  if (*taken < bytes.size()) return drop(index, "response", "more bytes than its length");
  finish(index);
}

void Engine::take_body(Stream& stream, std::string_view bytes) {
  const bool object = stream.request.operation == Operation::kGet && stream.reader.status() == 200;
  if (!object && stream.text.size() < kMaxText) {
    stream.text += bytes;
  } else if (object && options_.verify && !stream.wrong_bytes) {
    stream.wrong_bytes = !payload_.matches(stream.request.key, stream.received, bytes);
  }
  stream.received += bytes.size();
}

void Engine::finish(std::size_t index) {
  Stream& stream = streams_[index];
  judge(stream);
  const bool whole = stream.sent == stream.head.size() + stream.request.body_bytes;
  if (!whole || !stream.reader.keep_alive()) disconnect(stream);
  stream.busy = false;
  idle_.push_back(index);
}

// Counts the answered request as done or failed.
void Engine::judge(Stream& stream) {
  const std::int64_t latency = now_ns() - stream.intended_ns;
  const Operation operation = stream.request.operation;
  const int status = stream.reader.status();
  const bool expected = status == 200 || (status == 204 && operation == Operation::kDelete) ||
                        (status == 409 && operation == Operation::kMakeBucket);
  if (!expected) return report_.failed("status " + std::to_string(status), stream.text);

  const WorkloadOptions& asked = workload_.options();
  if (operation == Operation::kGet && stream.received != asked.size)
    return report_.failed("length", std::to_string(stream.received) + " bytes came back");
  if (stream.wrong_bytes) return report_.failed("bytes", "other bytes came back");
  if (operation == Operation::kList && options_.verify) {
    std::uint64_t keys = 0;
    for (std::size_t at = 0; (at = stream.text.find("<Key>", at)) != std::string::npos; ++at)
      ++keys;
    if (keys != std::min(asked.max_keys, asked.keys))
      return report_.failed("listing", std::to_string(keys) + " keys came back");
  }
  Report::Of& of = report_.of[static_cast<std::size_t>(operation)];
  ++of.operations;
  of.bytes += operation == Operation::kPut ? stream.request.body_bytes : stream.received;
  of.latencies.add(latency);
  report_.all.add(latency);
}

void Engine::drop(std::size_t index, const std::string& kind, const std::string& detail) {
  Stream& stream = streams_[index];
  report_.failed(kind, detail);
  disconnect(stream);
  stream.busy = false;
  idle_.push_back(index);
}

void Engine::drop_overdue(std::int64_t now) {
  next_check_ns_ = now + kSecond;
  for (std::size_t i = 0; i < streams_.size(); ++i)
    if (streams_[i].busy && now - streams_[i].started_ns > in_ns(options_.timeout_s))
      drop(i, "timeout", "no answer in " + std::to_string(options_.timeout_s) + " s");
}

}  // namespace hydra::bench
