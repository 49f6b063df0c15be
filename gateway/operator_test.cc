// A whole gateway with its agents in one simulation, as operators and load balancers see it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/runtime/sim/run_sim.h"
#include "gateway/admin/status_json.h"
#include "gateway/gateway.h"
#include "nodeagent/agent.h"
#include "nodeagent/memory_shard_store.h"

namespace hydra {
namespace {

using admin::Verdict;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kGrid = "unix:/run/grid.sock";
constexpr const char* kAdmin = "unix:/run/admin.sock";
constexpr const char* kS3 = "127.0.0.1:9000";

agent::GridSecret test_secret() {
  agent::GridSecret secret;
  secret.fill(std::byte{7});
  return secret;
}

Task<Result<std::string>> exchange(Loop& loop, std::string address, std::string request) {
  const Deadline deadline = loop.after(10 * kSecond);
  HYDRA_CO_TRY(auto stream, co_await loop.net().connect({address}, deadline));
  const ByteView piece = as_bytes(request);
  HYDRA_CO_CHECK_OK(co_await stream->write({&piece, 1}, deadline));
  std::string response;
  Buffer into(4096);
  into.resize(4096);
  for (;;) {
    HYDRA_CO_TRY(const std::size_t got, co_await stream->read(into.span(), deadline));
    if (got == 0) co_return response;
    append(response, into.view().first(got));
  }
}

class OperatorTest : public testing::Test {
 protected:
  OperatorTest() : simulation_(1), process_(simulation_.add_process("gateway")) {
    process_.add_loop();
    process_.add_loop();
    client_.add_loop();
  }

  GatewayOptions options() const {
    GatewayOptions options;
    options.catalog_directory = "/catalog";
    options.key_file_text = object::KeyRing::generate({});
    options.grid_secret = test_secret();
    options.grid_addresses = {{kGrid}};
    options.credentials = *s3::CredentialStore::create({});
    options.store.profile = {2, 1};
    options.admin_address = {kAdmin};
    return options;
  }
  static Task<void> start(OperatorTest* self, GatewayOptions options) {
    const std::vector<Loop*> loops = {&self->process_.loop(0), &self->process_.loop(1)};
    auto gateway = co_await Gateway::start(loops, std::move(options));
    HYDRA_ASSERT(gateway.has_value());
    self->gateway_ = std::move(*gateway);
    // Connections reach the second worker, so that answers need both.
    auto acceptor = loops[1]->net().listen({kS3}, [self, loop = loops[1]](auto stream) {
      self->gateway_->serve(*loop, std::move(stream));
    });
    HYDRA_ASSERT(acceptor.has_value());
    self->acceptor_ = std::move(*acceptor);
  }
  void start_gateway(GatewayOptions options) {
    sim::run_in(process_, [&](Loop&) { return start(this, options); });
  }
  ~OperatorTest() override {
    for (std::size_t i = 0; i < simulation_.processes(); ++i)
      if (simulation_.process(i).running()) simulation_.process(i).crash();
  }

  sim::Process& add_agent(int number) {
    const std::string name = "agent-" + std::to_string(number);
    auto device = std::make_shared<agent::MemoryDevice>();
    device->identity.bytes.fill(static_cast<std::byte>(number));
    sim::Process& process = simulation_.add_process(name);
    process.add_loop();
    agent::AgentOptions options;
    options.name = name;
    options.zone = "zone";
    options.gateways = {{kGrid}};
    options.secret = test_secret();
    auto store = std::make_unique<agent::MemoryShardStore>(process.loop(), device);
    auto agent = agent::Agent::start_with(process.loop(), options, std::move(store));
    EXPECT_TRUE(agent);
    process.set_application(std::shared_ptr<agent::Agent>(std::move(*agent)));
    return process;
  }

  std::string ask(std::string_view address, std::string_view head) {
    auto response = sim::run_in(client_, [&](Loop& loop) {
      return exchange(loop, std::string(address),
                      std::string(head) + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    });
    return response ? *response : response.error().to_string();
  }
  static std::string body_of(const std::string& response) {
    return response.substr(response.find("\r\n\r\n") + 4);
  }
  admin::GridStatus status() {
    auto status = admin::parse_status(body_of(ask(kAdmin, "GET /v1/status")));
    EXPECT_TRUE(status) << status.error().message;
    return status.value_or(admin::GridStatus());
  }

  sim::Simulation simulation_;
  sim::Process& process_;
  sim::Process& client_ = simulation_.add_process("client");
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<Acceptor> acceptor_;
};

TEST_F(OperatorTest, GatewayWithoutNodesIsAliveButNotReady) {
  start_gateway(options());
  EXPECT_THAT(ask(kS3, "GET /health/live"), StartsWith("HTTP/1.1 200 "));
  const std::string ready = ask(kS3, "GET /health/ready");
  EXPECT_THAT(ready, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(body_of(ready), "no node has joined yet\n");
  const std::string cluster = ask(kS3, "GET /health/cluster");
  EXPECT_THAT(cluster, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(cluster, HasSubstr("\"verdict\": \"unavailable\""));
}

TEST_F(OperatorTest, ReadyFollowsTheNodesThatWorkersReach) {
  start_gateway(options());
  add_agent(1);
  simulation_.run_for(2 * kSecond);
  EXPECT_THAT(ask(kS3, "GET /health/ready"), HasSubstr("can write to 1 nodes"));
  sim::Process& second = add_agent(2);
  simulation_.run_for(2 * kSecond);
  const std::string ready = ask(kS3, "GET /health/ready");
  EXPECT_THAT(ready, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ready, HasSubstr("Cache-Control: no-store\r\n"));
  EXPECT_THAT(ask(kS3, "GET /health/cluster"), StartsWith("HTTP/1.1 200 "));
  second.power_loss();
  simulation_.run_for(4 * kSecond);
  EXPECT_THAT(ask(kS3, "GET /health/ready"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(ask(kS3, "GET /health/cluster"), HasSubstr("writes are refused"));
}

TEST_F(OperatorTest, HeadAnnouncesTheLengthAndSendsNothing) {
  start_gateway(options());
  const std::string response = ask(kS3, "HEAD /health/live");
  EXPECT_THAT(response, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_EQ(body_of(response), "");
}

TEST_F(OperatorTest, StatusTellsTheVerdictAndTheNodes) {
  start_gateway(options());
  std::vector<sim::Process*> agents;
  for (int i = 1; i <= 4; ++i) agents.push_back(&add_agent(i));
  simulation_.run_for(3 * kSecond);
  admin::GridStatus seen = status();
  EXPECT_EQ(seen.verdict, Verdict::kHealthy);
  EXPECT_EQ(seen.cluster, gateway_->catalog().cluster().to_string());
  EXPECT_EQ(seen.version, HYDRA_VERSION);
  EXPECT_EQ(seen.nodes_may_fail, 1);
  EXPECT_GE(seen.ring_epoch, 1u);
  ASSERT_EQ(seen.nodes.size(), 4u);
  for (const auto& node : seen.nodes) {
    EXPECT_THAT(node.name, StartsWith("agent-"));
    EXPECT_TRUE(node.takes_writes()) << node.name;
    EXPECT_LE(node.heartbeat_age_ms, 1500);
    EXPECT_EQ(node.version, HYDRA_VERSION);
  }
  agents[0]->power_loss();
  simulation_.run_for(4 * kSecond);
  seen = status();
  EXPECT_EQ(seen.verdict, Verdict::kDegraded);
  EXPECT_EQ(std::ranges::count(seen.nodes, agent::NodeState::kSuspect, &admin::NodeStatus::state),
            1);
}

TEST_F(OperatorTest, MetricsAreOnTheAdminSocketAndPublicOnlyIfConfigured) {
  start_gateway(options());
  EXPECT_THAT(ask(kS3, "GET /metrics"), StartsWith("HTTP/1.1 403 "));
  const std::string metrics = ask(kAdmin, "GET /metrics");
  EXPECT_THAT(metrics, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(metrics, HasSubstr("hydra_s3_requests_total{operation=\"none\",status=\"4xx\"} 1\n"));
}

TEST_F(OperatorTest, MetricsHaveTheFamiliesOfEveryPart) {
  GatewayOptions public_options = options();
  public_options.public_metrics = true;
  start_gateway(public_options);
  add_agent(1);
  simulation_.run_for(2 * kSecond);
  (void)ask(kS3, "GET /bucket");
  const std::string metrics = ask(kS3, "GET /metrics");
  EXPECT_THAT(metrics, StartsWith("HTTP/1.1 200 "));
  for (const char* line :
       {"# TYPE hydra_s3_requests_total counter", "# TYPE hydra_s3_request_seconds histogram",
        "# TYPE hydra_s3_requests_in_flight gauge", "# TYPE hydra_s3_received_bytes_total counter",
        "# TYPE hydra_s3_sent_bytes_total counter", "# TYPE hydra_object_reads_total counter",
        "# TYPE hydra_object_degraded_writes_total counter", "hydra_object_budget_used_bytes 0",
        "hydra_http_connections 1", "hydra_nodes{state=\"healthy\"} 1",
        "hydra_nodes{state=\"down\"} 0", "hydra_node_up{node=\"agent-1\",zone=\"zone\"} 1",
        "hydra_node_free_bytes{node=\"agent-1\"", "hydra_repairs_queued 0", "hydra_dead_extents 0",
        "hydra_catalog_objects 0", "hydra_ring_epoch 1", "hydra_status_known 1",
        "hydra_grid_verdict{verdict=\"unavailable\"} 1"})
    EXPECT_THAT(metrics, HasSubstr(std::string("\n") + line)) << line;
}

TEST_F(OperatorTest, AdminSocketRefusesWhatItDoesNotKnow) {
  start_gateway(options());
  EXPECT_THAT(ask(kAdmin, "GET /"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(ask(kAdmin, "GET /v1/status/x"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(ask(kAdmin, "DELETE /v1/status"), StartsWith("HTTP/1.1 405 "));
}

TEST_F(OperatorTest, AdminSocketMustBeAUnixSocket) {
  GatewayOptions wrong = options();
  wrong.admin_address = {"127.0.0.1:9500"};
  const auto code = sim::run_in(process_, [&](Loop& loop) -> Task<Code> {
    Loop* const loops[] = {&loop};
    auto gateway = co_await Gateway::start(loops, wrong);
    co_return gateway ? Code::kInternal : gateway.error().code;
  });
  EXPECT_EQ(code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace hydra
