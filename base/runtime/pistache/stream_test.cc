// SocketStream and PistacheNet: TCP, unix sockets and the listener's connections.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>

#include "base/runtime/echo_fixture.h"
#include "base/runtime/pistache/runtime_fixture.h"

namespace hydra {
namespace {

Task<Status> talk(Loop& loop, Address to, int rounds) {
  HYDRA_CO_TRY(StreamPtr stream, co_await loop.net().connect(to, loop.after(5 * kSecond)));
  co_return co_await talk_over(loop, *stream, rounds);
}

std::unique_ptr<Runtime> serving_runtime(std::uint32_t workers,
                                         Runtime::OnConnection on_connection) {
  auto runtime = Runtime::create(
      {.workers = workers, .serve = ServeOptions{Address{"127.0.0.1:0"}, std::nullopt}});
  if (!runtime) ADD_FAILURE() << runtime.error().to_string();
  const Status started = (*runtime)->start(std::move(on_connection));
  EXPECT_TRUE(started);
  return std::move(*runtime);
}

TEST(ServeTest, EchoesOnTwoWorkersAndSpreadsConnectionsEvenly) {
  std::atomic<int> accepted[2] = {0, 0};
  auto server = serving_runtime(2, [&](Loop& loop, StreamPtr stream) {
    ++accepted[loop.index()];
    spawn_echo(loop, std::move(stream));
  });
  auto client = make_runtime(1);
  ASSERT_TRUE(client->start());
  std::atomic<int> good{0};
  Loop& loop = *client->loops()[0];
  std::vector<StreamPtr> open;
  for (int i = 0; i < 20; ++i)
    open.push_back(*run_on<Result<StreamPtr>>(loop, [&](Loop& on) {
      return on.net().connect(server->local_address(), on.after(5 * kSecond));
    }));
  EXPECT_TRUE(eventually([&] { return accepted[0] + accepted[1] == 20; }));
  EXPECT_EQ(accepted[0], 10);
  EXPECT_EQ(accepted[1], 10);
  for (int i = 0; i < 4; ++i) {
    const Status status =
        run_on<Status>(loop, [&](Loop& on) { return talk(on, server->local_address(), 100); });
    EXPECT_TRUE(status) << status.error().to_string();
    good += status.has_value();
  }
  EXPECT_EQ(good, 4);
  client->stop();
  open.clear();
}

double process_cpu_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Connects while the process may open one more descriptor, which the client's end takes: nothing is
// left for the server's. The server must neither spin nor die, and accept when there are
// descriptors again.
void expect_patience_without_descriptors(Loop& client, Address to,
                                         const std::atomic<int>& accepted) {
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  const int next = ::dup(0);
  ::close(next);
  const rlimit tight{static_cast<rlim_t>(next) + 1, limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &tight);
  const double before = process_cpu_seconds();
  const auto stream = run_on<Result<StreamPtr>>(
      client, [&](Loop& on) { return on.net().connect(to, on.after(5 * kSecond)); });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const double used = process_cpu_seconds() - before;
  const int accepted_meanwhile = accepted;
  setrlimit(RLIMIT_NOFILE, &limit);
  ASSERT_TRUE(stream) << stream.error().to_string();
  EXPECT_EQ(accepted_meanwhile, 0);
  EXPECT_LT(used, 0.2) << "the acceptor spins";
  EXPECT_TRUE(eventually([&] { return accepted == 1; }));
}

TEST(ServeTest, SurvivesRunningOutOfDescriptors) {
  std::atomic<int> accepted{0};
  auto server = serving_runtime(1, [&](Loop& loop, StreamPtr stream) {
    ++accepted;
    spawn_echo(loop, std::move(stream));
  });
  auto client = make_runtime(1);
  ASSERT_TRUE(client->start());
  expect_patience_without_descriptors(*client->loops()[0], server->local_address(), accepted);
}

Task<void> talk_until_it_breaks(Loop& loop, Address to, std::atomic<int>& talks) {
  while (co_await talk(loop, to, 3)) ++talks;
}

TEST(ServeTest, StopsInTheMiddleOfTraffic) {
  auto server = serving_runtime(2, spawn_echo);
  auto client = make_runtime(2);
  ASSERT_TRUE(client->start());
  std::atomic<int> talks{0};
  const Address to = server->local_address();
  for (int i = 0; i < 16; ++i) {
    Loop& loop = *client->loops()[static_cast<std::size_t>(i) % 2];
    loop.post([&loop, to, &talks] { loop.spawn(talk_until_it_breaks(loop, to, talks)); });
  }
  ASSERT_TRUE(eventually([&] { return talks > 50; }));
  server->stop();
  server.reset();
  client->stop();
}

class NetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    runtime_ = make_runtime(2);
    ASSERT_TRUE(runtime_->start());
  }
  Loop& loop(std::size_t index = 0) { return *runtime_->loops()[index]; }

  // Listens on the second loop; its connections go to `handler` there.
  Result<Address> listen(Address at, AcceptHandler handler) {
    std::promise<Result<Address>> promise;
    loop(1).post([&] {
      auto acceptor = loop(1).net().listen(at, handler);
      if (!acceptor) return promise.set_value(fail(acceptor.error()));
      acceptors_.push_back(std::move(*acceptor));
      promise.set_value(acceptors_.back()->local());
    });
    return promise.get_future().get();
  }
  Result<Address> listen_echo(Address at) {
    return listen(std::move(at),
                  [this](StreamPtr stream) { spawn_echo(loop(1), std::move(stream)); });
  }
  void TearDown() override {
    runtime_->stop();
    acceptors_.clear();
    kept_.clear();
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Runtime> runtime_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::vector<StreamPtr> kept_;  // accepted by keep(), on the second loop
  std::atomic<int> kept_count_{0};

  Result<Address> listen_and_keep(Address at) {
    return listen(std::move(at), [this](StreamPtr stream) {
      kept_.push_back(std::move(stream));
      ++kept_count_;
    });
  }
};

TEST_F(NetTest, EchoesOverTcp) {
  for (const char* text : {"127.0.0.1:0", "localhost:0", "[::1]:0"}) {
    const auto at = listen_echo(Address{text});
    ASSERT_TRUE(at) << at.error().to_string();
    const Status status = run_on<Status>(loop(), [&](Loop& on) { return talk(on, *at, 50); });
    EXPECT_TRUE(status) << status.error().to_string();
  }
}

TEST_F(NetTest, ConnectsByName) {
  const auto at = listen_echo(Address{"127.0.0.1:0"});
  ASSERT_TRUE(at);
  const Address by_name{"localhost" + at->text.substr(at->text.rfind(':'))};
  const Status status = run_on<Status>(loop(), [&](Loop& on) { return talk(on, by_name, 3); });
  EXPECT_TRUE(status) << status.error().to_string();
}

TEST_F(NetTest, EchoesOverUnixSocketThatOnlyItsUserMayOpen) {
  const Address address{"unix:" + directory_.path("grid.sock")};
  ASSERT_TRUE(listen_echo(address));
  struct stat info;
  ASSERT_EQ(::stat(directory_.path("grid.sock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const Status status = run_on<Status>(loop(), [&](Loop& on) { return talk(on, address, 50); });
  EXPECT_TRUE(status) << status.error().to_string();
}

TEST_F(NetTest, TakesOverAStaleUnixSocketButNotALiveOne) {
  const Address address{"unix:" + directory_.path("grid.sock")};
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  directory_.path("grid.sock").copy(name.sun_path, sizeof name.sun_path - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  ::close(fd);
  EXPECT_TRUE(listen_echo(address));
  const auto second = listen_echo(address);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kAlreadyExists);
}

TEST_F(NetTest, NeverUnlinksWhatIsNotASocket) {
  const std::string path = directory_.path("precious");
  std::fclose(std::fopen(path.c_str(), "w"));
  EXPECT_FALSE(listen_echo(Address{"unix:" + path}));
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(NetTest, ReportsATcpPortInUse) {
  const auto at = listen_echo(Address{"127.0.0.1:0"});
  ASSERT_TRUE(at);
  const auto second = listen_echo(*at);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kAlreadyExists);
}

TEST_F(NetTest, RefusedAndMissingPeersAreUnavailable) {
  const auto at = listen_echo(Address{"127.0.0.1:0"});
  ASSERT_TRUE(at);
  std::promise<void> closed;
  loop(1).post([&] {
    acceptors_.clear();
    closed.set_value();
  });
  closed.get_future().get();
  for (const Address& to : {*at, Address{"unix:" + directory_.path("absent")}}) {
    const auto stream = run_on<Result<StreamPtr>>(
        loop(), [&](Loop& on) { return on.net().connect(to, on.after(kSecond)); });
    ASSERT_FALSE(stream);
    EXPECT_EQ(stream.error().code, Code::kUnavailable) << stream.error().to_string();
  }
}

Task<Result<std::size_t>> read_once(Loop& loop, Stream& stream, Nanos patience) {
  std::byte bytes[16];
  co_return co_await stream.read(bytes, loop.after(patience));
}

Task<Status> read_with_deadline(Loop& loop, Address to) {
  HYDRA_CO_TRY(StreamPtr stream, co_await loop.net().connect(to, loop.after(kSecond)));
  const Nanos start = loop.now();
  const auto count = co_await read_once(loop, *stream, 30 * kMillisecond);
  if (count) co_return fail(Code::kInternal, "something came");
  if (loop.now() < start + 30 * kMillisecond) co_return fail(Code::kInternal, "too early");
  co_return fail(count.error());
}

TEST_F(NetTest, ReadFailsAtItsDeadline) {
  const auto at = listen_and_keep(Address{"127.0.0.1:0"});
  ASSERT_TRUE(at);
  const Status status =
      run_on<Status>(loop(), [&](Loop& on) { return read_with_deadline(on, *at); });
  EXPECT_EQ(status.error().code, Code::kTimeout) << status.error().to_string();
}

Task<Status> write_against_a_deaf_peer(Loop& loop, Address to) {
  HYDRA_CO_TRY(StreamPtr stream, co_await loop.net().connect(to, loop.after(kSecond)));
  Buffer much(64 << 20);
  much.resize(much.capacity());
  std::memset(much.data(), 1, much.size());
  const ByteView piece = much.view();
  co_return co_await stream->write({&piece, 1}, loop.after(100 * kMillisecond));
}

TEST_F(NetTest, WriteWaitsForAPeerThatDoesNotReadUntilItsDeadline) {
  for (const Address& address :
       {Address{"127.0.0.1:0"}, Address{"unix:" + directory_.path("deaf")}}) {
    const auto at = listen_and_keep(address);
    ASSERT_TRUE(at);
    const Status status =
        run_on<Status>(loop(), [&](Loop& on) { return write_against_a_deaf_peer(on, *at); });
    EXPECT_EQ(status.error().code, Code::kTimeout) << status.error().to_string();
  }
}

Task<Status> close_under_a_reader(Loop& loop, Address to, bool destroy) {
  HYDRA_CO_TRY(StreamPtr stream, co_await loop.net().connect(to, loop.after(kSecond)));
  loop.call_at(loop.now() + 10 * kMillisecond, [&] {
    if (destroy)
      stream.reset();
    else
      stream->close();
  });
  Task<Result<std::size_t>> reading = read_once(loop, *stream, 5 * kSecond);
  const auto count = co_await reading;
  if (count) co_return fail(Code::kInternal, "something came");
  co_return fail(count.error());
}

TEST_F(NetTest, ClosingOrDestroyingWakesTheReader) {
  const auto at = listen_and_keep(Address{"127.0.0.1:0"});
  ASSERT_TRUE(at);
  for (const bool destroy : {false, true}) {
    const Status status =
        run_on<Status>(loop(), [&](Loop& on) { return close_under_a_reader(on, *at, destroy); });
    EXPECT_EQ(status.error().code, Code::kClosed) << status.error().to_string();
  }
}

Task<Status> expect_end(Loop& loop, Address to) {
  HYDRA_CO_TRY(StreamPtr stream, co_await loop.net().connect(to, loop.after(kSecond)));
  HYDRA_CO_TRY(const std::size_t count, co_await read_once(loop, *stream, 5 * kSecond));
  if (count != 0) co_return fail(Code::kInternal, "something came");
  co_return Status();
}

TEST_F(NetTest, ReadGivesZeroWhenThePeerEnds) {
  const auto at = listen(Address{"127.0.0.1:0"}, [](StreamPtr stream) { stream.reset(); });
  ASSERT_TRUE(at);
  const Status status = run_on<Status>(loop(), [&](Loop& on) { return expect_end(on, *at); });
  EXPECT_TRUE(status) << status.error().to_string();
}

Task<Status> send_and_leave(Loop& loop, Address to) {
  HYDRA_CO_TRY(const StreamPtr stream, co_await loop.net().connect(to, loop.after(kSecond)));
  const ByteView piece = as_bytes("last");
  co_return co_await stream->write({&piece, 1}, loop.after(kSecond));
}

// The last bytes and the end are one event: a read that empties the socket must not wait for
// another.
TEST_F(NetTest, TheEndIsSeenThoughItCameWithTheLastBytes) {
  for (const Address& where :
       {Address{"127.0.0.1:0"}, Address{"unix:" + directory_.path("grid.sock")}}) {
    const auto at = listen_and_keep(where);
    ASSERT_TRUE(at);
    kept_count_ = 0;
    ASSERT_TRUE(run_on<Status>(loop(), [&](Loop& on) { return send_and_leave(on, *at); }));
    ASSERT_TRUE(eventually([&] { return kept_count_ == 1; }));
    for (const std::size_t expected : {4, 0}) {
      const auto count = run_on<Result<std::size_t>>(
          loop(1), [&](Loop& on) { return read_once(on, *kept_.back(), 5 * kSecond); });
      ASSERT_TRUE(count) << count.error().to_string();
      EXPECT_EQ(*count, expected);
    }
  }
}

TEST_F(NetTest, AStreamMovesToAnotherLoopAndGoesOnThere) {
  std::atomic<Loop*> echoed_on{nullptr};
  const auto at = listen(Address{"127.0.0.1:0"}, [&](StreamPtr stream) {
    Stream& self = *stream;
    self.move_to(loop(0), std::move(stream), [&](StreamPtr moved) {
      echoed_on = &loop(0);
      spawn_echo(loop(0), std::move(moved));
    });
  });
  ASSERT_TRUE(at);
  const Status status = run_on<Status>(loop(1), [&](Loop& on) { return talk(on, *at, 20); });
  EXPECT_TRUE(status) << status.error().to_string();
  EXPECT_EQ(echoed_on, &loop(0));
}

TEST_F(NetTest, SurvivesRunningOutOfDescriptors) {
  const auto at = listen_and_keep(Address{"127.0.0.1:0"});
  ASSERT_TRUE(at);
  expect_patience_without_descriptors(loop(), *at, kept_count_);
}

Task<Status> read_byte_by_byte(Loop& loop, Address to, bool& timer_fired) {
  HYDRA_CO_TRY(StreamPtr stream, co_await loop.net().connect(to, loop.after(kSecond)));
  co_await sleep_for(loop, 20 * kMillisecond);  // what the peer sent is here
  timer_fired = false;
  loop.call_at(loop.now() + kMillisecond, [&] { timer_fired = true; });
  std::byte one[1];
  for (int i = 0; i < 100'000; ++i)
    HYDRA_CO_CHECK_OK(co_await stream->read(one, loop.after(kSecond)));
  co_return Status();
}

Task<void> send_much(Loop& loop, StreamPtr stream) {
  const std::string text(50'000, 'x');
  const ByteView piece = as_bytes(text);
  (void)co_await stream->write({&piece, 1}, loop.after(kSecond));
}

TEST_F(NetTest, AReaderThatNeverHasToWaitLetsOthersRun) {
  const auto at = listen(Address{"127.0.0.1:0"}, [&](StreamPtr stream) {
    loop(1).spawn(send_much(loop(1), std::move(stream)));
  });
  ASSERT_TRUE(at);
  bool timer_fired = false;
  const Status status =
      run_on<Status>(loop(), [&](Loop& on) { return read_byte_by_byte(on, *at, timer_fired); });
  EXPECT_TRUE(status) << status.error().to_string();
  EXPECT_TRUE(timer_fired);
}

TEST_F(NetTest, PeerNamesTheOtherSide) {
  const auto at = listen_and_keep(Address{"127.0.0.1:0"});
  ASSERT_TRUE(at);
  auto stream = run_on<Result<StreamPtr>>(
      loop(), [&](Loop& on) { return on.net().connect(*at, on.after(kSecond)); });
  ASSERT_TRUE(stream);
  EXPECT_EQ((*stream)->peer(), at->text);
  ASSERT_TRUE(eventually([&] { return kept_count_ == 1; }));
  EXPECT_TRUE(kept_[0]->peer().starts_with("127.0.0.1:"));
  runtime_->stop();
}

}  // namespace
}  // namespace hydra
