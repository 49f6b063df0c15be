// Many clients over a simulated network: partial reads, full windows, and in the second test broken
// connections.
#include <gtest/gtest.h>

#include "base/runtime/sim/simulation.h"
#include "gateway/http/connection.h"

namespace hydra::http {
namespace {

constexpr std::size_t kClients = 8;
constexpr int kRequests = 6;

struct Tally {
  std::size_t ended = 0;
  std::size_t right = 0;
  std::size_t wrong = 0;
};

// Answers with the body it got, streamed while it still arrives.
Task<void> mirror(Exchange& exchange) {
  const auto length = exchange.request().content_length;
  Buffer piece(16 * 1024);
  piece.resize(piece.capacity());
  auto status = co_await exchange.start({}, length);
  while (status) {
    auto count = co_await exchange.body().read(piece.span());
    if (!count) co_return;
    status = co_await exchange.write(piece.view().first(*count));
    if (*count < piece.size()) break;
  }
  if (status) (void)co_await exchange.finish();
}

std::string body_of(std::size_t client, int number, std::size_t bytes) {
  std::string body(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i)
    body[i] = static_cast<char>('a' + (client * 7 + static_cast<std::size_t>(number) + i / 3) % 26);
  return body;
}

Task<Status> write_text(Stream& stream, std::string text, Deadline deadline) {
  const ByteView piece = as_bytes(text);
  co_return co_await stream.write(std::span(&piece, 1), deadline);
}

// Reads until the response with a body of that length is whole.
Task<Result<std::string>> read_response(Stream& stream, std::size_t body_bytes, Deadline deadline) {
  std::string text;
  Buffer piece(8 * 1024);
  piece.resize(piece.capacity());
  while (true) {
    const auto end = text.find("\r\n\r\n");
    if (end != text.npos && text.size() >= end + 4 + body_bytes) co_return text.substr(end + 4);
    HYDRA_CO_TRY(const std::size_t count, co_await stream.read(piece.span(), deadline));
    if (count == 0) co_return fail(Code::kClosed);
    append(text, piece.view().first(count));
  }
}

Task<void> run_client(Loop& loop, std::size_t client, Tally& tally) {
  const Deadline deadline = loop.after(600 * kSecond);
  auto stream = co_await loop.net().connect({"server:80"}, deadline);
  for (int number = 0; stream && number < kRequests; ++number) {
    const std::size_t bytes = loop.random_u64() % 100'000;
    const std::string body = body_of(client, number, bytes);
    const std::string head =
        "PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(bytes);
    // The mirror writes before it has read everything: the windows of both directions hold the
    // body's two ends.
    auto status = co_await write_text(**stream, head + "\r\n\r\n" + body, deadline);
    if (!status) break;
    auto response = co_await read_response(**stream, bytes, deadline);
    if (!response) break;
    ++(*response == body ? tally.right : tally.wrong);
  }
  ++tally.ended;
}

Tally run(std::uint64_t seed, sim::Faults faults) {
  sim::Simulation simulation(seed, faults);
  Loop& server_loop = simulation.add_process("server").add_loop();
  Loop& client_loop = simulation.add_process("client").add_loop();
  auto server = Server::create(server_loop, {.handler = mirror});
  auto acceptor = server_loop.net().listen({"server:80"}, server->acceptor());
  EXPECT_TRUE(acceptor);
  Tally tally;
  for (std::size_t client = 0; client < kClients; ++client)
    client_loop.spawn(run_client(client_loop, client, tally));
  EXPECT_TRUE(simulation.run_until([&] { return tally.ended == kClients; }, 3600 * kSecond))
      << simulation.report();
  server->stop();
  EXPECT_TRUE(simulation.run_until([&] { return server->open_connections() == 0; }, 3600 * kSecond))
      << simulation.report();
  return tally;
}

TEST(ConnectionSim, EveryBodyComesBackWhole) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Tally tally = run(seed, sim::Faults::none());
    EXPECT_EQ(tally.right, kClients * kRequests) << "seed " << seed;
    EXPECT_EQ(tally.wrong, 0u) << "seed " << seed;
  }
}

TEST(ConnectionSim, BrokenConnectionsEndWithoutAWrongByte) {
  std::size_t right = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    sim::Faults faults;
    faults.net.disconnect = 0.02;
    faults.net.delay = 0.02;
    const Tally tally = run(seed, faults);
    EXPECT_EQ(tally.wrong, 0u) << "seed " << seed;
    right += tally.right;
  }
  EXPECT_GT(right, 0u);
  EXPECT_LT(right, 20 * kClients * kRequests) << "no connection was broken";
}

}  // namespace
}  // namespace hydra::http
