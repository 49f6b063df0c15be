// A whole gateway with its agents in one simulation, as operators and load balancers see it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/runtime/sim/run_sim.h"
#include "gateway/admin/status_json.h"
#include "gateway/gateway.h"
#include "nodeagent/agent.h"
#include "nodeagent/join.h"
#include "nodeagent/memory_shard_store.h"

namespace hydra {
namespace {

using admin::Verdict;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kGrid = "unix:/run/grid.sock";
constexpr const char* kFarGrid = "10.0.0.1:9100";
constexpr const char* kAdmin = "unix:/run/admin.sock";
constexpr const char* kS3 = "127.0.0.1:9000";

agent::GridSecret test_secret() {
  return Gateway::grid_secret_of(*object::KeyRing::parse(object::KeyRing::generate({})));
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
    options.grid_addresses = {{kGrid}, {kFarGrid}};
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
    devices_.push_back(device);
    sim::Process& process = simulation_.add_process(name);
    process.add_loop();
    agent::AgentOptions options;
    options.name = name;
    options.zone = "zone";
    options.gateways = {{kGrid}};
    options.secret = agent::node_secret(test_secret(), device->identity);
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
  // What the admin socket answers to a POST, as JSON; its status line beside it.
  std::pair<std::string, admin::Json> post(std::string_view target, std::string_view body = {}) {
    const std::string head = "POST " + std::string(target) +
                             " HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: " +
                             std::to_string(body.size()) + "\r\n\r\n";
    auto response = sim::run_in(
        client_, [&](Loop& loop) { return exchange(loop, kAdmin, head + std::string(body)); });
    const std::string text = response ? *response : response.error().to_string();
    return {text.substr(0, text.find('\r')), admin::Json::parse(body_of(text), nullptr, false)};
  }
  admin::Json get(std::string_view target) {
    return admin::Json::parse(body_of(ask(kAdmin, "GET " + std::string(target))), nullptr, false);
  }
  // An object of one extent with one shard on each of the nodes.
  Status put_extent(std::vector<NodeId> nodes) {
    return sim::run_in(process_, [&](Loop& loop) {
      return put_extent(loop, gateway_->catalog(), std::move(nodes));
    });
  }
  static Task<Status> put_extent(Loop& loop, catalog::Catalog& catalog, std::vector<NodeId> nodes) {
    HYDRA_CO_TRY(const auto bucket, co_await catalog.create_bucket(loop, {.name = "bucket"}));
    catalog::Extent extent;
    loop.random(extent.id.bytes);
    extent.stored_as = extent.id;
    extent.profile = extent.wanted = {2, 1};
    extent.length = extent.live_bytes = 1016;
    extent.nodes = std::move(nodes);
    catalog::Body body{.plain_bytes = 1000};
    loop.random(body.id.bytes);
    body.pieces = {{extent.id, 0, extent.length}};
    catalog::Version version{.key = extent.id.to_string(), .bytes = 1000};
    version.slices = {{body.id, 0, 1000, {}}};
    const auto put =
        co_await catalog.put_object(loop, bucket.id, std::move(version), {{extent}, {body}}, {});
    if (!put) co_return fail(put.error());
    co_return Status();
  }
  static std::string body_of(const std::string& response) {
    return response.substr(response.find("\r\n\r\n") + 4);
  }
  // The index of an agent that holds, or does not hold, a shard of some extent.
  std::size_t agent_with_extents(bool holds) {
    std::set<NodeId> holders;
    const auto page = gateway_->catalog().walk_extents(std::nullopt, 1000);
    HYDRA_ASSERT(page.has_value());
    for (const auto& item : page->items)
      holders.insert(item.extent.nodes.begin(), item.extent.nodes.end());
    HYDRA_ASSERT(!holders.empty());
    const auto rows = gateway_->catalog().nodes();
    for (const auto& row : *rows)
      if (holders.contains(row.id) == holds)
        return std::stoul(row.name.substr(row.name.find('-') + 1)) - 1;
    HYDRA_ASSERT(false);
  }
  admin::GridStatus status() {
    auto status = admin::parse_status(body_of(ask(kAdmin, "GET /v1/status")));
    EXPECT_TRUE(status) << status.error().message;
    return status.value_or(admin::GridStatus());
  }

  sim::Simulation simulation_;
  sim::Process& process_;
  sim::Process& client_ = simulation_.add_process("client");
  std::vector<std::shared_ptr<agent::MemoryDevice>> devices_;  // of the agents
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

TEST_F(OperatorTest, ReadyOnlyWhenAFirstSnapshotLiesOnTheNodes) {
  start_gateway(options());
  add_agent(1);
  add_agent(2);
  for (const auto& device : devices_) device->refuses = Code::kNoSpace;
  simulation_.run_for(2 * kSecond);
  const std::string ready = ask(kS3, "GET /health/ready");
  EXPECT_THAT(ready, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(ready, HasSubstr("wait for a first snapshot"));
  for (const auto& device : devices_) device->refuses.reset();
  simulation_.run_for(10 * kSecond);
  EXPECT_THAT(ask(kS3, "GET /health/ready"), StartsWith("HTTP/1.1 200 "));
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
  agents[agent_with_extents(false)]->power_loss();
  simulation_.run_for(4 * kSecond);
  // Until the healer has looked at them, all extents may have a shard there, and one is to spare.
  seen = status();
  EXPECT_EQ(seen.verdict, Verdict::kAtRisk);
  EXPECT_EQ(std::ranges::count(seen.nodes, agent::NodeState::kSuspect, &admin::NodeStatus::state),
            1);
  simulation_.run_for(20 * kSecond);
  EXPECT_EQ(status().verdict, Verdict::kDegraded);
}

// The catalog's snapshot is all that there is, with a copy to spare.
TEST_F(OperatorTest, DataIsAtRiskUntilItsLastSpareShardIsRebuilt) {
  start_gateway(options());
  std::vector<sim::Process*> agents;
  for (int i = 1; i <= 4; ++i) agents.push_back(&add_agent(i));
  simulation_.run_for(3 * kSecond);
  agents[agent_with_extents(true)]->power_loss();
  simulation_.run_for(4 * kSecond);
  EXPECT_EQ(status().verdict, Verdict::kAtRisk);
  simulation_.run_for(60 * kSecond);
  const admin::GridStatus seen = status();
  EXPECT_EQ(seen.verdict, Verdict::kDegraded);
  EXPECT_EQ(seen.totals.repairs, 0u);
}

TEST_F(OperatorTest, NodesThatDoNotTakeTheJournalAreTold) {
  start_gateway(options());
  for (int i = 1; i <= 3; ++i) add_agent(i);
  simulation_.run_for(5 * kSecond);
  admin::GridStatus seen = status();
  EXPECT_EQ(seen.verdict, Verdict::kHealthy);
  ASSERT_TRUE(seen.journal);
  EXPECT_TRUE(seen.journal->begun && seen.journal->based && seen.journal->able);
  EXPECT_EQ(seen.journal->copies, 2u);
  EXPECT_EQ(seen.journal->takers, 3u);
  EXPECT_EQ(seen.journal->waiting_records, 0u);
  ASSERT_TRUE(seen.journal->snapshot_age_ms);
  EXPECT_LE(*seen.journal->snapshot_age_ms, 5000);
  simulation_.run_for(3600 * kSecond);
  EXPECT_GE(*status().journal->snapshot_age_ms, 3'600'000);

  // Two of three are there and well, but full. Joins and weights need not wait for them.
  devices_[0]->refuses = devices_[1]->refuses = Code::kNoSpace;
  EXPECT_THAT(post("/v1/nodes/3/set", R"({"weight": 2})").first, HasSubstr("200"));
  simulation_.run_for(4 * kSecond);
  seen = status();
  EXPECT_EQ(seen.verdict, Verdict::kUnavailable);
  EXPECT_THAT(seen.reasons,
              testing::ElementsAre("writes are refused: 1 node takes the journal, and it needs 2"));
  EXPECT_EQ(seen.write_profile, (erasure::Profile{2, 1}));
  EXPECT_GE(seen.journal->waiting_records, 1u);
  const std::string ready = ask(kS3, "GET /health/ready");
  EXPECT_THAT(ready, StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(body_of(ready), "1 nodes take the journal, which needs 2\n");
  EXPECT_THAT(ask(kS3, "GET /health/cluster"), StartsWith("HTTP/1.1 503 "));
  const std::string metrics = ask(kAdmin, "GET /metrics");
  for (const char* line : {"hydra_journal_takes_changes 0", "hydra_journal_takers 1",
                           "hydra_journal_copies 2", "hydra_journal_snapshot_age_seconds 36"})
    EXPECT_THAT(metrics, HasSubstr(std::string("\n") + line)) << line;

  devices_[0]->refuses.reset();
  devices_[1]->refuses.reset();
  simulation_.run_for(10 * kSecond);
  seen = status();
  EXPECT_EQ(seen.verdict, Verdict::kHealthy);
  EXPECT_EQ(seen.journal->takers, 3u);
  EXPECT_EQ(seen.journal->waiting_records, 0u);
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

// From the token to a node that takes writes.
TEST_F(OperatorTest, ADeviceJoinsByATokenOnce) {
  start_gateway(options());
  const auto [status, made] = post("/v1/nodes/token");
  EXPECT_THAT(status, HasSubstr("200"));
  EXPECT_EQ(made["gateway"], kFarGrid);
  EXPECT_THAT(
      made["command"].get<std::string>(),
      HasSubstr("join --gateway 10.0.0.1:9100 --token " + made["token"].get<std::string>()));
  agent::JoinOptions wanted;
  wanted.gateway = {kFarGrid};
  wanted.token = *agent::ClaimToken::parse(made["token"].get<std::string>());
  wanted.directory = "/device";
  wanted.name = "new";
  sim::Process& device = simulation_.add_process("device");
  device.add_loop();
  const auto join = [&](std::string directory) {
    wanted.directory = std::move(directory);
    return sim::run_in(device, [&](Loop& loop) { return agent::join_grid(loop, wanted); });
  };
  const auto joined = join("/device");
  ASSERT_TRUE(joined) << joined.error().to_string();
  EXPECT_EQ(joined->cluster, gateway_->catalog().cluster());
  const auto again = join("/other");
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message, HasSubstr("has been used"));

  agent::AgentOptions agent;
  agent.name = "new";
  agent.directory = "/device";
  agent.capacity_bytes = 1ull << 30;
  agent.log_bytes = 64u << 20;
  agent.gateways = {{kFarGrid}};
  auto started = sim::run_in(device, [&](Loop& loop) { return agent::Agent::start(loop, agent); });
  ASSERT_TRUE(started) << started.error().to_string();
  simulation_.run_for(3 * kSecond);
  const admin::Json node = get("/v1/nodes")["nodes"][0];
  EXPECT_EQ(node["name"], "new");
  EXPECT_EQ(node["role"], "storage");
  EXPECT_TRUE(node["placed"].get<bool>());
  EXPECT_EQ(node["capacity_bytes"], 1ull << 30);
}

TEST_F(OperatorTest, NodesAreChangedByNumberOrName) {
  start_gateway(options());
  for (int i = 1; i <= 4; ++i) add_agent(i);
  simulation_.run_for(3 * kSecond);
  const auto epoch = status().ring_epoch;
  EXPECT_THAT(post("/v1/nodes/2/set", R"({"weight": 0.5, "zone": "attic"})").first,
              HasSubstr("200"));
  EXPECT_THAT(post("/v1/nodes/agent-3/set", R"({"draining": true})").first, HasSubstr("200"));
  simulation_.run_for(3 * kSecond);
  const admin::GridStatus seen = status();
  EXPECT_GT(seen.ring_epoch, epoch);
  int drained = 0;
  for (const auto& node : seen.nodes) {
    if (node.id == 2) EXPECT_EQ(node.zone, "attic");
    EXPECT_EQ(node.placed, !node.draining);
    drained += node.draining ? 1 : 0;
  }
  EXPECT_EQ(drained, 1);
  EXPECT_THAT(post("/v1/nodes/9/set", R"({"weight": 1})").first, HasSubstr("404"));
  EXPECT_THAT(post("/v1/nodes/2/set", R"({"weight": -1})").first, HasSubstr("400"));
  EXPECT_THAT(post("/v1/nodes/2/set", R"({"wieght": 1})").first, HasSubstr("400"));
  EXPECT_THAT(post("/v1/nodes/2/set", R"({"draining": "yes"})").first, HasSubstr("400"));
}

TEST_F(OperatorTest, ANodeIsNotRemovedWhileItIsNeeded) {
  start_gateway(options());
  std::vector<sim::Process*> agents;
  for (int i = 1; i <= 4; ++i) agents.push_back(&add_agent(i));
  simulation_.run_for(3 * kSecond);
  const int before = get("/v1/nodes/1")["extents"];  // of the catalog's snapshot
  const Status put = put_extent({1, 2, 3});
  ASSERT_TRUE(put) << put.error().to_string();
  EXPECT_EQ(get("/v1/nodes/1")["extents"], before + 1);
  EXPECT_TRUE(get("/v1/nodes/4")["safe_to_remove"].get<bool>());

  const auto held = post("/v1/nodes/1/remove");
  EXPECT_THAT(held.first, HasSubstr("409"));
  EXPECT_THAT(held.second.dump(), HasSubstr("drain it first"));
  EXPECT_THAT(post("/v1/nodes/1/remove", R"({"lost": true})").second.dump(),
              HasSubstr("is not down"));

  // Its links are cut, and it does not come back.
  EXPECT_THAT(post("/v1/nodes/4/remove").first, HasSubstr("200"));
  simulation_.run_for(10 * kSecond);
  EXPECT_EQ(status().nodes.size(), 3u);
  for (const auto& worker : gateway_->workers()) EXPECT_FALSE(worker->grid.usable(4));

  // Of two dead nodes neither may be given up, for the other two of three shards are needed.
  const auto number_of = [&](std::size_t i) {
    for (const auto& node : status().nodes)
      if (node.name == "agent-" + std::to_string(i + 1)) return node.id;
    return NodeId{0};
  };
  std::vector<std::size_t> dead;
  for (std::size_t i = 0; i < agents.size() && dead.size() < 2; ++i)
    if (number_of(i) != 0) dead.push_back(i);
  ASSERT_EQ(dead.size(), 2u);
  const std::vector<NodeId> numbers = {number_of(dead[0]), number_of(dead[1])};
  for (const std::size_t i : dead) agents[i]->power_loss();
  simulation_.run_for(12 * kSecond);
  for (const NodeId id : numbers)
    EXPECT_THAT(post("/v1/nodes/" + std::to_string(id) + "/remove", R"({"lost": true})").first,
                HasSubstr("409"));
}

TEST_F(OperatorTest, ALostNodeIsRemovedWhenTheOthersHaveEnough) {
  GatewayOptions patient = options();
  start_gateway(patient);
  std::vector<sim::Process*> agents;
  for (int i = 1; i <= 3; ++i) agents.push_back(&add_agent(i));
  simulation_.run_for(3 * kSecond);
  ASSERT_TRUE(put_extent({1, 2, 3}));
  agents[0]->power_loss();
  simulation_.run_for(12 * kSecond);
  EXPECT_THAT(post("/v1/nodes/agent-1/remove").first, HasSubstr("409"));
  EXPECT_THAT(post("/v1/nodes/agent-1/remove", R"({"lost": true})").first, HasSubstr("200"));
  EXPECT_THAT(post("/v1/nodes/agent-1/remove", R"({"lost": true})").first, HasSubstr("404"));
  EXPECT_EQ(status().nodes.size(), 2u);
}

TEST_F(OperatorTest, NodesThatStayAwayAreEvictedIfThatIsConfigured) {
  GatewayOptions impatient = options();
  impatient.membership.evict_after = 3600 * kSecond;
  start_gateway(impatient);
  std::vector<sim::Process*> agents;
  for (int i = 1; i <= 3; ++i) agents.push_back(&add_agent(i));
  simulation_.run_for(3 * kSecond);
  agents[0]->power_loss();
  simulation_.run_for(3500 * kSecond);
  EXPECT_EQ(status().nodes.size(), 3u);
  simulation_.run_for(200 * kSecond);
  EXPECT_EQ(status().nodes.size(), 2u);
}

}  // namespace
}  // namespace hydra
