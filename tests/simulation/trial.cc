#include "tests/simulation/trial.h"

#include <fmt/format.h>

#include <bit>

#include "tests/simulation/s3_client.h"
#include "tests/simulation/whole_checks.h"

namespace hydra::gridsim {

namespace {

constexpr Nanos kBeyondAllClocks = 8 * 60 * kSecond;  // of the nemesis

class Trial {
 public:
  Trial(std::uint64_t seed, const TrialOptions& options)
      : seed_(seed), options_(options), prng_(sim::combine(seed, 0x7214)) {
    WorldOptions world = options.world;
    world.on_gateway_started = [this](Gateway& gateway) { start_clients(gateway); };
    world_ = std::make_unique<GridWorld>(seed, sim::Faults::swarm(seed), std::move(world));
    nemesis_ = std::make_unique<Nemesis>(*world_, prng_.next(), options.nemesis);
    operator_ = std::make_unique<Operator>(*world_, prng_.next(), options.keeper);
    keys_ = make_keys(prng_, prng_.between(3, options.most_keys));
  }

  TrialResult run() {
    live();
    if (world_->model.failed() || !failure_.empty()) {
      result_.report = fmt::format("seed {}: {}\n{}{}\n", seed_, failure_, world_->model.report(),
                                   world_->simulation.report());
    }
    result_.trace_hash = world_->simulation.trace_hash();
    result_.events = world_->simulation.scheduler().executed();
    result_.operations = world_->model.operations();
    result_.harms = nemesis_->harms();
    result_.kept = operator_->counters();
    for (const auto& client : clients_) add(client->counters());
    for (const auto& client : s3_clients_) add(client->counters());
    world_.reset();  // its tasks end before the clients that they belong to
    return std::move(result_);
  }

 private:
  void live() {
    if (!world_->start()) return fail("the grid does not come up");
    make_clients();
    start_clients(*world_->gateway());
    for (const auto& client : s3_clients_)
      world_->clients_process().loop().spawn(S3Client::run(client.get()));
    if (options_.prepare) options_.prepare(*world_);
    nemesis_->start();
    operator_->start();
    (void)world_->run_until([] { return false; }, prng_.in(options_.harm_time));
    result_.most_states = world_->model.most_states();
    if (world_->model.failed()) return;
    nemesis_->stop();
    operator_->stop();
    const auto healed = [this] {
      return world_->simulation.now() >= nemesis_->quiet_from() && world_->all_usable();
    };
    if (!world_->run_until(healed, 120 * kSecond)) return fail("the grid does not heal");
    for (const auto& client : clients_) client->stop();
    for (const auto& client : s3_clients_) client->stop();
    if (!world_->run_until([this] { return idle(); }, 300 * kSecond))
      return fail("clients do not come to an end");
    const std::size_t sick = world_->sick().size();
    if (options_.work_without > sick && !work_without(options_.work_without - sick)) return;
    if (prng_.chance(options_.final_blackout)) {
      nemesis_->black_out(kSecond);
      world_->simulation.run_for(3 * kSecond);
    }
    if (!world_->run_until([this] { return world_->all_usable(); }, 120 * kSecond))
      return fail("the grid does not come back");
    world_->model.settle();
    result_.settled = check_settled(*world_, keys_, options_.safe_only);
    check_histories();
    if (options_.whole_without && !world_->model.failed()) become_whole_and_vanish();
  }

  // The model has judged each answer when it came; this judges all of them together.
  void check_histories() {
    for (const std::string& key : keys_) {
      const auto history = world_->model.history(key);
      result_.judged += history.size();
      if (const auto flaw = find_flaw(history))
        world_->model.violation(key + " has a history that no register has: " + *flaw);
    }
  }

  // The grid that was left alone is whole, survives the loss of its gateway's machine, and gives
  // back all that it holds.
  void become_whole_and_vanish() {
    // Nothing was born later than now, whatever the clocks said then.
    world_->gateway_process().set_clock_skew(kBeyondAllClocks);
    if (!become_whole(*world_, *operator_)) return;
    result_.whole_shards = check_whole(*world_);
    if (world_->model.failed()) return;
    if (!survive_loss_of_machine(*world_, prng_, *options_.whole_without)) return;
    ++result_.recoveries;
    check_settled(*world_, keys_);
    check_histories();
    if (world_->model.failed() || !delete_everything(*world_, keys_)) return;
    if (!become_whole(*world_, *operator_)) return;
    check_empty(*world_);
    check_whole(*world_);
  }

  void make_clients() {
    ClientOptions client = options_.client;
    client.keys = keys_;
    for (std::size_t i = 0; i < options_.object_clients; ++i)
      clients_.push_back(std::make_unique<ObjectClient>(
          world_->model, world_->bucket(), prng_.next(), fmt::format("client {}", i), client));
    for (std::size_t i = 0; i < options_.s3_clients + options_.racers; ++i) {
      const bool races = i >= options_.s3_clients;
      client.races = races;
      if (races) client.think = {0, 150 * kMillisecond};
      s3_clients_.push_back(std::make_unique<S3Client>(
          world_->model, world_->clients_process().loop(), GridWorld::kBucketName, prng_.next(),
          fmt::format("{} {}", races ? "racer" : "S3 client", i), world_->s3_addresses(), client));
    }
  }

  void start_clients(Gateway& gateway) {
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      Gateway::Worker* worker = gateway.workers()[i % gateway.workers().size()].get();
      ObjectClient* client = clients_[i].get();
      worker->loop.post(
          [worker, client] { worker->loop.spawn(ObjectClient::run(client, worker)); });
    }
  }

  bool idle() const {
    for (const auto& client : clients_)
      if (client->busy()) return false;
    for (const auto& client : s3_clients_)
      if (client->busy()) return false;
    return true;
  }

  // With some agents away, and known to be, writes succeed, and so do reads of what still has k
  // shards.
  bool work_without(std::size_t count) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < world_->agents(); ++i)
      if (!world_->sick().contains(i) && !world_->retired(i))
        order.insert(order.begin() + static_cast<std::ptrdiff_t>(prng_.below(order.size() + 1)), i);
    order.resize(count);
    for (const std::size_t index : order)
      nemesis_->take_down(world_->agent_process(index), prng_.chance(0.5), 60 * kSecond);
    const bool known = world_->run_until([&] {
      for (const std::size_t index : order)
        if (!world_->known_to_be_away(index)) return false;
      return true;
    });
    if (!known) return fail("agents that are away are taken for usable"), false;
    ObjectClient worker_client(world_->model, world_->bucket(), prng_.next(), "survivor",
                               {.keys = keys_, .calm = true});
    const bool ended = world_->run_on_worker(
        prng_.below(world_->gateway()->workers().size()),
        [&](Gateway::Worker& worker) { return survive(this, &worker_client, &worker); });
    if (!ended && !world_->model.failed()) fail("work with agents away does not end");
    if (!failure_.empty() || world_->model.failed()) return false;
    world_->simulation.run_for(60 * kSecond);
    return true;
  }

  static Task<void> survive(Trial* trial, ObjectClient* client, Gateway::Worker* worker) {
    for (const std::string& key : trial->keys_) {
      if (trial->readable(*worker, key)) {
        const std::string error = co_await client->get(*worker, key);
        if (!error.empty()) trial->fail("with agents away: " + error);
      }
      const std::string error = co_await client->put(*worker, key);
      if (!error.empty()) trial->fail("with agents away: " + error);
      const std::string read_error = co_await client->get(*worker, key);
      if (!read_error.empty()) trial->fail("with agents away: " + read_error);
    }
  }

  // Whether every extent of the object has k recorded shards on sound nodes that are there.
  bool readable(Gateway::Worker& worker, const std::string& key) {
    std::set<NodeId> sick;
    for (const std::size_t index : world_->sick()) sick.insert(world_->node_id(index));
    const auto found = worker.store.catalog().object_and_plan(
        world_->bucket(), key, [](const catalog::Version& version) {
          return std::optional(std::pair<std::uint64_t, std::uint64_t>(0, version.bytes));
        });
    if (!found) return true;
    for (const auto& extent : found->second.extents) {
      int there = 0;
      for (std::size_t i = 0; i < extent.nodes.size(); ++i)
        there += (extent.missing >> i & 1) == 0 && worker.grid.usable(extent.nodes[i]) &&
                 !sick.contains(extent.nodes[i]);
      if (there < extent.profile.k) return false;
    }
    return true;
  }

  void fail(std::string sentence) {
    if (failure_.empty()) failure_ = std::move(sentence);
  }
  void add(const ClientCounters& more) {
    ClientCounters& sum = result_.clients;
    sum.puts += more.puts;
    sum.gets += more.gets;
    sum.deletes += more.deletes;
    sum.copies += more.copies;
    sum.uploads += more.uploads;
    sum.lists += more.lists;
    sum.failures += more.failures;
    sum.turns += more.turns;
  }

  std::uint64_t seed_;
  const TrialOptions& options_;
  sim::Prng prng_;
  std::vector<std::string> keys_;
  std::vector<std::unique_ptr<ObjectClient>> clients_;
  std::vector<std::unique_ptr<S3Client>> s3_clients_;
  std::unique_ptr<GridWorld> world_;
  std::unique_ptr<Nemesis> nemesis_;
  std::unique_ptr<Operator> operator_;
  std::string failure_;
  TrialResult result_;
};

}  // namespace

TrialResult run_trial(std::uint64_t seed, const TrialOptions& options) {
  return Trial(seed, options).run();
}

std::string TrialResult::summary() const {
  return fmt::format(
      "{} events, {} operations ({} puts, {} gets, {} deletes, {} copies, {} uploads, {} lists, {} "
      "turns; {} failed), {} harms, {} joins, {} drains, {} removals; "
      "{} objects, {} extents, {} shards, {} missing, {} orphans, {} whole shards; "
      "{} recoveries; at most {} states",
      events, operations, clients.puts, clients.gets, clients.deletes, clients.copies,
      clients.uploads, clients.lists, clients.turns, clients.failures, harms, kept.joins,
      kept.drains, kept.removals, settled.objects, settled.extents, settled.shards, settled.missing,
      settled.orphans, whole_shards, recoveries, most_states);
}

}  // namespace hydra::gridsim
