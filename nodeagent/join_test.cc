// How devices join: over TLS and over a unix socket, refused, interrupted, and lost.
#include "nodeagent/join.h"

#include <gmock/gmock.h>

#include "nodeagent/client/join_limit.h"
#include "nodeagent/grid_fixture.h"

namespace hydra::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ClaimToken token_of(int byte) {
  ClaimToken token;
  token.bytes.fill(static_cast<std::byte>(byte));
  return token;
}

// A grid whose gateway knows one token, as a catalog would.
class JoinTest : public testing::Test {
 protected:
  JoinTest() {
    world_.find_claim = [this](const ClaimId& id) -> std::optional<Sha256> {
      ++looked_up_;
      if (id != claim_id(good_)) return std::nullopt;
      return claim_hash(good_);
    };
    world_.on_join = [this](Join join, Loop&) { return grant(this, std::move(join)); };
    world_.gateway.crash();
    world_.gateway.restart();
    device_.add_loop();
  }
  ~JoinTest() override {
    for (std::size_t i = 0; i < world_.simulation.processes(); ++i)
      if (world_.simulation.process(i).running()) world_.simulation.process(i).crash();
  }

  static Task<Result<Joined>> grant(JoinTest* test, Join join) {
    ++test->granted_;
    if (test->verdict_ != Code{}) co_return fail(test->verdict_, "the catalog says no");
    const auto number =
        test->world_.known
            .emplace(join.node.identity, static_cast<NodeId>(test->world_.known.size() + 1))
            .first->second;
    test->node_ = join.node;
    co_return Joined{number, cluster_of(1), node_secret(secret_of(7), join.node.identity),
                     test->gateways_};
  }

  JoinOptions options(const char* address = kTlsAddress) {
    JoinOptions options;
    options.gateway = {address};
    options.token = good_;
    options.directory = "/data/device";
    options.name = "new";
    options.capacity_bytes = 1ull << 30;
    return options;
  }
  Result<Joined> join(JoinOptions options) {
    return sim::run_in(device_, [&](Loop& loop) { return join_grid(loop, options); });
  }
  std::vector<std::string> files() {
    return sim::run_in(device_, [](Loop& loop) -> Task<std::vector<std::string>> {
      auto names = co_await loop.disk().list("/data/device");
      std::vector<std::string> found = names ? *names : std::vector<std::string>();
      std::erase(found, "logs");  // an empty directory
      co_return found;
    });
  }
  std::string read(const std::string& path) {
    return sim::run_in(device_, [&](Loop& loop) -> Task<std::string> {
      auto file = co_await loop.disk().open(path, OpenMode::kRead);
      if (!file) co_return file.error().to_string();
      std::string text(4096, '\0');
      const auto got = co_await (*file)->read(std::as_writable_bytes(std::span(text)), 0);
      text.resize(got ? *got : 0);
      co_return text;
    });
  }

  SimGrid world_;
  sim::Process& device_ = world_.simulation.add_process("device");
  ClaimToken good_ = token_of(1);
  Code verdict_{};
  std::vector<std::string> gateways_;
  NodeDescription node_;
  int granted_ = 0;
  int looked_up_ = 0;
};

TEST_F(JoinTest, ADeviceGetsWhatItNeedsAndIsUsableAtOnce) {
  for (const char* address : {kTlsAddress, kGridAddress}) {
    JoinOptions wanted = options(address);
    wanted.directory += address == kTlsAddress ? "-a" : "-b";
    wanted.zone = "attic";
    const auto joined = join(wanted);
    ASSERT_TRUE(joined) << address << ": " << joined.error().to_string();
    EXPECT_THAT(joined->gateways, ElementsAre(address));
    EXPECT_EQ(node_.name, "new");
    EXPECT_EQ(node_.zone, "attic");
    EXPECT_EQ(node_.capacity_bytes, 1ull << 30);
    const std::string yaml = read(wanted.directory + "/agent.yaml");
    EXPECT_THAT(yaml, HasSubstr("zone: \"attic\""));
    EXPECT_THAT(yaml, HasSubstr(std::string("gateways: [\"") + address + "\"]"));

    AgentOptions agent;
    agent.name = "new";
    agent.directory = wanted.directory;
    agent.log_bytes = 128u << 20;
    agent.capacity_bytes = 2ull << 30;
    agent.gateways = {{address}};
    auto started = sim::run_in(device_, [&](Loop& loop) { return Agent::start(loop, agent); });
    ASSERT_TRUE(started) << started.error().to_string();
    const NodeId number = joined->node;
    EXPECT_TRUE(world_.until([&] { return world_.grid().usable(number); }));
    EXPECT_TRUE(sim::run_in(device_, [&](Loop&) { return (*started)->stop(); }));
  }
}

TEST_F(JoinTest, AddressesOfGatewaysAreTaken) {
  gateways_ = {"gate.example.org:9100", "10.0.0.2:9100"};
  ASSERT_TRUE(join(options()));
  EXPECT_THAT(read("/data/device/agent.yaml"),
              HasSubstr("gateways: [\"gate.example.org:9100\", \"10.0.0.2:9100\"]"));
}

TEST_F(JoinTest, AJoinedDeviceDoesNotJoinAgain) {
  ASSERT_TRUE(join(options()));
  const auto again = join(options());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kAlreadyExists);
  EXPECT_EQ(granted_, 1);
}

TEST_F(JoinTest, AnUnknownTokenLeavesNothing) {
  for (const char* address : {kTlsAddress, kGridAddress}) {
    JoinOptions wrong = options(address);
    wrong.token = token_of(2);
    if (address == kGridAddress) verdict_ = Code::kUnauthenticated;
    const auto refused = join(wrong);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kUnauthenticated) << refused.error().message;
    EXPECT_THAT(files(), ElementsAre()) << address;
  }
}

// The gateway knows the token by name, but it is used or expired.
TEST_F(JoinTest, ATokenThatIsRefusedInsideTlsTellsWhyAndLeavesNothing) {
  verdict_ = Code::kUnauthenticated;
  const auto refused = join(options());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnauthenticated);
  EXPECT_THAT(refused.error().message, HasSubstr("the catalog says no"));
  EXPECT_THAT(files(), ElementsAre());
}

TEST_F(JoinTest, NoGatewayLeavesNothing) {
  const auto refused = join(options("10.0.0.9:9100"));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("10.0.0.9:9100 cannot be reached"));
  EXPECT_THAT(files(), ElementsAre());
}

TEST_F(JoinTest, ADeviceOfAnotherGridIsRefused) {
  sim::run_in(device_, [](Loop& loop) -> Task<void> {
    EXPECT_TRUE(co_await loop.disk().make_directories("/data/device/logs"));
    EXPECT_TRUE(co_await load_identity(loop, "/data/device"));
    EXPECT_TRUE(co_await save_cluster(loop.disk(), "/data/device", cluster_of(2)));
  });
  const auto refused = join(options());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_EQ(granted_, 0);
  EXPECT_THAT(files(), ElementsAre("cluster", "identity", "lock"));  // what was there stays
}

// kill -9 at any moment: the same token, presented again, makes the same node.
TEST_F(JoinTest, AnInterruptedJoinMayBeRepeated) {
  int interrupted = 0;
  std::size_t devices = 0;
  for (Nanos at = 0; at < 12 * kMillisecond; at += 150 * kMicrosecond) {
    JoinOptions wanted = options();
    wanted.directory = "/data/at-" + std::to_string(at);
    bool ended = false;
    device_.loop().spawn([](Loop& loop, JoinOptions given, bool& done) -> Task<void> {
      EXPECT_TRUE(co_await join_grid(loop, given));
      done = true;
    }(device_.loop(), wanted, ended));
    world_.simulation.run_for(at);
    device_.crash();
    device_.restart();
    world_.simulation.run_for(kSecond);
    const auto joined = join(wanted);
    if (ended) {
      ASSERT_FALSE(joined);
      EXPECT_EQ(joined.error().code, Code::kAlreadyExists);
    } else {
      ++interrupted;
      ASSERT_TRUE(joined) << at << ": " << joined.error().to_string();
    }
    EXPECT_EQ(world_.known.size(), ++devices);  // never a second node of one directory
  }
  EXPECT_GT(interrupted, 10);
}

TEST_F(JoinTest, WhoTriesManyTokensIsNotListenedTo) {
  JoinOptions wrong = options();
  for (int i = 0; i < kMaxFailedJoins + 5; ++i) {
    wrong.token = token_of(10 + i);
    EXPECT_FALSE(join(wrong));
  }
  EXPECT_EQ(looked_up_, kMaxFailedJoins);
  EXPECT_FALSE(join(options()));  // not even with a good one
  world_.simulation.run_for(kFailedJoinsWindow);
  const auto joined = join(options());
  EXPECT_TRUE(joined) << joined.error().to_string();
}

TEST_F(JoinTest, NamesCannotBreakTheFile) {
  JoinOptions odd = options();
  odd.name = "a \"b\" \\ c";
  ASSERT_TRUE(join(odd));
  EXPECT_THAT(read("/data/device/agent.yaml"), HasSubstr("name: \"a \\\"b\\\" \\\\ c\""));
  odd = options();
  odd.directory = "/data/other";
  odd.name = "a\nb";
  EXPECT_EQ(join(odd).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace hydra::agent
