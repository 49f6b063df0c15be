#include "base/runtime/tls.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>

#include "base/runtime/echo_fixture.h"
#include "base/runtime/pistache/runtime_fixture.h"
#include "base/runtime/pistache/test_certificate.h"

namespace hydra {
namespace {

using ContextPtr = std::shared_ptr<const TlsContext>;

ContextPtr client_context(TlsContext::Options options = {}) {
  options.role = TlsContext::Role::kClient;
  auto context = TlsContext::create(options);
  EXPECT_TRUE(context) << context.error().to_string();
  return *context;
}

Task<Result<StreamPtr>> connect_tls(Loop& loop, ContextPtr context, Address to) {
  HYDRA_CO_TRY(StreamPtr stream, co_await loop.net().connect(to, loop.after(5 * kSecond)));
  co_return context->wrap(loop, std::move(stream));
}

Task<Status> talk_tls(Loop& loop, ContextPtr context, Address to, int rounds) {
  HYDRA_CO_TRY(StreamPtr stream, co_await connect_tls(loop, context, to));
  co_return co_await talk_over(loop, *stream, rounds);
}

class TlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    identity_ = make_test_certificate(directory_.path());
    client_ = make_runtime(1);
    ASSERT_TRUE(client_->start());
  }
  void serve(Runtime::OnConnection on_connection = spawn_echo) {
    auto runtime =
        Runtime::create({.workers = 1, .serve = ServeOptions{Address{"127.0.0.1:0"}, identity_}});
    ASSERT_TRUE(runtime) << runtime.error().to_string();
    server_ = std::move(*runtime);
    ASSERT_TRUE(server_->start(std::move(on_connection)));
  }
  template <typename T>
  T run(std::function<Task<T>(Loop&)> make) {
    return run_on<T>(*client_->loops()[0], std::move(make));
  }
  Address address() const { return server_->local_address(); }

  TemporaryDirectory directory_;
  TlsConfig identity_;
  std::unique_ptr<Runtime> server_;
  std::unique_ptr<Runtime> client_;
};

TEST_F(TlsTest, Echoes) {
  std::atomic<bool> encrypted{false};
  serve([&](Loop& loop, StreamPtr stream) {
    encrypted = stream->encrypted();
    spawn_echo(loop, std::move(stream));
  });
  const auto context = client_context({.trust_path = identity_.certificate_path});
  const Status status =
      run<Status>([&](Loop& loop) { return talk_tls(loop, context, address(), 100); });
  EXPECT_TRUE(status) << status.error().to_string();
  EXPECT_TRUE(encrypted);
}

Task<Status> send(Loop& loop, Stream& stream, const std::string& text) {
  const ByteView piece = as_bytes(text);
  co_return co_await stream.write({&piece, 1}, loop.after(20 * kSecond));
}

Task<void> send_in_background(Loop& loop, Stream& stream, const std::string& text, Status& status) {
  status = co_await send(loop, stream, text);
}

Task<Status> read_and_write_at_once(Loop& loop, ContextPtr context, Address to) {
  HYDRA_CO_TRY(StreamPtr stream, co_await connect_tls(loop, context, to));
  std::string text(20 << 20, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 + i / 4093);
  TaskGroup group(loop);
  Status sent;
  group.spawn(send_in_background(loop, *stream, text, sent));
  std::string back(text.size(), ' ');
  const Status received = co_await read_exactly(*stream, std::as_writable_bytes(std::span(back)),
                                                loop.after(20 * kSecond));
  co_await group.join();
  HYDRA_CO_CHECK_OK(sent);
  HYDRA_CO_CHECK_OK(received);
  if (back != text) co_return fail(Code::kCorrupt, "the echo differs");
  co_return Status();
}

TEST_F(TlsTest, ReadsAndWritesMuchAtTheSameTime) {
  serve();
  const Status status = run<Status>(
      [&](Loop& loop) { return read_and_write_at_once(loop, client_context(), address()); });
  EXPECT_TRUE(status) << status.error().to_string();
}

TEST_F(TlsTest, AStalledHandshakeBlocksNobody) {
  serve();
  std::vector<StreamPtr> stalled;
  for (int i = 0; i < 5; ++i) {
    auto stream = run<Result<StreamPtr>>(
        [&](Loop& loop) { return loop.net().connect(address(), loop.after(kSecond)); });
    ASSERT_TRUE(stream);
    stalled.push_back(std::move(*stream));
  }
  const Status status =
      run<Status>([&](Loop& loop) { return talk_tls(loop, client_context(), address(), 5); });
  EXPECT_TRUE(status) << status.error().to_string();
  client_->stop();
}

Task<void> note_first_read(Loop& loop, StreamPtr stream, Nanos patience, std::atomic<int>& code) {
  std::byte bytes[16];
  const auto count = co_await stream->read(bytes, loop.after(patience));
  code = count ? 0 : static_cast<int>(count.error().code);
}

TEST_F(TlsTest, AStalledHandshakeEndsAtTheReadersDeadline) {
  std::atomic<int> code{-1};
  serve([&](Loop& loop, StreamPtr stream) {
    loop.spawn(note_first_read(loop, std::move(stream), 50 * kMillisecond, code));
  });
  auto stream = run<Result<StreamPtr>>(
      [&](Loop& loop) { return loop.net().connect(address(), loop.after(kSecond)); });
  ASSERT_TRUE(eventually([&] { return code != -1; }));
  EXPECT_EQ(code, static_cast<int>(Code::kTimeout));
  client_->stop();
}

Task<Status> speak_plainly(Loop& loop, Address to) {
  HYDRA_CO_TRY(StreamPtr stream, co_await loop.net().connect(to, loop.after(kSecond)));
  HYDRA_CO_CHECK_OK(co_await send(loop, *stream, "GET / HTTP/1.1\r\n\r\n"));
  std::byte bytes[64];
  for (;;) {
    HYDRA_CO_TRY(const std::size_t count, co_await stream->read(bytes, loop.after(5 * kSecond)));
    if (count == 0) co_return Status();
  }
}

TEST_F(TlsTest, AClientWithoutTlsIsRefused) {
  std::atomic<int> code{-1};
  serve([&](Loop& loop, StreamPtr stream) {
    loop.spawn(note_first_read(loop, std::move(stream), 5 * kSecond, code));
  });
  const Status status = run<Status>([&](Loop& loop) { return speak_plainly(loop, address()); });
  EXPECT_TRUE(status || status.error().code == Code::kClosed) << status.error().to_string();
  ASSERT_TRUE(eventually([&] { return code != -1; }));
  EXPECT_EQ(code, static_cast<int>(Code::kUnauthenticated));
}

TEST_F(TlsTest, AClientRefusesACertificateItDoesNotTrust) {
  serve();
  const TlsConfig other = make_test_certificate(directory_.path(), "other");
  const auto context = client_context({.trust_path = other.certificate_path});
  const Status status =
      run<Status>([&](Loop& loop) { return talk_tls(loop, context, address(), 1); });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kUnauthenticated) << status.error().to_string();
}

Task<Status> close_under_a_reader(Loop& loop, ContextPtr context, Address to) {
  HYDRA_CO_TRY(StreamPtr stream, co_await connect_tls(loop, context, to));
  HYDRA_CO_CHECK_OK(co_await talk_over(loop, *stream, 1));
  loop.call_at(loop.now() + 10 * kMillisecond, [&] { stream.reset(); });
  std::byte bytes[16];
  Task<Result<std::size_t>> reading = stream->read(bytes, loop.after(5 * kSecond));
  const auto count = co_await reading;
  if (count) co_return fail(Code::kInternal, "something came");
  co_return fail(count.error());
}

TEST_F(TlsTest, DestroyingTheStreamWakesItsReader) {
  serve();
  const Status status = run<Status>(
      [&](Loop& loop) { return close_under_a_reader(loop, client_context(), address()); });
  EXPECT_EQ(status.error().code, Code::kClosed) << status.error().to_string();
}

Task<void> answer_and_close(Loop& loop, StreamPtr stream) {
  std::byte bytes[16];
  if (!co_await stream->read(bytes, loop.after(5 * kSecond))) co_return;
  if (!co_await send(loop, *stream, "bye")) co_return;
  (void)co_await stream->read(bytes, loop.after(5 * kSecond));
}

// Counts what comes through.
class CountingStream final : public Stream {
 public:
  CountingStream(StreamPtr inner, std::size_t& received)
      : inner_(std::move(inner)), received_(received) {}
  Task<Result<std::size_t>> read(MutableBytes into, Deadline deadline) override {
    const auto count = co_await inner_->read(into, deadline);
    if (count) received_ += *count;
    co_return count;
  }
  Task<Status> write(std::span<const ByteView> pieces, Deadline deadline) override {
    return inner_->write(pieces, deadline);
  }
  void close() override { inner_->close(); }
  void move_to(Loop&, StreamPtr, std::function<void(StreamPtr)>) override { HYDRA_ASSERT(false); }
  std::string peer() const override { return inner_->peer(); }

 private:
  StreamPtr inner_;
  std::size_t& received_;
};

Task<Status> expect_goodbye(Loop& loop, ContextPtr context, Address to) {
  HYDRA_CO_TRY(StreamPtr plain, co_await loop.net().connect(to, loop.after(5 * kSecond)));
  std::size_t received = 0;
  StreamPtr stream =
      context->wrap(loop, std::make_unique<CountingStream>(std::move(plain), received));
  HYDRA_CO_CHECK_OK(co_await send(loop, *stream, "hello"));
  std::byte bytes[16];
  HYDRA_CO_CHECK_OK(
      co_await read_exactly(*stream, std::span(bytes).first(3), loop.after(5 * kSecond)));
  const std::size_t before = received;
  HYDRA_CO_CHECK_OK(co_await send(loop, *stream, "close"));
  HYDRA_CO_TRY(const std::size_t count, co_await stream->read(bytes, loop.after(5 * kSecond)));
  if (count != 0) co_return fail(Code::kInternal, "something came");
  if (received == before) co_return fail(Code::kClosed, "no close_notify came");
  co_return Status();
}

TEST_F(TlsTest, ClosingSaysGoodbye) {
  serve(
      [](Loop& loop, StreamPtr stream) { loop.spawn(answer_and_close(loop, std::move(stream))); });
  const Status status =
      run<Status>([&](Loop& loop) { return expect_goodbye(loop, client_context(), address()); });
  EXPECT_TRUE(status) << status.error().to_string();
}

TEST_F(TlsTest, BadFilesAreNamedAtCreation) {
  const auto create = [&](TlsConfig identity) {
    const auto runtime =
        Runtime::create({.workers = 1, .serve = ServeOptions{Address{"127.0.0.1:0"}, identity}});
    EXPECT_FALSE(runtime);
    EXPECT_EQ(runtime.error().code, Code::kInvalidArgument);
    return runtime ? std::string() : runtime.error().message;
  };
  const std::string absent = directory_.path("absent");
  EXPECT_NE(create({absent, identity_.key_path}).find("certificate " + absent), std::string::npos);
  EXPECT_NE(create({identity_.certificate_path, absent}).find("key " + absent), std::string::npos);
  std::ofstream(directory_.path("junk")) << "no PEM";
  EXPECT_NE(create({directory_.path("junk"), identity_.key_path}).find("junk"), std::string::npos);
  const TlsConfig other = make_test_certificate(directory_.path(), "other");
  EXPECT_NE(create({identity_.certificate_path, other.key_path}).find(other.key_path),
            std::string::npos);
}

// Mutual authentication, as agents' links use it.
TEST_F(TlsTest, AServerThatAsksForACertificateRefusesClientsWithoutOne) {
  const TlsConfig agent = make_test_certificate(directory_.path(), "agent");
  const auto server_context = *TlsContext::create({.role = TlsContext::Role::kServer,
                                                   .identity = identity_,
                                                   .trust_path = agent.certificate_path});
  auto runtime =
      *Runtime::create({.workers = 1, .serve = ServeOptions{Address{"127.0.0.1:0"}, std::nullopt}});
  ASSERT_TRUE(runtime->start([&](Loop& loop, StreamPtr stream) {
    spawn_echo(loop, server_context->wrap(loop, std::move(stream)));
  }));
  const auto talk_with = [&](ContextPtr context) {
    return run<Status>(
        [&](Loop& loop) { return talk_tls(loop, context, runtime->local_address(), 3); });
  };
  EXPECT_TRUE(
      talk_with(client_context({.identity = agent, .trust_path = identity_.certificate_path})));
  EXPECT_FALSE(talk_with(client_context({.trust_path = identity_.certificate_path})));
  EXPECT_FALSE(
      talk_with(client_context({.identity = identity_, .trust_path = identity_.certificate_path})));
}

// As the grid's links use it.
TEST_F(TlsTest, SharedKeysInsteadOfCertificates) {
  TlsKey key;
  key.fill(std::byte{5});
  const auto server_context = TlsContext::psk_server([&](auto, auto&) { return key; });
  auto runtime =
      *Runtime::create({.workers = 1, .serve = ServeOptions{Address{"127.0.0.1:0"}, std::nullopt}});
  ASSERT_TRUE(runtime->start([&](Loop& loop, StreamPtr stream) {
    spawn_echo(loop, server_context->wrap(loop, std::move(stream)));
  }));
  const auto talk_with = [&](TlsPsk psk, int rounds) {
    return run<Status>([&](Loop& loop) {
      return talk_tls(loop, TlsContext::psk_client(psk), runtime->local_address(), rounds);
    });
  };
  const Status many = talk_with({"node", key}, 800);  // about 20 MB each way
  EXPECT_TRUE(many) << many.error().to_string();
  const Status wrong = talk_with({"node", TlsKey{}}, 1);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::kUnauthenticated) << wrong.error().message;
  const Status certificates = run<Status>(
      [&](Loop& loop) { return talk_tls(loop, client_context(), runtime->local_address(), 1); });
  EXPECT_FALSE(certificates);
}

}  // namespace
}  // namespace hydra
