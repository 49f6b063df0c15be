// Agent: one device of the grid: its shard store, and the links it keeps to the gateways.
//
// The agent dials; nothing listens on a device. To every worker of every gateway it keeps one link,
// tried again for ever when it breaks. Belongs to one loop, real or simulated.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/runtime/io.h"
#include "nodeagent/protocol/handshake.h"
#include "nodeagent/store/store.h"

namespace hydra::agent {

struct AgentOptions {
  std::string name;
  std::string zone;
  std::string directory;             // of the store; absolute
  std::uint64_t capacity_bytes = 0;  // 0: what the file system has
  std::uint64_t log_bytes = 1u << 30;
  std::vector<Address> gateways;
  NodeRole role = NodeRole::kStorage;
  std::optional<NodeSecret> secret;  // absent: as joining has left it in `directory`
  std::string version = HYDRA_VERSION;
  std::uint32_t write_window_bytes = 8u << 20;         // in flight towards us, per link
  std::uint32_t read_window_bytes = 16u << 20;         // of answers in memory, per link
  std::function<void(std::string_view sentence)> log;  // may be empty
};

// kInvalidArgument: options with which no agent can run.
Status check_options(const AgentOptions& options);

class Agent {
 public:
  // Opens the store and begins to dial. kInvalidArgument (also: the device has not joined a grid),
  // or what the store gives. A gateway that does not answer is no error.
  static Task<Result<std::unique_ptr<Agent>>> start(Loop& loop, AgentOptions options);
  // The same over a store that is open already; wants the secret in the options.
  static Result<std::unique_ptr<Agent>> start_with(Loop& loop, AgentOptions options,
                                                   std::unique_ptr<ShardStore> store);
  // Cuts the links at once, as a crash of the process would; the store is not closed.
  ~Agent();

  // Cuts the links, waits for what is being served, closes the store. Call once.
  Task<Status> stop();

  ShardStore& store();
  // Links that are up now.
  std::size_t links() const;

 private:
  struct State;
  explicit Agent(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace hydra::agent
