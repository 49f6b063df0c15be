// The engine against a tiny server that keeps objects in memory and can be told to misbehave.
#include "bench/load/engine.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

namespace hydra::bench {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class TinyServer {
 public:
  TinyServer() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_, generic, bytes) != 0 || listen(listener_, 64) != 0 ||
        getsockname(listener_, generic, &bytes) != 0)
      std::abort();
    port = std::to_string(ntohs(address.sin_port));
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~TinyServer() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    close(listener_);
    for (auto& thread : serving_) thread.join();
  }

  std::string port;
  std::atomic<int> connections = 0;
  std::atomic<int> refuse_every = 0;  // with 503
  std::atomic<int> close_every = 0;   // after the answer, without saying so
  std::atomic<bool> corrupt = false;  // one byte of what it gives back
  std::atomic<int> stall_first_ms = 0;

  std::map<std::string, std::string> objects() {
    const std::lock_guard lock(mutex_);
    return objects_;
  }

 private:
  void accept_all() {
    for (;;) {
      const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) return;
      ++connections;
      serving_.emplace_back([this, socket] {
        serve(socket);
        close(socket);
      });
    }
  }

  static bool read_more(int socket, std::string& into) {
    char piece[65536];
    const ssize_t got = recv(socket, piece, sizeof piece, 0);
    if (got > 0) into.append(piece, static_cast<std::size_t>(got));
    return got > 0;
  }

  void serve(int socket) {
    std::string input;
    for (;;) {
      std::size_t end;
      while ((end = input.find("\r\n\r\n")) == std::string::npos)
        if (!read_more(socket, input)) return;
      const std::string head = input.substr(0, end);
      input.erase(0, end + 4);
      std::size_t length = 0;
      if (const auto at = head.find("Content-Length: "); at != std::string::npos)
        length = std::stoul(head.substr(at + 16));
      while (input.size() < length)
        if (!read_more(socket, input)) return;
      const int n = ++served_;
      if (n == 1 && stall_first_ms > 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(stall_first_ms));
      const std::string answer = answer_to(n, head, input.substr(0, length));
      input.erase(0, length);
      if (send(socket, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
      if (close_every > 0 && n % close_every == 0) return;
    }
  }

  std::string answer_to(int n, const std::string& head, const std::string& body) {
    const std::lock_guard lock(mutex_);
    if (refuse_every > 0 && n % refuse_every == 0)
      return "HTTP/1.1 503 Slow Down\r\nContent-Length: 5\r\n\r\nlater";
    const std::string method = head.substr(0, head.find(' '));
    const std::size_t from = method.size() + 1;
    const std::string path = head.substr(from, head.find_first_of("? ", from) - from);
    if (method == "PUT") {
      objects_[path] = body;
      return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    }
    if (method == "DELETE") {
      objects_.erase(path);
      return "HTTP/1.1 204 No Content\r\n\r\n";
    }
    if (!objects_.contains(path)) return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    std::string object = objects_[path];
    if (corrupt) object.back() ^= 1;
    const std::string length = std::to_string(object.size());
    const std::string text = "HTTP/1.1 200 OK\r\nContent-Length: " + length + "\r\n\r\n";
    return method == "HEAD" ? text : text + object;
  }

  int listener_;
  std::thread acceptor_;
  std::vector<std::thread> serving_;
  std::atomic<int> served_ = 0;
  std::mutex mutex_;
  std::map<std::string, std::string> objects_;
};

class EngineTest : public testing::Test {
 protected:
  EngineTest() {
    workload.size = 100'000;
    workload.keys = 20;
    engine.streams = 4;
    engine.max_operations = 20;
    engine.verify = true;
  }

  Report run(const std::string& operation) {
    workload.operation = operation;
    workload.host = "127.0.0.1:" + server.port;
    engine.host = "127.0.0.1";
    engine.port = server.port;
    const Workload work(workload,
                        Signer({"key", "secret"}, "r", workload.host, "20260301T000000Z"));
    auto report = Engine(engine, work, payload).run();
    EXPECT_TRUE(report);
    return std::move(*report);
  }
  static const Report::Of& of(const Report& report, Operation operation) {
    return report.of[static_cast<std::size_t>(operation)];
  }

  TinyServer server;
  WorkloadOptions workload;
  EngineOptions engine;
  Payload payload;
};

TEST_F(EngineTest, WhatWasPutComesBackOverConnectionsThatStay) {
  const Report put = run("put");
  EXPECT_EQ(put.errors, 0u) << put.first_error;
  EXPECT_EQ(of(put, Operation::kPut).operations, 20u);
  EXPECT_EQ(of(put, Operation::kPut).bytes, 20u * 100'000);
  EXPECT_EQ(put.all.summary().count, 20u);
  EXPECT_EQ(server.connections, 4);
  EXPECT_EQ(server.objects().size(), 20u);

  const Report get = run("get");
  EXPECT_EQ(get.errors, 0u) << get.first_error;
  EXPECT_EQ(of(get, Operation::kGet).bytes, 20u * 100'000);
  EXPECT_EQ(run("head").errors, 0u);
  EXPECT_EQ(run("delete").errors, 0u);
  EXPECT_TRUE(server.objects().empty());
}

TEST_F(EngineTest, BodiesOfDifferentKeysDiffer) {
  run("put");
  std::map<std::string, int> bodies;
  for (const auto& [path, body] : server.objects()) ++bodies[body];
  EXPECT_EQ(bodies.size(), 20u);
}

TEST_F(EngineTest, BodyLongerThanTheRandomBlockIsWhole) {
  workload.size = (8 << 20) + 12345;
  workload.keys = engine.max_operations = 2;
  EXPECT_EQ(run("put").errors, 0u);
  EXPECT_EQ(run("get").errors, 0u);
}

TEST_F(EngineTest, MixedRunsBothAndSignedHeadersAreSent) {
  workload.signed_headers = true;
  run("put");
  engine.max_operations = 200;
  const Report mixed = run("mixed");
  EXPECT_EQ(mixed.errors, 0u) << mixed.first_error;
  EXPECT_NEAR(static_cast<double>(of(mixed, Operation::kPut).operations), 60, 30);
  EXPECT_EQ(mixed.operations(), 200u);
}

TEST_F(EngineTest, WrongBytesAreAnError) {
  run("put");
  server.corrupt = true;
  const Report get = run("get");
  EXPECT_EQ(get.errors, 20u);
  EXPECT_THAT(get.first_error, StartsWith("bytes"));
  EXPECT_EQ(get.operations(), 0u);
}

TEST_F(EngineTest, RefusalsAreCountedByStatusAndTheRunGoesOn) {
  server.refuse_every = 5;
  const Report put = run("put");
  EXPECT_EQ(put.errors, 4u);
  EXPECT_EQ(put.error_kinds.at("status 503"), 4u);
  EXPECT_EQ(put.operations(), 16u);
  EXPECT_THAT(put.first_error, HasSubstr("later"));
  EXPECT_THAT(put.to_json(), HasSubstr("\"status 503\": 4"));
}

TEST_F(EngineTest, ClosedConnectionsAreOpenedAgain) {
  server.close_every = 3;
  engine.streams = 1;
  const Report put = run("put");
  EXPECT_GE(put.operations() + put.errors, 20u);
  EXPECT_GE(put.reconnects, 3u);
}

TEST_F(EngineTest, OpenLoopCountsTheWaitBehindAStalledRequest) {
  engine.streams = 1;
  engine.rate = 1000;
  server.stall_first_ms = 200;
  workload.size = 10;
  const LatencySummary summary = run("put").all.summary();
  // The 20 requests were meant to start within 20 ms; all of them waited for the first.
  EXPECT_GE(summary.p50_ms, 150);
}

TEST_F(EngineTest, UnreachableServerIsAnError) {
  workload.host = engine.host = "127.0.0.1";
  engine.port = "1";
  const Workload work(workload, Signer({"key", "secret"}, "r", "h", "20260301T000000Z"));
  EXPECT_FALSE(Engine(engine, work, payload).run());
}

}  // namespace
}  // namespace hydra::bench
