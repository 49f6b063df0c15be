#include "tests/simulation/whole_checks.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "erasure/codec.h"
#include "tests/simulation/object_client.h"
#include "tests/simulation/until_answered.h"

namespace hydra::gridsim {

namespace {

constexpr Nanos kLook = kSecond / 2;
constexpr Nanos kMostPatience = 1800 * kSecond;
constexpr Nanos kReplaceAfter = 20 * kSecond;  // a device that does not come back
constexpr Nanos kAnswer = 30 * kSecond;

void complain(GridWorld& world, std::string sentence) {
  world.model.violation("whole: " + std::move(sentence));
}

// Looks whether it holds, less often than GridWorld does.
bool wait_for(GridWorld& world, const std::function<bool()>& holds, Nanos limit) {
  const Nanos end = world.simulation.now() + limit;
  while (!world.model.failed()) {
    if (holds()) return true;
    if (world.simulation.now() >= end) return false;
    (void)world.run_until([] { return false; }, kLook);
  }
  return false;
}

// ---- becoming whole
// ------------------------------------------------------------------------------

// What was asked of the walkers and of the healer, and since when.
class Caretaker {
 public:
  Caretaker(GridWorld& world, Operator& keeper) : world_(world), keeper_(keeper) {}

  // Why it has not all been done yet; empty: it has.
  std::string wants() {
    Gateway* gateway = world_.gateway();
    if (gateway == nullptr) return "there is no gateway";
    if (gateway != gateway_) begin(*gateway);
    if (!world_.all_usable()) return "nodes are away";
    if (!keeper_.idle()) return "the operator has work left";
    if (gateway->journal().counters().snapshots == snapshots_) return "no snapshot has been made";
    if (std::string left = walkers_want(*gateway); !left.empty()) return left;
    return healer_wants(*gateway);
  }

 private:
  void begin(Gateway& gateway) {
    gateway_ = &gateway;
    begun_ms_ = gateway.workers().front()->loop.wall_ms();
    gateway.inventory().start_now();
    // As each day: copies of records are not verified, they are renewed.
    gateway.journal().want_snapshot();
    snapshots_ = gateway.journal().counters().snapshots;
  }
  std::string walkers_want(Gateway& gateway) {
    const auto scrub = gateway.scrub().status();
    if (scrub.row.last_started_ms < begun_ms_) {
      if (scrub.row.started_ms == 0 || !scrub.row.hurried) gateway.scrub().start_now();
      return fmt::format("the scrub has not come round ({} shards)", scrub.row.counts.shards);
    }
    const auto inventory = gateway.inventory().status();
    if (inventory.held_back > 0) return "the inventory holds orphans back";
    std::set<NodeId> finished;
    for (const auto& node : inventory.nodes)
      if (!node.waiting && !node.visiting && node.finished_ms.value_or(0) >= begun_ms_)
        finished.insert(node.node);
    for (std::size_t i = 0; i < world_.agents(); ++i)
      if (!world_.retired(i) && !finished.contains(world_.node_id(i)))
        return "the inventory has not come round " + world_.agent_process(i).name();
    return {};
  }
  std::string healer_wants(Gateway& gateway) {
    const auto status = gateway.healer().status();
    if (!status) return status.error().to_string();
    const auto& totals = status->totals;
    if (totals.repairs + totals.moves + totals.trims + totals.strays + totals.dead_extents > 0)
      return fmt::format(
          "{} repairs, {} moves, {} trims, {} strays and {} dead extents are left; {} blocked, the "
          "last by: {}",
          totals.repairs, totals.moves, totals.trims, totals.strays, totals.dead_extents,
          status->blocked, status->blocked_why);
    if (!status->settled || status->census->begun_ms < begun_ms_) {
      if (!status->surveying) gateway.healer().survey_now();
      return "the healer has not looked at all extents";
    }
    return {};
  }

  GridWorld& world_;
  Operator& keeper_;
  Gateway* gateway_ = nullptr;
  std::int64_t begun_ms_ = 0;
  std::uint64_t snapshots_ = 0;
};

// ---- being whole
// ---------------------------------------------------------------------------------

using Shards = std::map<NodeId, std::set<ShardId>>;

struct Look {
  GridWorld& world;
  std::vector<std::string> faults;
  std::size_t shards = 0;

  void fault(std::string sentence) { faults.push_back(std::move(sentence)); }
};

std::set<NodeId> nodes_in_service(GridWorld& world) {
  std::set<NodeId> nodes;
  for (std::size_t i = 0; i < world.agents(); ++i)
    if (!world.retired(i)) nodes.insert(world.node_id(i));
  return nodes;
}

std::vector<catalog::Extent> all_extents(catalog::Catalog& catalog) {
  std::vector<catalog::Extent> extents;
  std::optional<ExtentId> after;
  do {
    const auto page = catalog.walk_extents(after, 100);
    HYDRA_ASSERT(page.has_value());
    for (const auto& item : page->items) extents.push_back(item.extent);
    after = page->next;
  } while (after);
  return extents;
}

void check_row(Look& look, const catalog::Extent& extent, const std::set<NodeId>& in_service) {
  const std::string name = "extent " + extent.id.to_string();
  if (extent.missing != 0) look.fault(name + " misses shards");
  if (extent.profile != extent.wanted)
    look.fault(name + " has the profile " + extent.profile.to_string());
  if (std::set(extent.nodes.begin(), extent.nodes.end()).size() != extent.nodes.size())
    look.fault(name + " has two shards on one node");
  for (const NodeId node : extent.nodes)
    if (!in_service.contains(node))
      look.fault(fmt::format("{} is on node {}, which is not in service", name, node));
}

// Reads all shards of an extent: its parity is that of its data.
Task<void> check_bytes(Look* look, Gateway::Worker* worker, const catalog::Extent* extent) {
  const auto layout = erasure::Layout::of(extent->profile, extent->length);
  std::vector<Buffer> shards;
  for (std::size_t i = 0; i < extent->nodes.size(); ++i) {
    const NodeId node = extent->nodes[i];
    const std::string name =
        fmt::format("shard {} of extent {} on node {}", i, extent->id.to_string(), node);
    const Status whole = co_await until_answered(worker->loop, [&] {
      return worker->grid.verify(node, extent->shard(i), worker->loop.after(kAnswer));
    });
    if (!whole) look->fault(name + " is not whole: " + whole.error().to_string());
    auto bytes = co_await until_answered(worker->loop, [&] {
      return worker->grid.read(node, extent->shard(i), 0, layout->shard_bytes(),
                               worker->loop.after(kAnswer));
    });
    if (bytes && bytes->size() != layout->shard_bytes()) look->fault(name + " has a wrong size");
    if (!bytes) look->fault(name + " cannot be read: " + bytes.error().to_string());
    if (!bytes || bytes->size() != layout->shard_bytes()) co_return;
    shards.push_back(std::move(*bytes));
    ++look->shards;
  }
  const auto k = static_cast<std::size_t>(extent->profile.k);
  for (std::uint32_t stripe = 0; stripe < layout->stripes(); ++stripe) {
    const std::size_t size = layout->block_size(stripe);
    std::vector<ByteView> blocks;
    for (const Buffer& shard : shards)
      blocks.push_back(shard.view().subspan(layout->block_shard_offset(stripe), size));
    std::vector<std::string> parity(blocks.size() - k, std::string(size, '\0'));
    std::vector<MutableBytes> views;
    for (std::string& block : parity)
      views.push_back(std::as_writable_bytes(std::span(block.data(), size)));
    erasure::codec_for(extent->profile).encode(std::span(blocks).first(k), views);
    for (std::size_t i = 0; i < parity.size(); ++i)
      if (as_text(blocks[k + i]) != parity[i])
        look->fault(fmt::format("shard {} of extent {} is not the parity of its data", k + i,
                                extent->id.to_string()));
  }
}

Task<Shards> list_shards(Look* look, Gateway::Worker* worker, const std::set<NodeId>* nodes) {
  Shards found;
  for (const NodeId node : *nodes) {
    std::optional<ShardId> after;
    for (bool more = true; more;) {
      const auto page = co_await until_answered(worker->loop, [&] {
        return worker->grid.list(node, after, 500, worker->loop.after(kAnswer));
      });
      if (!page) {
        look->fault(
            fmt::format("node {} does not list its shards: {}", node, page.error().to_string()));
        break;
      }
      for (const auto& info : *page)
        if (!is_reserved(info.id.extent)) found[node].insert(info.id);
      more = !page->empty();
      if (more) after = page->back().id;
    }
  }
  co_return found;
}

Task<void> look_at_all(Look* look, Gateway::Worker& worker) {
  const std::set<NodeId> in_service = nodes_in_service(look->world);
  const auto extents = all_extents(worker.store.catalog());
  Shards expected;
  for (const auto& extent : extents) {
    check_row(*look, extent, in_service);
    for (std::size_t i = 0; i < extent.nodes.size(); ++i)
      expected[extent.nodes[i]].insert(extent.shard(i));
    co_await check_bytes(look, &worker, &extent);
  }
  const Shards found = co_await list_shards(look, &worker, &in_service);
  for (const NodeId node : in_service) {
    const auto should = expected.find(node);
    const auto does = found.find(node);
    const std::set<ShardId> none;
    const auto& wanted = should == expected.end() ? none : should->second;
    const auto& held = does == found.end() ? none : does->second;
    for (const ShardId& shard : held)
      if (!wanted.contains(shard))
        look->fault(fmt::format("node {} holds shard {} of {}, which nobody wants", node,
                                shard.index, shard.extent.to_string()));
    for (const ShardId& shard : wanted)
      if (!held.contains(shard))
        look->fault(fmt::format("node {} does not list shard {} of {}", node, shard.index,
                                shard.extent.to_string()));
  }
}

Task<void> remove_all(GridWorld* world, const std::vector<std::string>* keys,
                      Gateway::Worker& worker) {
  ObjectClient cleaner(world->model, world->bucket(), 1, "cleaner", {.keys = *keys, .calm = true});
  for (const std::string& key : *keys) {
    std::string error = "not tried";
    for (int tries = 0; tries < 20 && !error.empty(); ++tries) {
      if (tries > 0) co_await sleep_for(worker.loop, 3 * kSecond);
      error = co_await cleaner.remove(worker, key);
    }
    if (!error.empty()) complain(*world, key + " cannot be deleted: " + error);
  }
}

}  // namespace

bool become_whole(GridWorld& world, Operator& keeper) {
  if (!wait_for(
          world, [&] { return world.all_usable() && world.sick().empty(); }, kReplaceAfter)) {
    const std::set<std::size_t> sick = world.sick();
    for (const std::size_t index : sick)
      if (!world.usable(index)) keeper.replace(index);
  }
  world.sick().clear();  // their devices do not harm any more what they hold
  Caretaker caretaker(world, keeper);
  std::string left;
  const bool done = wait_for(
      world, [&] { return (left = caretaker.wants()).empty(); }, kMostPatience);
  if (!done) complain(world, "after half an hour: " + left);
  return done;
}

std::size_t check_whole(GridWorld& world) {
  // A snapshot of the catalog may just be made, or another one released.
  constexpr int kLooks = 4;
  Look look{world, {}, 0};
  for (int i = 0; i < kLooks; ++i) {
    if (i > 0) (void)world.run_until([] { return false; }, 15 * kSecond);
    look.faults.clear();
    look.shards = 0;
    if (!world.run_on_worker(0,
                             [&](Gateway::Worker& worker) { return look_at_all(&look, worker); })) {
      complain(world, "looking at all shards does not end");
      return 0;
    }
    if (look.faults.empty()) return look.shards;
  }
  for (std::string& fault : look.faults) complain(world, std::move(fault));
  return look.shards;
}

bool delete_everything(GridWorld& world, const std::vector<std::string>& keys) {
  const bool ended = world.run_on_worker(
      0, [&](Gateway::Worker& worker) { return remove_all(&world, &keys, worker); });
  if (!ended && !world.model.failed()) complain(world, "deleting everything does not end");
  return ended;
}

void check_empty(GridWorld& world) {
  catalog::Catalog& catalog = world.gateway()->catalog();
  std::set<ExtentId> of_snapshots;
  const auto snapshots = catalog.snapshots();
  HYDRA_ASSERT(snapshots.has_value());
  for (const auto& row : *snapshots) {
    const auto plan = catalog.plan({&row.slice, 1}, 0, row.plain_bytes);
    HYDRA_ASSERT(plan.has_value());
    for (const auto& extent : plan->extents) of_snapshots.insert(extent.id);
  }
  for (const auto& extent : all_extents(catalog))
    if (!of_snapshots.contains(extent.id))
      complain(world, "all is deleted, and extent " + extent.id.to_string() + " is left");
  const auto totals = catalog.totals();
  if (totals->objects + totals->uploads + totals->object_bytes != 0)
    complain(world, "all is deleted, and the totals say otherwise");
}

bool survive_loss_of_machine(GridWorld& world, sim::Prng& prng, std::size_t away) {
  if (!world.run_until([&] { return world.journal_is_settled(); })) {
    complain(world, "the journal does not settle");
    return false;
  }
  world.gateway_process().crash();
  const GridWorld::Rows before = world.catalog_rows();
  world.lose_gateway_machine();
  std::set<std::size_t> dead;
  while (dead.size() < away) {
    const std::size_t index = prng.below(world.agents());
    if (!world.retired(index) && dead.insert(index).second && world.agent_process(index).running())
      world.agent_process(index).crash();
  }
  world.begin_recovery();
  const bool answered = world.run_until([&] { return world.recovered().has_value(); });
  if (!answered || !*world.recovered()) {
    complain(world, fmt::format("no catalog is recovered with {} agents away: {}\n{}", away,
                                answered ? world.recovered()->error().to_string() : "no answer",
                                world.recovery_said()));
    return false;
  }
  const GridWorld::Rows after = world.catalog_rows();
  for (const auto& [key, value] : before) {
    const auto found = after.find(key);
    if (found == after.end() || found->second != value)
      complain(world, fmt::format("the recovered catalog {} of table {:#x}",
                                  found == after.end() ? "lacks a row" : "has another row",
                                  static_cast<unsigned char>(key[0])));
  }
  for (const auto& [key, value] : after)
    if (!before.contains(key))
      complain(world, fmt::format("the recovered catalog has one more row of table {:#x}",
                                  static_cast<unsigned char>(key[0])));
  for (const std::size_t index : dead)
    if (!world.agent_process(index).running()) world.agent_process(index).restart();
  world.start_gateway_again();
  const bool back = world.run_until([&] { return world.all_usable(); }, 120 * kSecond);
  if (!back) complain(world, "the grid does not come back after the recovery");
  return back;
}

}  // namespace hydra::gridsim
