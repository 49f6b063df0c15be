// TLS by a shared key, over simulated streams; tls_test.cc of pistache/ has it over sockets.
#include <gtest/gtest.h>

#include "base/runtime/echo_fixture.h"
#include "base/runtime/sim/run_sim.h"
#include "base/runtime/tls.h"

namespace hydra {
namespace {

const Address kHere{"10.0.0.1:9100"};

TlsKey key_of(int byte) {
  TlsKey key;
  key.fill(static_cast<std::byte>(byte));
  return key;
}

// Knows one client, "node 1".
std::shared_ptr<const TlsContext> server_context() {
  return TlsContext::psk_server([](std::string_view identity, auto&) -> std::optional<TlsKey> {
    if (identity != "node 1") return std::nullopt;
    return key_of(1);
  });
}

// Passes everything on, but for one bit of what is read or written.
class TamperingStream final : public Stream {
 public:
  TamperingStream(StreamPtr inner, std::size_t read_at, std::size_t write_at)
      : inner_(std::move(inner)), read_at_(read_at), write_at_(write_at) {}

  Task<Result<std::size_t>> read(MutableBytes into, Deadline deadline) override {
    HYDRA_CO_TRY(const std::size_t count, co_await inner_->read(into, deadline));
    if (read_at_ >= read_ && read_at_ < read_ + count) into[read_at_ - read_] ^= std::byte{4};
    read_ += count;
    co_return count;
  }
  Task<Status> write(std::span<const ByteView> pieces, Deadline deadline) override {
    std::string bytes;
    for (const ByteView piece : pieces) append(bytes, piece);
    if (write_at_ >= written_ && write_at_ < written_ + bytes.size())
      bytes[write_at_ - written_] ^= 4;
    written_ += bytes.size();
    const ByteView piece = as_bytes(bytes);
    co_return co_await inner_->write({&piece, 1}, deadline);
  }
  void close() override { inner_->close(); }
  void move_to(Loop&, StreamPtr, std::function<void(StreamPtr)>) override { HYDRA_ASSERT(false); }
  std::string peer() const override { return inner_->peer(); }

  std::size_t bytes_read() const { return read_; }

 private:
  StreamPtr inner_;
  std::size_t read_at_, write_at_;
  std::size_t read_ = 0, written_ = 0;
};

constexpr std::size_t kNever = SIZE_MAX;

// A server that echoes inside TLS.
struct Echo {
  explicit Echo(Loop& loop)
      : context(server_context()),
        acceptor(*loop.net().listen(kHere, [this, &loop](StreamPtr stream) {
          spawn_echo(loop, context->wrap(loop, std::move(stream)));
        })) {}
  std::shared_ptr<const TlsContext> context;
  std::unique_ptr<Acceptor> acceptor;
};

Task<Status> talk(Loop& loop, TlsPsk psk, int rounds, std::size_t read_at = kNever,
                  std::size_t write_at = kNever) {
  HYDRA_CO_TRY(StreamPtr plain, co_await loop.net().connect(kHere, loop.after(kSecond)));
  auto stream = TlsContext::psk_client(psk)->wrap(
      loop, std::make_unique<TamperingStream>(std::move(plain), read_at, write_at));
  co_return co_await talk_over(loop, *stream, rounds);
}

TEST(TlsPsk, EchoesWithTheSharedKey) {
  const Status status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    const Echo echo(loop);
    co_return co_await talk(loop, {"node 1", key_of(1)}, 60);
  });
  EXPECT_TRUE(status) << status.error().to_string();
}

TEST(TlsPsk, WrongKeysAndUnknownNamesAreRefused) {
  for (const TlsPsk& psk : {TlsPsk{"node 1", key_of(2)}, TlsPsk{"node 2", key_of(1)},
                            TlsPsk{std::string(128, 'x'), key_of(1)}}) {
    const Status status = sim::run_sim(1, [&](Loop& loop) -> Task<Status> {
      const Echo echo(loop);
      co_return co_await talk(loop, psk, 1);
    });
    ASSERT_FALSE(status) << psk.identity;
    EXPECT_EQ(status.error().code, Code::kUnauthenticated) << status.error().message;
  }
}

// Someone in the middle who does not know the key cannot play the server.
TEST(TlsPsk, ServersThatDoNotKnowTheKeyAreRefused) {
  const Status status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    auto imposter = TlsContext::psk_server([](auto, auto&) { return key_of(9); });
    const auto acceptor = *loop.net().listen(kHere, [&](StreamPtr stream) {
      spawn_echo(loop, imposter->wrap(loop, std::move(stream)));
    });
    co_return co_await talk(loop, {"node 1", key_of(1)}, 1);
  });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kUnauthenticated) << status.error().message;
}

TEST(TlsPsk, PeersWithoutTlsAreRefused) {
  const Status status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    const Echo echo(loop);
    HYDRA_CO_TRY(StreamPtr plain, co_await loop.net().connect(kHere, loop.after(kSecond)));
    const ByteView hello = as_bytes("HG and no ClientHello at all");
    HYDRA_CO_CHECK_OK(co_await plain->write({&hello, 1}, loop.after(kSecond)));
    std::array<std::byte, 256> answer{};
    for (;;) {  // an alert, then the end
      HYDRA_CO_TRY(const std::size_t count, co_await plain->read(answer, loop.after(kSecond)));
      if (count == 0) co_return fail(Code::kAborted);
      if (answer[0] != std::byte{21}) co_return Status();
    }
  });
  ASSERT_FALSE(status);
  EXPECT_TRUE(status.error().code == Code::kAborted || status.error().code == Code::kClosed)
      << status.error().to_string();
}

// Whichever bit is turned, in either direction, nobody takes wrong bytes for right ones.
TEST(TlsPsk, EveryFlippedBitIsNoticed) {
  int turned = 0;
  for (std::size_t at = 0; at < 3000; at += 61) {
    for (const bool reading : {true, false}) {
      const Status status = sim::run_sim(at + 1, [&](Loop& loop) -> Task<Status> {
        const Echo echo(loop);
        co_return co_await talk(loop, {"node 1", key_of(1)}, 4, reading ? at : kNever,
                                reading ? kNever : at);
      });
      EXPECT_FALSE(status) << at << (reading ? " read" : " written");
      if (!status) ++turned;
    }
  }
  EXPECT_EQ(turned, 100);
}

// The peer's machine goes: what was cut off must not look like an end.
TEST(TlsPsk, TruncationIsNoEnd) {
  const auto read_until_it_ends = [](bool announced) {
    return sim::run_sim(1, [announced](Loop& loop) -> Task<Result<std::size_t>> {
      const auto context = server_context();
      std::unique_ptr<Stream> server;
      Stream* below = nullptr;
      const auto acceptor = *loop.net().listen(kHere, [&](StreamPtr stream) {
        below = stream.get();
        server = context->wrap(loop, std::move(stream));
        loop.spawn([](Loop& at, Stream& to) -> Task<void> {
          const ByteView text = as_bytes("what there is");
          (void)co_await to.write({&text, 1}, at.after(kSecond));
        }(loop, *server));
      });
      HYDRA_CO_TRY(StreamPtr plain, co_await loop.net().connect(kHere, loop.after(kSecond)));
      auto stream = TlsContext::psk_client({"node 1", key_of(1)})->wrap(loop, std::move(plain));
      std::string text(13, ' ');
      HYDRA_CO_CHECK_OK(co_await read_exactly(*stream, std::as_writable_bytes(std::span(text)),
                                              loop.after(kSecond)));
      announced ? server->close() : below->close();
      std::array<std::byte, 8> more{};
      co_return co_await stream->read(more, loop.after(kSecond));
    });
  };
  const auto announced = read_until_it_ends(true);
  ASSERT_TRUE(announced) << announced.error().to_string();
  EXPECT_EQ(*announced, 0u);
  const auto cut = read_until_it_ends(false);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, Code::kClosed);
}

TEST(TlsPsk, SilentServersTimeOut) {
  const Status status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    std::unique_ptr<Stream> silent;
    const auto acceptor =
        *loop.net().listen(kHere, [&](StreamPtr stream) { silent = std::move(stream); });
    HYDRA_CO_TRY(StreamPtr plain, co_await loop.net().connect(kHere, loop.after(kSecond)));
    auto stream = TlsContext::psk_client({"node 1", key_of(1)})->wrap(loop, std::move(plain));
    const ByteView text = as_bytes("x");
    co_return co_await stream->write({&text, 1}, loop.after(kSecond));
  });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kTimeout);
}

TEST(TlsPsk, StreamsMoveToAnotherLoopAfterTheHandshake) {
  sim::Simulation simulation(3);
  sim::Process& process = simulation.add_process("server");
  process.add_loop();
  process.add_loop();
  sim::Process& client = simulation.add_process("client");
  client.add_loop();
  const auto context = server_context();
  Loop& first = process.loop(0);
  Loop& second = process.loop(1);
  const auto acceptor = *first.net().listen(kHere, [&](StreamPtr stream) {
    first.spawn([](Loop& from, Loop& to, StreamPtr tls) -> Task<void> {
      std::array<std::byte, 1> one{};
      if (!co_await read_exactly(*tls, one, from.after(kSecond))) co_return;
      Stream& moving = *tls;
      moving.move_to(to, std::move(tls),
                     [&to](StreamPtr moved) { spawn_echo(to, std::move(moved)); });
    }(first, second, context->wrap(first, std::move(stream))));
  });
  const Status status = sim::run_in(client, [](Loop& loop) -> Task<Status> {
    HYDRA_CO_TRY(StreamPtr plain, co_await loop.net().connect(kHere, loop.after(kSecond)));
    auto stream = TlsContext::psk_client({"node 1", key_of(1)})->wrap(loop, std::move(plain));
    const ByteView one = as_bytes("x");
    HYDRA_CO_CHECK_OK(co_await stream->write({&one, 1}, loop.after(kSecond)));
    co_return co_await talk_over(loop, *stream, 40);
  });
  EXPECT_TRUE(status) << status.error().to_string();
}

}  // namespace
}  // namespace hydra
