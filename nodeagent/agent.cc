#include "nodeagent/agent.h"

#include <utility>

#include "nodeagent/dialer.h"
#include "nodeagent/session.h"

namespace hydra::agent {

struct Agent::State {
  std::shared_ptr<Device> device;
  std::vector<std::shared_ptr<Dialer>> dialers;

  void cut() {
    device->stopping = true;
    for (const auto& dialer : dialers) dialer->stop();
  }
};

Status check_options(const AgentOptions& options) {
  if (options.name.empty() || options.name.size() > kMaxNameBytes ||
      options.zone.size() > kMaxNameBytes || options.version.size() > kMaxNameBytes)
    return fail(Code::kInvalidArgument, "an agent needs a name, of at most 255 bytes");
  if (options.gateways.empty())
    return fail(Code::kInvalidArgument, "an agent needs the address of at least one gateway");
  if (options.write_window_bytes < kMinWriteWindowBytes)
    return fail(Code::kInvalidArgument, "the write window is less than two frames");
  if (options.read_window_bytes < kMaxReadBytes)
    return fail(Code::kInvalidArgument, "the read window is less than one frame");
  return Status();
}

Agent::Agent(std::shared_ptr<State> state) : state_(std::move(state)) {}

Agent::~Agent() { state_->cut(); }

Result<std::unique_ptr<Agent>> Agent::start_with(Loop& loop, AgentOptions options,
                                                 std::unique_ptr<ShardStore> store) {
  HYDRA_CHECK_OK(check_options(options));
  if (!options.secret) return fail(Code::kInvalidArgument, "an agent needs its node's secret");
  auto state = std::make_shared<State>();
  state->device = std::make_shared<Device>(loop, std::move(store));
  state->device->write_window_bytes = options.write_window_bytes;
  state->device->read_window_bytes = options.read_window_bytes;

  state->device->tasks.spawn(Device::count_shards(state->device));

  auto caller = std::make_shared<Caller>();
  caller->description.identity = state->device->store->identity();
  caller->description.name = options.name;
  caller->description.zone = options.zone;
  caller->description.version = options.version;
  caller->description.role = options.role;
  caller->secret = *options.secret;
  caller->tls = TlsContext::psk_client(link_psk(caller->secret, caller->description.identity));
  caller->log = options.log;
  for (const Address& gateway : options.gateways) {
    state->dialers.push_back(std::make_shared<Dialer>(state->device, caller, gateway));
    state->dialers.back()->start();
  }
  return std::unique_ptr<Agent>(new Agent(std::move(state)));
}

Task<Status> Agent::stop() {
  const auto state = state_;
  state->cut();
  co_await state->device->tasks.join();
  co_return co_await state->device->store->close();
}

ShardStore& Agent::store() { return *state_->device->store; }

std::size_t Agent::links() const {
  std::size_t count = 0;
  for (const auto& dialer : state_->dialers) count += dialer->links();
  return count;
}

}  // namespace hydra::agent
