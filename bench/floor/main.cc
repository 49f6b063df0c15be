// hydra-floor: the CPU that physics demands for PUT, GET and rebuilding of large bodies, as JSON on
// stdout.
//
//   PUT: receive, MD5, AES-256-GCM, RS 4+2, CRC32C, pwrite to six files, fdatasync each.
//   GET: pread four data shards, CRC32C, AES-256-GCM, send.
//   rebuild: pread any four shards from disk, CRC32C, decode the lost one, CRC32C, pwrite,
//   fdatasync.
//
// The other end of the connections is a forked process, whose CPU is not counted; it compares every
// byte that comes back. No HTTP, no signatures, no catalog, no agents: a server is measured in
// multiples of this, in the same run on the same machine.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <thread>

#include "bench/floor/server.h"

namespace hydra::bench {
namespace {

struct Options {
  std::string directory;
  std::uint64_t body_bytes = 8 << 20;
  std::uint64_t streams = 8;
  std::uint64_t bodies = 8;  // a stream
};

struct Cost {
  double user_s, sys_s, seconds;
  std::uint64_t syncs;
};

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

int listen_on_loopback(sockaddr_in& address) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, generic, bytes) != 0 || listen(listener, 64) != 0 ||
      getsockname(listener, generic, &bytes) != 0)
    die("listen");
  return listener;
}

void without_delay(int socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// Runs `work(stream)` on a thread for each stream.
void each_stream(std::uint64_t streams, const std::function<void(std::uint64_t)>& work) {
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < streams; ++i) threads.emplace_back(work, i);
  for (auto& thread : threads) thread.join();
}

using StreamWork = std::function<void(int socket, std::uint64_t stream)>;

// What `work(stream)` costs this process on a thread for each stream.
Cost cost_of(const Options& options, const Shelf& shelf,
             const std::function<void(std::uint64_t)>& work) {
  rusage before, after;
  const std::uint64_t syncs = shelf.syncs();
  const auto start = std::chrono::steady_clock::now();
  getrusage(RUSAGE_SELF, &before);
  each_stream(options.streams, work);
  getrusage(RUSAGE_SELF, &after);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return {seconds_of(after.ru_utime) - seconds_of(before.ru_utime),
          seconds_of(after.ru_stime) - seconds_of(before.ru_stime), elapsed.count(),
          shelf.syncs() - syncs};
}

// Forks the peer, serves it, and tells what serving cost this process.
Cost measure(const Options& options, const Shelf& shelf, const StreamWork& peer,
             const StreamWork& serve) {
  sockaddr_in address;
  const int listener = listen_on_loopback(address);
  const pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    each_stream(options.streams, [&](std::uint64_t stream) {
      const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        die("connect");
      without_delay(socket);
      peer(socket, stream);
      close(socket);
    });
    _exit(0);
  }
  std::vector<int> sockets;
  for (std::uint64_t i = 0; i < options.streams; ++i) {
    sockets.push_back(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (sockets.back() < 0) die("accept");
    without_delay(sockets.back());
  }
  close(listener);

  const Cost cost =
      cost_of(options, shelf, [&](std::uint64_t stream) { serve(sockets[stream], stream); });

  for (const int socket : sockets) close(socket);
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) die("the peer process failed");
  return cost;
}

Cost measure_put(const Options& options, Shelf& shelf, const std::vector<Byte>& body) {
  const auto peer = [&](int socket, std::uint64_t) {
    const std::uint64_t length = body.size();
    char answer;
    for (std::uint64_t i = 0; i < options.bodies; ++i) {
      send_all(socket, &length, sizeof length);
      send_all(socket, body.data(), body.size());
      receive_all(socket, &answer, 1);
    }
  };
  const auto serve = [&](int socket, std::uint64_t stream) {
    Physics physics;
    for (std::uint64_t i = 0; i < options.bodies; ++i)
      serve_put(socket, shelf, physics, stream * options.bodies + i);
  };
  return measure(options, shelf, peer, serve);
}

Cost measure_get(const Options& options, const Shelf& shelf, const std::vector<Byte>& body) {
  const auto peer = [&](int socket, std::uint64_t) {
    std::vector<Byte> piece(kReceiveBytes);
    for (std::uint64_t i = 0; i < options.bodies; ++i) {
      std::uint64_t length = 0;
      send_all(socket, "?", 1);
      receive_all(socket, &length, sizeof length);
      if (length != body.size()) die("a body of another length came back");
      for (std::size_t at = 0; at < length; at += piece.size()) {
        const std::size_t now = std::min(piece.size(), length - at);
        receive_all(socket, piece.data(), now);
        if (std::memcmp(piece.data(), body.data() + at, now) != 0) die("other bytes came back");
      }
    }
  };
  const auto serve = [&](int socket, std::uint64_t stream) {
    Physics physics;
    char question;
    for (std::uint64_t i = 0; i < options.bodies; ++i) {
      receive_all(socket, &question, 1);
      serve_get(socket, shelf, physics, stream * options.bodies + i);
    }
  };
  return measure(options, shelf, peer, serve);
}

// One shard of each body, each time another one.
Cost measure_rebuild(const Options& options, Shelf& shelf) {
  shelf.forget_cached();
  return cost_of(options, shelf, [&](std::uint64_t stream) {
    Physics physics;
    for (std::uint64_t i = 0; i < options.bodies; ++i) {
      const std::uint64_t body = stream * options.bodies + i;
      if (!shelf.rebuild(body, static_cast<int>(body % kShards), physics))
        die("a block with a wrong CRC");
    }
  });
}

void print(const char* name, std::uint64_t bytes, const Cost& cost, const char* end) {
  const double gib = static_cast<double>(bytes) / static_cast<double>(1ull << 30);
  std::printf(
      "\"%s\": {\"gib\": %.4f, \"cpu_s_per_gib\": %.4f, \"user_s_per_gib\": %.4f, "
      "\"sys_s_per_gib\": %.4f, \"seconds\": %.3f, \"fdatasyncs\": %llu}%s\n",
      name, gib, (cost.user_s + cost.sys_s) / gib, cost.user_s / gib, cost.sys_s / gib,
      cost.seconds, static_cast<unsigned long long>(cost.syncs), end);
}

int run(const Options& options) {
  std::vector<Byte> body(options.body_bytes);
  std::mt19937_64 random(1);
  for (std::size_t i = 0; i + 8 <= body.size(); i += 8) {
    const std::uint64_t word = random();
    std::memcpy(body.data() + i, &word, sizeof word);
  }
  Shelf shelf(options.directory, BodyShape(options.body_bytes), options.streams * options.bodies);
  const Cost put = measure_put(options, shelf, body);
  const Cost get = measure_get(options, shelf, body);
  const Cost rebuild = measure_rebuild(options, shelf);
  const std::uint64_t bodies = options.streams * options.bodies;
  std::printf("{\n");
  print("put", options.body_bytes * bodies, put, ",");
  print("get", options.body_bytes * bodies, get, ",");
  print("rebuild", shelf.shape().shard_bytes * bodies, rebuild, "");
  std::printf("}\n");
  return 0;
}

}  // namespace
}  // namespace hydra::bench

int main(int argc, char** argv) {
  hydra::bench::Options options;
  CLI::App app("The CPU that physics demands for PUT, GET and rebuilding of large bodies, as JSON");
  app.add_option("--dir", options.directory,
                 "where the six directories are made, on the disk to use")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--size", options.body_bytes, "of a body")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::PositiveNumber);
  app.add_option("--streams", options.streams)->check(CLI::Range(1, 256));
  app.add_option("--bodies", options.bodies, "for each stream")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  return hydra::bench::run(options);
}
