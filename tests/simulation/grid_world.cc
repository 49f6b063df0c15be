#include "tests/simulation/grid_world.h"

#include <fmt/format.h>

#include <utility>

#include "gateway/journal/journal_format.h"
#include "nodeagent/join.h"
#include "nodeagent/plant_secret.h"
#include "tests/simulation/s3_client.h"

namespace hydra::gridsim {

namespace {

constexpr const char* kGridAddress = "unix:/run/hydra/grid";
constexpr const char* kCatalogDirectory = "/var/lib/hydra/catalog";
constexpr Nanos kBootRetry = kSecond;  // as a service manager would
constexpr Nanos kPoll = 20 * kMillisecond;
constexpr Nanos kTokenPatience = 5 * kSecond;
constexpr Nanos kTaskLimit = 600 * kSecond;

std::string key_file() {
  object::DataKey key;
  key.fill(std::byte{0x1c});
  return object::KeyRing::generate(key);
}

}  // namespace

// Tells the world when its process is gone.
struct GridWorld::GatewayApplication {
  GatewayApplication(GridWorld& owner, std::unique_ptr<Gateway> started)
      : world(owner), gateway(std::move(started)) {
    world.gateway_ = gateway.get();
  }
  ~GatewayApplication() { world.gateway_ = nullptr; }
  // As main() does: what a worker accepts it serves.
  Status listen(std::span<Loop* const> loops) {
    for (Loop* loop : loops) {
      const Address address{world.s3_addresses()[loop->index()]};
      HYDRA_TRY(auto acceptor,
                loop->net().listen(address, [this, loop](std::unique_ptr<Stream> stream) {
                  gateway->serve(*loop, std::move(stream));
                }));
      acceptors.push_back(std::move(acceptor));
    }
    return {};
  }
  GridWorld& world;
  std::unique_ptr<Gateway> gateway;
  std::vector<std::unique_ptr<Acceptor>> acceptors;
};

struct GridWorld::AgentApplication {
  AgentApplication(agent::Agent*& place, std::unique_ptr<agent::Agent> started)
      : slot(place), agent(std::move(started)) {
    slot = agent.get();
  }
  ~AgentApplication() { slot = nullptr; }
  agent::Agent*& slot;
  std::unique_ptr<agent::Agent> agent;
};

GridWorld::GridWorld(std::uint64_t seed, sim::Faults faults, WorldOptions options)
    : model([this] { return simulation.now(); }),
      simulation(seed, faults),
      options_(std::move(options)),
      credentials_(*s3::CredentialStore::create({S3Client::credential()})) {}

GridWorld::~GridWorld() {
  for (std::size_t i = 0; i < simulation.processes(); ++i)
    if (simulation.process(i).running()) simulation.process(i).crash();
}

bool GridWorld::start() {
  clients_process_ = &simulation.add_process("clients");
  clients_process_->add_loop();
  gateway_process_ = &simulation.add_process("gateway");
  for (std::size_t i = 0; i < options_.workers; ++i) gateway_process_->add_loop();
  gateway_process_->set_boot([this](sim::Process& process) { boot_gateway(process); });
  for (std::size_t i = 0; i < options_.agents; ++i) boot_by(i);
  if (!run_until([this] { return all_usable(); })) return false;
  bool done = false;
  gateway_process_->loop().spawn(make_bucket(this, gateway_->workers().front().get(), &done));
  return run_until([&] { return done; });
}

void GridWorld::boot_by(std::size_t index) {
  agents_.push_back(nullptr);
  agent_processes_.push_back(&simulation.add_process(fmt::format("agent-{}", index + 1)));
  agent_processes_.back()->add_loop();
  agent_processes_.back()->set_boot(
      [this, index](sim::Process& process) { boot_agent(process, index); });
}

std::size_t GridWorld::add_agent() {
  const std::size_t index = agent_processes_.size();
  joining_[index];
  boot_by(index);
  model.note(agent_processes_.back()->name() + " is to join");
  return index;
}

void GridWorld::give_up(std::size_t index) {
  if (!given_up_.insert(index).second) return;
  model.note(agent_processes_[index]->name() + " is taken away");
  if (agent_processes_[index]->running()) agent_processes_[index]->crash();
}

void GridWorld::retire(std::size_t index) {
  give_up(index);
  retired_.insert(index);
  sick_.erase(index);
}

void GridWorld::hand_out_tokens() {
  if (gateway_ == nullptr) return;
  for (auto& [index, joining] : joining_) {
    if (joining.token || retired(index)) continue;
    if (joining.asked_at >= 0 && simulation.now() < joining.asked_at + kTokenPatience) continue;
    joining.asked_at = simulation.now();
    gateway_->workers().front()->loop.spawn(make_token(this, gateway_, index));
  }
}

Task<void> GridWorld::make_token(GridWorld* world, Gateway* gateway, std::size_t index) {
  const auto made = co_await gateway->admission().make_token();
  auto& token = world->joining_[index].token;
  if (made && !token) token = made->token;
}

Task<void> GridWorld::make_bucket(GridWorld* world, Gateway::Worker* worker, bool* done) {
  catalog::Bucket bucket;
  bucket.name = kBucketName;
  bucket.owner = {"owner", "Owner"};
  // The journal may not have taken it in time on a slow grid; it is made or found at the next try.
  Result<catalog::Bucket> made = fail(Code::kUnavailable, "not tried");
  for (int tries = 0; !made && tries < 10; ++tries)
    made = co_await worker->store.catalog().create_bucket(worker->loop, bucket);
  if (made)
    world->bucket_ = made->id;
  else
    world->model.violation("the bucket cannot be made: " + made.error().to_string());
  *done = true;
}

void GridWorld::boot_gateway(sim::Process& process) {
  process.loop().spawn(start_gateway(this, &process));
}

Task<void> GridWorld::start_gateway(GridWorld* world, sim::Process* process) {
  std::vector<Loop*> loops;
  for (std::size_t i = 0; i < process->loops(); ++i) loops.push_back(&process->loop(i));
  GatewayOptions options;
  options.catalog_directory = kCatalogDirectory;
  options.catalog.durable = world->options_.durable_catalog;
  options.key_file_text = key_file();
  options.grid_addresses = {{kGridAddress}};
  options.credentials = world->credentials_;
  options.store.profile = world->options_.profile;
  options.store.extent_bytes = world->options_.extent_bytes;
  options.healing = world->options_.healing;
  options.scrub = world->options_.scrub;
  options.inventory = world->options_.inventory;
  options.journal = world->options_.journal;
  auto started = co_await Gateway::start(loops, std::move(options));
  if (!started) {
    world->model.violation("the gateway does not start: " + started.error().to_string());
    co_return;
  }
  world->model.note("the gateway serves");
  auto application = std::make_shared<GatewayApplication>(*world, std::move(*started));
  process->set_application(application);
  if (const Status listening = application->listen(loops); !listening)
    world->model.violation("the S3 service does not listen: " + listening.error().to_string());
  if (world->options_.on_gateway_started) world->options_.on_gateway_started(*application->gateway);
}

void GridWorld::boot_agent(sim::Process& process, std::size_t index) {
  if (given_up_.contains(index)) return;
  process.loop().spawn(start_agent(this, &process, index));
}

// As an operator prepares a device, before its agent can start.
Task<Status> GridWorld::become_node(GridWorld* world, sim::Process* process, std::size_t index) {
  const auto joining = world->joining_.find(index);
  if (joining == world->joining_.end()) {
    const auto keys = object::KeyRing::parse(key_file());
    co_return co_await agent::plant_secret(process->loop(), kStoreDirectory,
                                           Gateway::grid_secret_of(*keys));
  }
  HYDRA_CO_TRY(const auto secret,
               co_await agent::load_secret(process->loop().disk(), kStoreDirectory));
  if (secret) co_return Status();
  const auto token = joining->second.token;
  if (!token) co_return fail(Code::kUnavailable, "no claim token yet");
  agent::JoinOptions wanted;
  wanted.gateway = {kGridAddress};  // without TLS, whose bytes no seed decides
  wanted.token = *token;
  wanted.directory = kStoreDirectory;
  wanted.name = process->name();
  wanted.zone = fmt::format("zone-{}", index % world->options_.zones);
  const auto joined = co_await agent::join_grid(process->loop(), wanted);
  // Its time was over, perhaps: a new one is asked for.
  if (!joined && joined.error().code == Code::kUnauthenticated) joining->second = {};
  co_return joined ? Status() : fail(joined.error());
}

Task<void> GridWorld::start_agent(GridWorld* world, sim::Process* process, std::size_t index) {
  for (;;) {
    agent::AgentOptions options;
    options.name = process->name();
    options.zone = fmt::format("zone-{}", index % world->options_.zones);
    options.directory = kStoreDirectory;
    options.log_bytes = world->options_.log_bytes;
    options.gateways = {{kGridAddress}};
    const Status ready = co_await become_node(world, process, index);
    Result<std::unique_ptr<agent::Agent>> started(fail(Code::kIo, "no secret"));
    if (ready)
      started = co_await agent::Agent::start(process->loop(), std::move(options));
    else
      started = fail(ready.error());
    if (started) {
      process->set_application(
          std::make_shared<AgentApplication>(world->agents_[index], std::move(*started)));
      co_return;
    }
    world->model.note(process->name() + " does not start: " + started.error().to_string());
    co_await sleep_for(process->loop(), kBootRetry);
  }
}

std::vector<std::string> GridWorld::s3_addresses() const {
  std::vector<std::string> addresses;
  for (std::size_t i = 0; i < options_.workers; ++i)
    addresses.push_back(fmt::format("127.0.0.1:{}", 9000 + i));
  return addresses;
}

NodeId GridWorld::node_id(std::size_t index) {
  if (gateway_ == nullptr) return 0;
  const auto rows = gateway_->catalog().nodes();
  if (!rows) return 0;
  for (const auto& row : *rows)
    if (row.name == agent_processes_[index]->name()) return row.id;
  return 0;
}

bool GridWorld::usable(std::size_t index) {
  const NodeId node = node_id(index);
  if (node == 0) return false;
  for (const auto& worker : gateway_->workers())
    if (!worker->grid.usable(node)) return false;
  return true;
}

bool GridWorld::known_to_be_away(std::size_t index) {
  const NodeId node = node_id(index);
  if (node == 0) return false;
  for (const auto& worker : gateway_->workers())
    if (worker->grid.usable(node)) return false;
  return true;
}

bool GridWorld::all_usable() {
  if (gateway_ == nullptr) return false;
  for (std::size_t i = 0; i < agents(); ++i)
    if (!usable(i) && !sick_.contains(i) && !retired(i)) return false;
  return gateway_->board().current() != nullptr;
}

bool GridWorld::run_until(const std::function<bool()>& holds, Nanos limit) {
  const Nanos end = simulation.now() + limit;
  while (!model.failed()) {
    if (holds()) return true;
    if (simulation.now() >= end) return false;
    hand_out_tokens();
    if (on_look) on_look();
    simulation.run_until([this] { return model.failed(); }, kPoll);
  }
  return false;
}

namespace {
Task<void> run_to_end(Task<void> task, bool* done) {
  co_await task;
  *done = true;
}
}  // namespace

bool GridWorld::run_on_worker(std::size_t index,
                              const std::function<Task<void>(Gateway::Worker&)>& make) {
  bool done = false;
  Gateway::Worker& worker = *gateway_->workers()[index];
  worker.loop.spawn(run_to_end(make(worker), &done));
  return simulation.run_until([&] { return done || model.failed(); }, kTaskLimit) &&
         !model.failed();
}

void GridWorld::lose_gateway_machine() {
  model.note("the gateway's machine is lost");
  if (gateway_process_->running()) gateway_process_->crash();
  gateway_process_->disk().wipe();
}

void GridWorld::begin_recovery() {
  recovered_.reset();
  recovery_said_.clear();
  if (gateway_process_->running()) gateway_process_->crash();
  gateway_process_->set_boot(
      [this](sim::Process& process) { process.loop().spawn(run_recovery(this, &process)); });
  gateway_process_->restart();
}

Task<void> GridWorld::run_recovery(GridWorld* world, sim::Process* process) {
  RecoverOptions options;
  options.catalog_directory = kCatalogDirectory;
  options.key_file_text = key_file();
  options.grid_addresses = {{kGridAddress}};
  options.wait = 20 * kSecond;
  options.say = [world](std::string sentence) { world->recovery_said_ += sentence + "\n"; };
  auto report = co_await recover(process->loop(), std::move(options));
  world->recovered_ = std::move(report);
}

void GridWorld::start_gateway_again() {
  if (gateway_process_->running()) gateway_process_->crash();
  gateway_process_->set_boot([this](sim::Process& process) { boot_gateway(process); });
  gateway_process_->restart();
}

bool GridWorld::journal_is_settled() const {
  if (gateway_ == nullptr) return false;
  const auto state = gateway_->journal().state();
  return state.based && state.safe == state.sequence;
}

GridWorld::Rows GridWorld::catalog_rows() {
  Rows rows;
  const auto store = open_catalog_rows();
  if (store == nullptr) return rows;
  const auto snapshot = store->snapshot();
  const auto cursor = (*snapshot)->cursor();
  for (auto more = cursor->seek({}); more && *more; more = cursor->next())
    if (!journal::is_local(as_text(cursor->key())))
      rows.emplace(as_text(cursor->key()), as_text(cursor->value()));
  return rows;
}

std::unique_ptr<kv::Store> GridWorld::open_catalog_rows() {
  auto image = gateway_process_->disk().kv_image(kCatalogDirectory);
  return image == nullptr ? nullptr : kv::open_memory(std::move(image), {});
}

}  // namespace hydra::gridsim
