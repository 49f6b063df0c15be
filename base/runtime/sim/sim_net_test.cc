#include "base/runtime/sim/sim_net.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/runtime/sim/run_sim.h"
#include "base/runtime/sync.h"

namespace hydra::sim {
namespace {

using StreamPtr = std::unique_ptr<Stream>;

Task<Status> send_text(Stream& stream, std::string text, Deadline deadline) {
  const ByteView piece = as_bytes(text);
  co_return co_await stream.write(std::span(&piece, 1), deadline);
}

// Reads until `most` bytes came, the peer ended, or an error.
Task<Result<std::string>> read_text(Stream& stream, std::size_t most, Deadline deadline) {
  std::string text;
  std::string buffer(1 << 16, '\0');
  while (text.size() < most) {
    const auto room = std::as_writable_bytes(std::span(buffer))
                          .first(std::min(buffer.size(), most - text.size()));
    HYDRA_CO_TRY(const std::size_t count, co_await stream.read(room, deadline));
    if (count == 0) break;
    text.append(buffer, 0, count);
  }
  co_return text;
}

// A client and a server process with one connection between them.
class SimNetTest : public ::testing::Test {
 protected:
  void start(std::uint64_t seed, Faults faults = Faults::none()) {
    near_.reset();
    far_.reset();
    earlier_.clear();
    acceptor_.reset();
    simulation_ = std::make_unique<Simulation>(seed, faults);
    client().add_loop();
    server().add_loop();
  }
  void TearDown() override {
    near_.reset();
    far_.reset();
    earlier_.clear();
    acceptor_.reset();
  }
  Process& named(std::string_view name) {
    for (std::size_t i = 0; i < simulation_->processes(); ++i)
      if (simulation_->process(i).name() == name) return simulation_->process(i);
    return simulation_->add_process(std::string(name));
  }
  Process& client() { return named("client"); }
  Process& server() { return named("server"); }
  Network& network() { return simulation_->network(); }

  void listen() {
    acceptor_ = std::move(server().loop().net().listen({"server:1"}, [this](StreamPtr stream) {
                  if (far_ != nullptr) earlier_.push_back(std::move(far_));
                  far_ = std::move(stream);
                })).value();
  }
  Result<StreamPtr> connect(Nanos patience = kSecond) {
    return run_in(client(), [&](Loop& loop) {
      return loop.net().connect({"server:1"}, loop.after(patience));
    });
  }
  void establish(std::uint64_t seed, Faults faults = Faults::none()) {
    start(seed, faults);
    listen();
    near_ = connect().value();
    ASSERT_TRUE(simulation_->run_until([&] { return far_ != nullptr; }, kSecond));
  }
  Status send(Process& from, Stream& stream, std::string text, Nanos patience = kSecond) {
    return run_in(from, [&](Loop& loop) { return send_text(stream, text, loop.after(patience)); });
  }
  Result<std::string> receive(Process& at, Stream& stream, std::size_t most,
                              Nanos patience = kSecond) {
    return run_in(at, [&](Loop& loop) { return read_text(stream, most, loop.after(patience)); });
  }

  std::unique_ptr<Simulation> simulation_;
  std::unique_ptr<Acceptor> acceptor_;
  StreamPtr near_;  // the client's end
  StreamPtr far_;   // the server's
  std::vector<StreamPtr> earlier_;
};

TEST_F(SimNetTest, NobodyListeningRefuses) {
  start(1);
  EXPECT_EQ(connect().error().code, Code::kUnavailable);
  listen();
  EXPECT_TRUE(connect());
  acceptor_.reset();
  EXPECT_EQ(connect().error().code, Code::kUnavailable);
}

TEST_F(SimNetTest, AnAddressHasOneListener) {
  start(1);
  listen();
  auto second = server().loop().net().listen({"server:1"}, [](StreamPtr) {});
  EXPECT_EQ(second.error().code, Code::kAlreadyExists);
  auto chosen = server().loop().net().listen({"server:0"}, [](StreamPtr) {});
  auto other = server().loop().net().listen({"server:0"}, [](StreamPtr) {});
  EXPECT_NE((*chosen)->local().text, (*other)->local().text);
  EXPECT_NE((*chosen)->local().text, "server:0");
}

Task<void> write_numbers(Loop& loop, Stream& stream, int count, bool& done) {
  for (int i = 0; i < count; ++i) {
    const std::string text = std::to_string(i) + " ";
    const ByteView pieces[] = {as_bytes(text).first(1), as_bytes(text).subspan(1)};
    EXPECT_TRUE(co_await stream.write(pieces, loop.after(60 * kSecond)));
  }
  stream.close();
  done = true;
}

TEST_F(SimNetTest, BytesArriveInOrderAndThenTheEnd) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Faults faults;
    faults.net.max_chunk_bytes = 7;
    faults.net.window_bytes = 50;
    faults.net.delay = 0.05;
    establish(seed, faults);
    bool done = false;
    client().loop().spawn(write_numbers(client().loop(), *near_, 500, done));
    std::string expected;
    for (int i = 0; i < 500; ++i) expected += std::to_string(i) + " ";
    EXPECT_EQ(receive(server(), *far_, 1 << 20, 600 * kSecond).value(), expected);
    EXPECT_TRUE(done);
  }
}

TEST_F(SimNetTest, ReadsAreSometimesPartial) {
  bool partial = false;
  bool whole = false;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Faults faults;
    faults.net.max_chunk_bytes = 1 << 20;
    establish(seed, faults);
    ASSERT_TRUE(send(client(), *near_, std::string(1000, 'x')));
    simulation_->run_for(kSecond);
    std::byte buffer[2000];
    const std::size_t count = run_in(server(), [&](Loop& loop) {
                                return far_->read(buffer, loop.after(kSecond));
                              }).value();
    (count == 1000 ? whole : partial) = true;
  }
  EXPECT_TRUE(partial);
  EXPECT_TRUE(whole);
}

TEST_F(SimNetTest, WriterWaitsForAReaderThatDoesNotRead) {
  Faults faults;
  faults.net.window_bytes = 1000;
  establish(1, faults);
  EXPECT_EQ(send(client(), *near_, std::string(1001, 'x')).error().code, Code::kTimeout);
  EXPECT_EQ(receive(server(), *far_, 1000).value(), std::string(1000, 'x'));
  simulation_->run_for(kSecond);
  EXPECT_TRUE(send(client(), *near_, std::string(1000, 'y')));
}

TEST_F(SimNetTest, ReadTimesOutWhenNothingComes) {
  establish(1);
  const Nanos before = simulation_->now();
  EXPECT_EQ(receive(server(), *far_, 1).error().code, Code::kTimeout);
  EXPECT_GE(simulation_->now() - before, kSecond);
}

TEST_F(SimNetTest, CloseFailsPendingAndLaterCalls) {
  establish(1);
  server().loop().call_at(simulation_->now() + kMillisecond, [&] { far_->close(); });
  EXPECT_EQ(receive(server(), *far_, 1).error().code, Code::kClosed);
  EXPECT_EQ(send(server(), *far_, "x").error().code, Code::kClosed);
  EXPECT_EQ(receive(client(), *near_, 1).value(), "");  // the other side sees a clean end
}

TEST_F(SimNetTest, WritingToAClosedPeerBreaksTheStream) {
  establish(1);
  far_.reset();
  simulation_->run_for(kSecond);
  EXPECT_TRUE(send(client(), *near_, "the kernel still takes it"));
  simulation_->run_for(kSecond);
  EXPECT_EQ(send(client(), *near_, "x").error().code, Code::kClosed);
  EXPECT_EQ(receive(client(), *near_, 1).error().code, Code::kClosed);
}

TEST_F(SimNetTest, CrashedProcessEndsItsConnectionsAndRefusesNewOnes) {
  establish(1);
  ASSERT_TRUE(send(server(), *far_, "last words"));
  server().crash();
  EXPECT_EQ(receive(client(), *near_, 100).value(), "last words");
  EXPECT_EQ(connect().error().code, Code::kUnavailable);
  far_.reset();
  acceptor_.reset();
  server().restart();
  listen();
  EXPECT_TRUE(connect());
}

TEST_F(SimNetTest, PowerLossIsSilentUntilTheHostIsBack) {
  Faults faults;
  faults.net.break_after = kNever;
  establish(1, faults);
  server().power_loss();
  ASSERT_TRUE(send(client(), *near_, "anyone there?"));
  EXPECT_EQ(receive(client(), *near_, 1, 1000 * kSecond).error().code, Code::kTimeout);
  EXPECT_EQ(connect().error().code, Code::kTimeout);
  server().restart();
  // The fresh kernel knows no such connection.
  EXPECT_EQ(receive(client(), *near_, 1, 5 * kSecond).error().code, Code::kClosed);
  EXPECT_EQ(connect(5 * kSecond).error().code, Code::kUnavailable);
}

TEST_F(SimNetTest, KeepAliveFindsAPeerThatLostPower) {
  establish(1);
  server().power_loss();
  EXPECT_EQ(receive(client(), *near_, 1, 60 * kSecond).error().code, Code::kClosed);
  EXPECT_GE(simulation_->now(), simulation_->faults().net.break_after);
}

TEST_F(SimNetTest, PartitionHoldsMessagesUntilItHeals) {
  establish(1);
  network().partition("client", "server");
  ASSERT_TRUE(send(client(), *near_, "hello"));
  EXPECT_EQ(receive(server(), *far_, 5).error().code, Code::kTimeout);
  EXPECT_EQ(connect().error().code, Code::kTimeout);
  network().heal("client", "server");
  EXPECT_EQ(receive(server(), *far_, 5).value(), "hello");
  EXPECT_TRUE(connect());
}

TEST_F(SimNetTest, OneWayPartitionLetsTheOtherDirectionThrough) {
  establish(1);
  network().partition_one_way("client", "server");
  ASSERT_TRUE(send(client(), *near_, "lost"));
  ASSERT_TRUE(send(server(), *far_, "heard"));
  EXPECT_EQ(receive(client(), *near_, 5).value(), "heard");
  EXPECT_EQ(receive(server(), *far_, 4).error().code, Code::kTimeout);
}

TEST_F(SimNetTest, LongPartitionBreaksStreamsThatHaveSomethingToSay) {
  establish(1);
  network().isolate("server");
  ASSERT_TRUE(send(client(), *near_, "hello"));
  EXPECT_EQ(receive(client(), *near_, 1, 60 * kSecond).error().code, Code::kClosed);
  EXPECT_EQ(receive(server(), *far_, 1, 60 * kSecond).error().code, Code::kClosed);
  network().heal_all();
  EXPECT_TRUE(connect());
}

TEST_F(SimNetTest, BlackHoledStreamHangsUntilTheHeal) {
  Faults faults;
  faults.net.break_after = kNever;
  establish(1, faults);
  network().isolate("server");
  ASSERT_TRUE(send(client(), *near_, "hello"));
  EXPECT_EQ(receive(server(), *far_, 5, 3600 * kSecond).error().code, Code::kTimeout);
  network().heal_all();
  EXPECT_EQ(receive(server(), *far_, 5).value(), "hello");
}

TEST_F(SimNetTest, BrokenConnectionsFailOnBothSides) {
  establish(1);
  network().break_connections("server", "client");
  EXPECT_EQ(receive(client(), *near_, 1).error().code, Code::kClosed);
  EXPECT_EQ(receive(server(), *far_, 1).error().code, Code::kClosed);
}

TEST_F(SimNetTest, DisconnectsHappenAtTheirRate) {
  Faults faults;
  faults.net.disconnect = 0.5;
  int broken = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    establish(seed, faults);
    ASSERT_TRUE(send(client(), *near_, "x"));
    simulation_->run_for(kSecond);
    broken += receive(client(), *near_, 1).error().code == Code::kClosed ? 1 : 0;
  }
  EXPECT_GT(broken, 25);
  EXPECT_LT(broken, 75);
}

TEST_F(SimNetTest, RefusalsHappenAtTheirRate) {
  Faults faults;
  faults.net.refuse = 0.5;
  start(1, faults);
  listen();
  int refused = 0;
  for (int i = 0; i < 100; ++i) refused += connect() ? 0 : 1;
  EXPECT_GT(refused, 25);
  EXPECT_LT(refused, 75);
}

TEST_F(SimNetTest, SlowLinkTakesLonger) {
  establish(1);
  const auto transfer = [&] {
    const Nanos before = simulation_->now();
    EXPECT_TRUE(send(client(), *near_, std::string(100'000, 'x')));
    EXPECT_TRUE(receive(server(), *far_, 100'000));
    return simulation_->now() - before;
  };
  const Nanos fast = transfer();
  network().set_slow("server", "client", 500);
  EXPECT_GT(transfer(), 10 * fast);
  network().heal_all();
  EXPECT_LT(transfer(), 10 * fast);
}

TEST_F(SimNetTest, StreamMovesToAnotherLoopOfItsProcess) {
  establish(1);
  SimLoop& other = server().add_loop();
  ASSERT_TRUE(send(client(), *near_, "before "));
  simulation_->run_for(kSecond);
  StreamPtr moved;
  bool on_other_loop = false;
  server().loop().post([&] {
    Stream& stream = *far_;
    stream.move_to(other, std::move(far_), [&](StreamPtr arrived) {
      on_other_loop = simulation_->scheduler().current() == other.id();
      moved = std::move(arrived);
    });
  });
  ASSERT_TRUE(send(client(), *near_, "after"));
  ASSERT_TRUE(simulation_->run_until([&] { return moved != nullptr; }, kSecond));
  EXPECT_TRUE(on_other_loop);
  std::string got;
  other.spawn([](Loop& loop, Stream& stream, std::string& into) -> Task<void> {
    into = (co_await read_text(stream, 12, loop.after(kSecond))).value();
  }(other, *moved, got));
  EXPECT_TRUE(simulation_->run_until([&] { return !got.empty(); }, kSecond));
  EXPECT_EQ(got, "before after");
}

TEST_F(SimNetTest, UnixAddressesWorkWithinAHost) {
  start(1);
  StreamPtr accepted;
  auto acceptor = server().loop().net().listen(
      {"unix:/run/grid"}, [&](StreamPtr stream) { accepted = std::move(stream); });
  auto stream = run_in(server(), [](Loop& loop) {
    return loop.net().connect({"unix:/run/grid"}, loop.after(kSecond));
  });
  ASSERT_TRUE(stream);
  EXPECT_EQ((*stream)->peer(), "unix");
}

TEST_F(SimNetTest, ClosedConnectionsAreForgotten) {
  establish(1);
  EXPECT_EQ(network().connections(), 1u);
  near_.reset();
  simulation_->run_for(kSecond);
  EXPECT_EQ(network().connections(), 1u);
  far_.reset();
  simulation_->run_for(kSecond);
  EXPECT_EQ(network().connections(), 0u);
}

TEST_F(SimNetTest, TasksThatWaitOnStreamsDieWithTheirProcess) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Faults faults;
    faults.net.window_bytes = 100;
    establish(seed, faults);
    bool ended = false;
    client().loop().spawn([](Stream& stream, bool& done) -> Task<void> {
      (void)co_await send_text(stream, std::string(1000, 'x'), Deadline::never());
      done = true;
    }(*near_, ended));
    client().loop().spawn([](Loop& loop, bool& done) -> Task<void> {
      auto stream = co_await loop.net().connect({"server:1"}, Deadline::never());
      std::byte buffer[1];
      (void)co_await (*stream)->read(buffer, Deadline::never());
      done = true;
    }(client().loop(), ended));
    simulation_->run_for(static_cast<Nanos>(seed) * 100 * kMicrosecond);
    if (seed % 2 == 0) {
      client().crash();
    } else {
      client().power_loss();
    }
    simulation_->run_for(60 * kSecond);
    EXPECT_FALSE(ended);
  }
}

}  // namespace
}  // namespace hydra::sim
