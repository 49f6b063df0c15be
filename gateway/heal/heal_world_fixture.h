// HealWorld: a healer and the pipeline over nodes in memory, in one simulated process that can be
// killed and started again. Nodes and catalog outlive it. For tests.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "base/kv/memory_store.h"
#include "base/runtime/sim/simulation.h"
#include "base/runtime/text_body.h"
#include "gateway/heal/healer.h"
#include "gateway/heal/notices.h"
#include "gateway/object/memory_grid_fixture.h"
#include "gateway/object/object_store.h"
#include "gateway/object/slices.h"

namespace hydra::heal {

inline std::string noise(std::size_t bytes, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

// A journal that takes everything at once, until it is told to hold it.
class HoldingJournal final : public catalog::JournalSink {
 public:
  bool holds = false;

  Status admit_clients() override { return {}; }
  Status stage(const catalog::Change::Batch&, kv::Transaction&) override { return {}; }
  void staged(bool) override {}
  void when_safe(std::function<void(const Status&)> then) override {
    if (holds)
      waiting_.push_back(std::move(then));
    else
      then({});
  }
  // Answers all that wait.
  void answer(const Status& status) {
    for (const auto& then : std::exchange(waiting_, {})) then(status);
  }

 private:
  std::vector<std::function<void(const Status&)>> waiting_;
};

class HealWorld {
 public:
  static HealOptions quick() {
    HealOptions options;
    options.watch = {10 * kSecond, 60 * kSecond, 5 * kSecond};
    options.sweep.grace_ms = 300'000;
    return options;
  }

  // Nodes from 1 to `nodes`, two to a zone.
  explicit HealWorld(std::size_t nodes, HealOptions options = quick(), std::uint64_t seed = 1,
                     object::StoreOptions store = {})
      : options_(std::move(options)),
        store_options_(std::move(store)),
        simulation_(seed),
        process_(simulation_.add_process("gw")) {
    process_.add_loop();
    object::MemoryGrid grid(process_.loop(), nodes);
    nodes_ = grid.all();
    process_.set_boot([this](sim::Process& process) { boot(process); });
    run([&](Loop& loop) -> Task<void> {
      for (std::size_t i = 1; i <= nodes; ++i) co_await register_node(loop);
      catalog::Bucket bucket;
      bucket.name = "bucket";
      bucket.owner.id = "me";
      bucket_ = (co_await catalog().create_bucket(loop, std::move(bucket)))->id;
    });
    publish();
  }
  ~HealWorld() {
    if (process_.running()) process_.crash();
  }

  catalog::Catalog& catalog() { return *life_->catalog; }
  object::ObjectStore& store() { return life_->store; }
  HoldingJournal& journal() { return *journal_; }
  object::MemoryGrid& grid() { return life_->grid; }
  Healer& healer() { return *life_->healer; }
  const WritesInFlight& writes() { return life_->notices.writes; }
  HealStatus status() { return *healer().status(); }
  sim::Simulation& simulation() { return simulation_; }
  object::MemoryGrid::Node& node(NodeId id) { return grid().node(id); }
  catalog::BucketId bucket() const { return bucket_; }

  // kill -9; what runs ends where it stands.
  void crash() {
    nodes_ = grid().all();
    process_.crash();
    life_ = nullptr;
  }
  void restart() { process_.restart(); }

  // Runs make(loop) -> Task<void> to its end.
  template <typename Make>
  void run(Make make) {
    bool done = false;
    process_.loop().spawn(run_to_end(make(process_.loop()), &done));
    ASSERT_TRUE(simulation_.run_until([&] { return done; }, 3600 * kSecond));
  }
  void pass(Nanos time) { simulation_.run_for(time); }
  // Waits until it holds, as somebody who looks now and then.
  bool settles(const std::function<bool()>& holds, Nanos limit = 1800 * kSecond) {
    const Nanos end = simulation_.now() + limit;
    while (!holds()) {
      if (simulation_.now() >= end) return false;
      pass(kSecond);
    }
    return true;
  }

  NodeId add_node() {
    NodeId id = 0;
    run([&](Loop& loop) -> Task<void> { id = co_await register_node(loop); });
    grid().all()[id];
    publish();
    return id;
  }
  void change_node(NodeId id, catalog::NodeChange change) {
    run([&](Loop& loop) -> Task<void> {
      EXPECT_TRUE(co_await catalog().set_node(loop, id, change));
    });
    publish();
  }
  double moved_share() const { return moved_share_; }  // of slots, by the newest ring

  // A body as the journal keeps snapshots of the catalog.
  void put_snapshot(std::size_t bytes) {
    const std::string text = noise(bytes, ++puts_);
    run([&](Loop& loop) -> Task<void> {
      TextSource source(text);
      auto body = co_await life_->store.receive(source, text.size());
      ASSERT_OK(body);
      catalog::SnapshotRow row;
      row.sequence = 1;
      row.plain_bytes = text.size();
      row.slice = body->slices.front();
      const Status status = co_await catalog().put_snapshot(loop, row, body->data);
      EXPECT_TRUE(status) << status.error().to_string();
      if (status) body->release();
    });
  }
  void put(std::string key, std::size_t bytes) {
    const std::string text = noise(bytes, ++puts_);
    run([&](Loop& loop) -> Task<void> {
      TextSource source(text);
      auto body = co_await life_->store.receive(source, text.size());
      ASSERT_OK(body);
      catalog::Version version;
      version.key = key;
      version.etag = "etag";
      version.bytes = text.size();
      version.modified_ms = loop.wall_ms();
      const auto put =
          co_await life_->store.commit_object(bucket_, std::move(version), std::move(*body), {});
      ASSERT_OK(put);
      texts_[key] = text;
    });
  }
  // A copy of a range: it moves no data.
  void copy(std::string key, std::string from, std::uint64_t offset, std::uint64_t length) {
    run([&](Loop& loop) -> Task<void> {
      const auto source = catalog().object(bucket_, from);
      ASSERT_OK(source);
      catalog::Version version;
      version.key = key;
      version.etag = "etag";
      version.bytes = length;
      version.modified_ms = loop.wall_ms();
      version.slices = object::cut(source->slices, offset, length);
      ASSERT_OK(co_await catalog().put_object(loop, bucket_, std::move(version), {}, {}));
    });
    texts_[key] = texts_.at(from).substr(offset, length);
  }
  void erase(std::string key) {
    run([&](Loop& loop) -> Task<void> {
      EXPECT_TRUE(co_await catalog().delete_object(loop, bucket_, {key, {}, {}}, loop.wall_ms()));
    });
    texts_.erase(key);
  }
  catalog::ReadPlan plan_of(const std::string& key) {
    auto found = catalog().object_and_plan(bucket_, key, [](const catalog::Version& version) {
      return std::optional(std::pair<std::uint64_t, std::uint64_t>(0, version.bytes));
    });
    ASSERT_OK(found);
    return std::move(found->second);
  }
  // What a reader gets who made his plan some time ago.
  Result<std::string> read(const catalog::ReadPlan& plan) {
    TextSink sink;
    Status sent;
    run([&](Loop&) -> Task<void> { sent = co_await life_->store.send(plan, sink); });
    if (!sent) return fail(sent.error());
    return std::move(sink.text);
  }
  const std::string& text(const std::string& key) const { return texts_.at(key); }
  void expect_readable() {
    for (const auto& [key, text] : texts_) {
      const auto got = read(plan_of(key));
      EXPECT_TRUE(got) << key << ": " << got.error().to_string();
      EXPECT_TRUE(!got || *got == text) << key;
    }
  }

  std::vector<catalog::Extent> extents() {
    std::vector<catalog::Extent> out;
    const auto page = catalog().walk_extents(std::nullopt, SIZE_MAX);
    for (const auto& item : page->items) out.push_back(item.extent);
    return out;
  }
  // Every extent is of the wanted profile, on distinct nodes outside of `away`, which hold all of
  // its shards; why not, else.
  std::string flaw(const std::set<NodeId>& away = {}) {
    for (const auto& extent : extents()) {
      const std::string name = extent.id.to_string();
      if (extent.missing != 0) return name + " misses shards";
      if (extent.profile != extent.wanted) return name + " has another profile";
      if (std::set(extent.nodes.begin(), extent.nodes.end()).size() != extent.nodes.size())
        return name + " has two shards on a node";
      for (std::size_t i = 0; i < extent.nodes.size(); ++i) {
        if (away.contains(extent.nodes[i])) return name + " is on a node that is away";
        if (!node(extent.nodes[i]).shards.contains(extent.shard(i)))
          return name + " has a node without its shard";
      }
    }
    return {};
  }
  std::size_t shards() { return grid().shards(); }
  // What all nodes hold.
  std::uint64_t stored_bytes() {
    std::uint64_t bytes = 0;
    for (const auto& [id, node] : grid().all())
      for (const auto& [shard, text] : node.shards) bytes += text.size();
    return bytes;
  }
  // Whether every shard is where its extent's row says.
  bool all_there() {
    for (const auto& extent : extents())
      for (std::size_t i = 0; i < extent.nodes.size(); ++i)
        if (!node(extent.nodes[i]).shards.contains(extent.shard(i))) return false;
    return true;
  }
  // What the catalog says that nodes should hold.
  std::size_t expected_shards() {
    std::size_t count = 0;
    for (const auto& extent : extents()) count += extent.nodes.size();
    return count;
  }

 private:
  struct Life {
    Life(HealWorld& world, Loop& loop)
        : grid(loop, 0),
          catalog(*catalog::Catalog::open(loop, kv::open_memory(world.image_, {}), world.journal_)),
          keys(*object::KeyRing::parse(object::KeyRing::generate(object::DataKey{std::byte{7}}))),
          store(loop, grid, *catalog, board, keys, world.store_options_, &notices) {
      grid.all() = world.nodes_;
      healer = std::make_unique<Healer>(loop, grid, *catalog, board, foreground, notices.writes,
                                        world.options_);
    }
    object::MemoryGrid grid;
    std::unique_ptr<catalog::Catalog> catalog;
    placement::PlacementBoard board;
    object::KeyRing keys;
    Notices notices;
    object::ObjectStore store;
    Foreground foreground;
    std::unique_ptr<Healer> healer;
  };
  template <typename T>
  static void ASSERT_OK(const Result<T>& result) {
    HYDRA_ASSERT(result.has_value());
  }
  static Task<void> run_to_end(Task<void> task, bool* done) {
    co_await task;
    *done = true;
  }
  void boot(sim::Process& process) {
    const auto life = std::make_shared<Life>(*this, process.loop());
    life_ = life.get();
    process.set_application(life);
    if (view_ != nullptr) life_->board.publish(view_);
    process.loop().spawn(Healer::run(life_->healer.get()));
  }
  Task<NodeId> register_node(Loop& loop) {
    catalog::NodeRow row;
    row.identity.bytes[0] = static_cast<std::byte>(++registered_);
    row.name = "n" + std::to_string(registered_);
    row.zone = "z" + std::to_string(registered_ / 2);
    row.capacity_bytes = 1u << 30;
    co_return (co_await catalog().register_node(loop, std::move(row)))->id;
  }
  // As the membership does it after each change of the roster.
  void publish() {
    placement::ClusterMap map;
    const auto rows = catalog().nodes();
    for (const auto& row : *rows)
      if (row.stores())
        EXPECT_TRUE(
            map.put({row.id, row.name, row.zone, row.capacity_bytes, row.weight, row.draining}));
    const erasure::Profile profiles[] = {{4, 2}, {1, 2}};
    const placement::Ring* previous = view_ == nullptr ? nullptr : &view_->ring;
    placement::Ring ring = placement::build_ring(map, profiles, previous,
                                                 previous == nullptr ? 1 : previous->epoch() + 1);
    if (previous != nullptr)
      moved_share_ = placement::moved_share(*previous->find({4, 2}), *ring.find({4, 2}));
    view_ = std::make_shared<placement::PlacementView>(
        placement::PlacementView{std::move(map), std::move(ring)});
    life_->board.publish(view_);
  }

  HealOptions options_;
  object::StoreOptions store_options_;
  std::shared_ptr<HoldingJournal> journal_ = std::make_shared<HoldingJournal>();
  std::shared_ptr<kv::MemoryImage> image_ = std::make_shared<kv::MemoryImage>();
  std::map<NodeId, object::MemoryGrid::Node> nodes_;  // while nobody runs
  std::shared_ptr<const placement::PlacementView> view_;
  double moved_share_ = 0;
  catalog::BucketId bucket_ = 0;
  std::map<std::string, std::string> texts_;
  std::uint64_t puts_ = 0;
  int registered_ = 0;
  Life* life_ = nullptr;
  sim::Simulation simulation_;
  sim::Process& process_;
};

}  // namespace hydra::heal
