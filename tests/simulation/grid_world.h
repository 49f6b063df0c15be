// GridWorld: a whole grid in one simulation: agents over the real shard store, and a gateway with
// its workers, all of which boot again after a crash or a power loss. What the processes do is the
// product's code; only main() is missing.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/runtime/sim/simulation.h"
#include "gateway/gateway.h"
#include "gateway/recover.h"
#include "nodeagent/agent.h"
#include "tests/simulation/reference_model.h"

namespace hydra::gridsim {

// Frees what is dead within seconds.
inline heal::HealOptions quick_healing() {
  heal::HealOptions options;
  options.sweep.interval = 2 * kSecond;
  options.sweep.grace_ms = 5'000;
  options.sweep.batch = 64;
  return options;
}

struct WorldOptions {
  std::size_t agents = 6;  // in the beginning
  std::size_t zones = 3;
  std::size_t workers = 2;
  std::uint64_t log_bytes = 8u << 20;
  erasure::Profile profile{4, 2};
  std::uint64_t extent_bytes = erasure::kMaxExtentBytes;
  heal::HealOptions healing = quick_healing();
  heal::ScrubOptions scrub;
  heal::InventoryOptions inventory;
  journal::JournalOptions journal;
  bool durable_catalog = true;  // false plants a bug
  // Runs in the gateway's process each time it has started, on its first loop: starts clients.
  std::function<void(Gateway&)> on_gateway_started;
};

class GridWorld {
 public:
  GridWorld(std::uint64_t seed, sim::Faults faults, WorldOptions options);
  ~GridWorld();

  // Null while the gateway is down or starting.
  Gateway* gateway() { return gateway_; }
  agent::Agent* agent(std::size_t index) { return agents_[index]; }
  sim::Process& gateway_process() { return *gateway_process_; }
  sim::Process& agent_process(std::size_t index) { return *agent_processes_[index]; }
  // Also those that were removed.
  std::size_t agents() const { return agent_processes_.size(); }
  std::size_t first_agents() const { return options_.agents; }
  // One more device: it joins by a claim token as soon as it can. Its number.
  std::size_t add_agent();
  // Its agent is never started again.
  void give_up(std::size_t index);
  // The grid does not know it any more, and nothing is expected of it.
  void retire(std::size_t index);
  bool retired(std::size_t index) const { return retired_.contains(index); }
  // The number the catalog gave it; 0 before its first join.
  NodeId node_id(std::size_t index);
  // Whether every worker can use this agent, or all of them but the sick.
  bool usable(std::size_t index);
  bool all_usable();
  // Whether no worker takes it for usable any more.
  bool known_to_be_away(std::size_t index);
  // Agents whose devices lose or change what they hold: nothing is expected of them.
  std::set<std::size_t>& sick() { return sick_; }
  // The host of the clients of the S3 service.
  sim::Process& clients_process() { return *clients_process_; }
  catalog::BucketId bucket() const { return bucket_; }
  static constexpr const char* kBucketName = "bucket";
  static constexpr const char* kStoreDirectory = "/var/lib/hydra/store";
  // Where the S3 service of each worker listens.
  std::vector<std::string> s3_addresses() const;

  // Starts all, waits until every agent is usable, and makes the bucket.
  bool start();
  // Is called now and then while the world runs.
  std::function<void()> on_look;
  // Looks now and then whether it holds. False after `limit`, or when the model complains.
  bool run_until(const std::function<bool()>& holds, Nanos limit = 600 * kSecond);
  // Runs a coroutine on a worker's loop to its end; make(Gateway::Worker&) gives Task<void>. False:
  // it did not end, or the model complained.
  bool run_on_worker(std::size_t index, const std::function<Task<void>(Gateway::Worker&)>& make);
  // Opens every row of the catalog for an audit.
  std::unique_ptr<kv::Store> open_catalog_rows();
  // Every row of the catalog but those of its machine only.
  using Rows = std::map<std::string, std::string>;
  Rows catalog_rows();
  // Whether all that was committed lies on the agents.
  bool journal_is_settled() const;

  // The gateway's machine is lost, with all that it had, and another one stands in its place.
  void lose_gateway_machine();
  // Runs a recovery there, which takes the place of a gateway until start_gateway_again(). Empty:
  // it goes on without an answer; recovered() tells when there is one.
  void begin_recovery();
  const std::optional<Result<RecoverReport>>& recovered() const { return recovered_; }
  const std::string& recovery_said() const { return recovery_said_; }
  void start_gateway_again();

  ReferenceModel model;  // outlives the simulation: tasks that die tell it
  sim::Simulation simulation;

 private:
  struct GatewayApplication;
  struct AgentApplication;
  void boot_gateway(sim::Process& process);
  void boot_agent(sim::Process& process, std::size_t index);
  static Task<void> start_gateway(GridWorld* world, sim::Process* process);
  static Task<void> start_agent(GridWorld* world, sim::Process* process, std::size_t index);
  static Task<Status> become_node(GridWorld* world, sim::Process* process, std::size_t index);
  static Task<void> run_recovery(GridWorld* world, sim::Process* process);
  static Task<void> make_token(GridWorld* world, Gateway* gateway, std::size_t index);
  void boot_by(std::size_t index);
  // Those that join wait for the operator to give them a token.
  void hand_out_tokens();
  static Task<void> make_bucket(GridWorld* world, Gateway::Worker* worker, bool* done);

  WorldOptions options_;
  std::shared_ptr<const s3::CredentialStore> credentials_;
  sim::Process* gateway_process_ = nullptr;
  sim::Process* clients_process_ = nullptr;
  std::set<std::size_t> sick_;
  std::vector<sim::Process*> agent_processes_;
  Gateway* gateway_ = nullptr;
  std::deque<agent::Agent*> agents_;
  std::set<std::size_t> given_up_, retired_;
  struct Joining {
    std::optional<agent::ClaimToken> token;
    Nanos asked_at = -1;  // for a token
  };
  std::map<std::size_t, Joining> joining_;  // all that join or have joined by a token
  std::optional<Result<RecoverReport>> recovered_;
  std::string recovery_said_;
  catalog::BucketId bucket_ = 0;
};

}  // namespace hydra::gridsim
