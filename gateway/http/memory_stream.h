// A loop with a virtual clock and a stream whose other end is the test, for tests that look at
// single writes.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/runtime/io.h"
#include "base/runtime/sync.h"

namespace hydra::http {

class ManualLoop final : public Loop {
 public:
  ManualLoop() : Loop(0) {}
  ~ManualLoop() override { destroy_tasks(); }

  Nanos now() const override { return now_; }
  std::int64_t wall_ms() const override { return 1'772'366'400'000 + now_ / kMillisecond; }
  void post(std::function<void()> fn) override { posted_.push_back(std::move(fn)); }
  void offload(std::function<void()> work, std::function<void()> done) override {
    work();
    post(std::move(done));
  }
  std::unique_ptr<Sequencer> make_sequencer(std::string_view) override { return nullptr; }
  TimerId call_at(Nanos at, std::function<void()> fn) override {
    timers_.emplace(std::pair(at, ++last_timer_), std::move(fn));
    return last_timer_;
  }
  void cancel(TimerId id) override {
    std::erase_if(timers_, [id](const auto& timer) { return timer.first.second == id; });
  }
  void random(MutableBytes out) override {
    for (std::byte& byte : out) byte = std::byte{0x5a};
  }
  Net& net() override { std::abort(); }
  Disk& disk() override { std::abort(); }

  // Runs what is due now; the clock stands still.
  void settle() {
    while (run_ready(1000) > 0 || !posted_.empty()) {
      const auto posted = std::exchange(posted_, {});
      for (const auto& fn : posted) fn();
    }
  }
  // Runs everything until `duration` from now.
  void advance(Nanos duration) {
    const Nanos end = now_ + duration;
    for (settle(); !timers_.empty() && timers_.begin()->first.first <= end; settle()) {
      const auto timer = timers_.extract(timers_.begin());
      now_ = std::max(now_, timer.key().first);
      timer.mapped()();
    }
    now_ = end;
  }

 protected:
  void wake() override {}

 private:
  Nanos now_ = kSecond;
  std::vector<std::function<void()>> posted_;
  std::map<std::pair<Nanos, TimerId>, std::function<void()>> timers_;
  TimerId last_timer_ = 0;
};

// What the two ends share; the test holds it as the client.
struct Wire {
  std::string to_server;
  bool client_ended = false;
  bool closed = false;        // by the server
  bool write_stalls = false;  // writes run into their deadline
  std::size_t max_read = SIZE_MAX;
  std::vector<std::string> writes;  // one entry a call
  detail::WaitList readers;

  void send(std::string_view text) {
    to_server += text;
    readers.resume_all();
  }
  void end() {
    client_ended = true;
    readers.resume_all();
  }
  std::string received() const {
    std::string all;
    for (const auto& piece : writes) all += piece;
    return all;
  }
};

class MemoryStream final : public Stream {
 public:
  MemoryStream(Loop& loop, std::shared_ptr<Wire> wire) : loop_(loop), wire_(std::move(wire)) {}
  ~MemoryStream() override { close(); }

  Task<Result<std::size_t>> read(MutableBytes into, Deadline deadline) override {
    while (wire_->to_server.empty() && !wire_->client_ended && !wire_->closed)
      if (!co_await detail::Waiter(loop_, wire_->readers, deadline)) co_return fail(Code::kTimeout);
    if (wire_->closed) co_return fail(Code::kClosed);
    const std::size_t count = std::min({into.size(), wire_->to_server.size(), wire_->max_read});
    std::memcpy(into.data(), wire_->to_server.data(), count);
    wire_->to_server.erase(0, count);
    co_return count;
  }
  Task<Status> write(std::span<const ByteView> pieces, Deadline deadline) override {
    if (wire_->write_stalls) {
      co_await sleep_until(loop_, deadline.at);
      co_return fail(Code::kTimeout);
    }
    if (wire_->closed) co_return fail(Code::kClosed);
    std::string all;
    for (const ByteView piece : pieces) append(all, piece);
    wire_->writes.push_back(std::move(all));
    co_return Status();
  }
  void close() override {
    wire_->closed = true;
    wire_->readers.resume_all();
  }
  void move_to(Loop&, std::unique_ptr<Stream>,
               std::function<void(std::unique_ptr<Stream>)>) override {
    std::abort();
  }
  std::string peer() const override { return "memory"; }

 private:
  Loop& loop_;
  std::shared_ptr<Wire> wire_;
};

}  // namespace hydra::http
