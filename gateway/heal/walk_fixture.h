// Nodes and a catalog in memory, and objects in them, for tests of scrub and inventory.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/endian.h"
#include "base/kv/memory_store.h"
#include "base/runtime/sim/run_sim.h"
#include "gateway/catalog/catalog.h"
#include "gateway/object/memory_grid_fixture.h"

namespace hydra::heal {

// A MemoryGrid that answers questions about its shards.
class InspectedGrid : public object::MemoryGrid {
 public:
  InspectedGrid(Loop& loop, std::size_t count)
      : object::MemoryGrid(loop, count), loop_(loop), count_(count) {}

  std::set<std::pair<NodeId, ShardId>> corrupt;  // verify says so
  std::map<NodeId, std::size_t> read_errors;     // of the next verifications
  std::map<NodeId, Nanos> linked_at;
  std::map<NodeId, std::uint64_t> errors;
  std::map<NodeId, std::size_t> lists, verifications;
  std::function<void(NodeId)> on_list, on_info;  // before each answer

  std::vector<agent::NodeView> nodes() const override {
    std::vector<agent::NodeView> views(count_);
    for (NodeId id = 1; id <= count_; ++id) {
      agent::NodeView& view = views[id - 1];
      view.id = id;
      view.state = usable(id) ? agent::NodeState::kHealthy : agent::NodeState::kDown;
      if (const auto at = linked_at.find(id); at != linked_at.end()) view.linked_at = at->second;
      if (const auto at = errors.find(id); at != errors.end()) view.load.errors = at->second;
    }
    return views;
  }
  Task<Status> verify(NodeId id, ShardId shard, Deadline deadline) override {
    ++verifications[id];
    HYDRA_CO_CHECK_OK(co_await reach(id, deadline));
    if (read_errors[id] > 0) {
      --read_errors[id];
      co_return fail(Code::kIo, "the device does not read");
    }
    if (!node(id).shards.contains(shard)) co_return fail(Code::kNotFound, "no such shard");
    if (corrupt.contains({id, shard})) co_return fail(Code::kCorrupt, "damaged");
    co_return Status();
  }
  Task<Result<agent::ShardInfo>> info(NodeId id, ShardId shard, Deadline deadline) override {
    if (on_info) on_info(id);
    HYDRA_CO_CHECK_OK(co_await reach(id, deadline));
    const auto found = node(id).shards.find(shard);
    if (found == node(id).shards.end()) co_return fail(Code::kNotFound, "no such shard");
    co_return agent::ShardInfo{shard, {}, found->second.size()};
  }
  Task<Result<std::vector<agent::ShardInfo>>> list(NodeId id, std::optional<ShardId> after,
                                                   std::size_t limit, Deadline deadline) override {
    ++lists[id];
    if (on_list) on_list(id);
    HYDRA_CO_CHECK_OK(co_await reach(id, deadline));
    // As the protocol has it, where a request that breaks it costs the link.
    if (limit == 0 || (after && after->index >= erasure::kMaxShards))
      co_return fail(Code::kTooLarge, "not a LIST");
    std::vector<agent::ShardInfo> out;
    const auto& shards = node(id).shards;
    auto at = after ? shards.upper_bound(*after) : shards.begin();
    for (; at != shards.end() && out.size() < limit; ++at)
      out.push_back({at->first, {}, at->second.size()});
    co_return out;
  }

 private:
  Task<Status> reach(NodeId id, Deadline deadline) {
    co_await yield(loop_);
    if (node(id).stalls) {
      co_await sleep_until(loop_, deadline.at);
      co_return fail(Code::kTimeout, "stalled");
    }
    if (!node(id).up) co_return fail(Code::kUnavailable, "down");
    co_return Status();
  }

  Loop& loop_;
  std::size_t count_;
};

constexpr erasure::Profile kWalkProfile{2, 2};

class WalkWorld {
 public:
  static constexpr std::size_t kNodes = 8;

  explicit WalkWorld(Loop& owner)
      : loop(owner),
        grid(owner, kNodes),
        catalog(*catalog::Catalog::open(
            owner, kv::open_memory(std::make_shared<kv::MemoryImage>(), {}))) {}

  Task<Status> start() {
    for (NodeId id = 1; id <= kNodes; ++id) {
      catalog::NodeRow row;
      row.identity.bytes[0] = static_cast<std::byte>(id);
      row.name = "node-" + std::to_string(id);
      HYDRA_CO_TRY(row, co_await catalog->register_node(loop, std::move(row)));
      HYDRA_ASSERT(row.id == id);
    }
    catalog::Bucket bucket;
    bucket.name = "bucket";
    HYDRA_CO_TRY(bucket, co_await catalog->create_bucket(loop, std::move(bucket)));
    bucket_ = bucket.id;
    co_return Status();
  }

  // A name that says that it was made at that time.
  ExtentId name(std::int64_t born_ms) {
    ExtentId id;
    loop.random(id.bytes);
    std::array<std::byte, 8> time;
    store_be(time.data(), static_cast<std::uint64_t>(born_ms));
    std::copy(time.begin() + 2, time.end(), id.bytes.begin());
    return id;
  }
  // An extent that begins to be written: its shards are on their nodes, the catalog knows nothing.
  catalog::Extent write(std::int64_t born_ms, std::vector<NodeId> nodes, std::uint32_t plain = 1000,
                        std::uint32_t missing = 0) {
    catalog::Extent extent;
    extent.id = extent.stored_as = name(born_ms);
    extent.profile = extent.wanted = kWalkProfile;
    const std::uint64_t segments = (plain + catalog::kSegmentBytes - 1) / catalog::kSegmentBytes;
    extent.length = plain + static_cast<std::uint32_t>(16 * segments);
    extent.live_bytes = extent.length;
    extent.missing = missing;
    extent.nodes = std::move(nodes);
    store(extent);
    return extent;
  }
  // What it holds of an extent's shards, those that are missing excepted.
  void store(const catalog::Extent& extent) {
    for (std::size_t i = 0; i < extent.nodes.size(); ++i)
      if (!extent.lacks(i)) grid.node(extent.nodes[i]).shards[extent.shard(i)] = "shard";
  }
  Task<Status> commit(std::string key, catalog::Extent extent) {
    catalog::NewData data;
    catalog::Body body;
    loop.random(body.id.bytes);
    const std::uint32_t segments =
        (extent.length + catalog::kSealedSegmentBytes - 1) / catalog::kSealedSegmentBytes;
    body.plain_bytes = extent.length - 16 * segments;
    body.pieces.push_back({extent.id, 0, extent.length});
    catalog::Version version;
    version.key = std::move(key);
    version.bytes = body.plain_bytes;
    version.slices.push_back({body.id, 0, body.plain_bytes, {}});
    data.bodies.push_back(std::move(body));
    data.extents.push_back(std::move(extent));
    HYDRA_CO_CHECK_OK(
        co_await catalog->put_object(loop, bucket_, std::move(version), std::move(data), {}));
    co_return Status();
  }
  Task<Status> remove(std::string key) {
    HYDRA_CO_CHECK_OK(
        co_await catalog->delete_object(loop, bucket_, {std::move(key), {}, {}}, loop.wall_ms()));
    co_return Status();
  }
  Task<Result<catalog::Extent>> put(std::string key, std::vector<NodeId> nodes = {1, 2, 3, 4},
                                    std::uint32_t plain = 1000, std::uint32_t missing = 0) {
    auto extent = write(loop.wall_ms(), std::move(nodes), plain, missing);
    HYDRA_CO_CHECK_OK(co_await commit(std::move(key), extent));
    co_return extent;
  }

  std::uint32_t missing(const catalog::Extent& extent) {
    const auto row = catalog->extent(extent.id);
    EXPECT_TRUE(row);
    return row ? row->missing : ~0u;
  }
  std::vector<catalog::Stray> strays() { return *catalog->strays(INT64_MAX, 100'000); }
  bool is_stray(NodeId node, const ShardId& shard) {
    return std::ranges::any_of(strays(), [&](const catalog::Stray& stray) {
      return stray.node == node && stray.shard == shard;
    });
  }
  // Waits until it holds; false after an hour.
  Task<bool> wait_for(std::function<bool()> holds, Nanos limit = 3600 * kSecond) {
    const Nanos end = loop.now() + limit;
    while (!holds()) {
      if (loop.now() >= end) co_return false;
      co_await sleep_for(loop, kSecond / 2);
    }
    co_return true;
  }

  // Made here, so that it outlives its tasks.
  template <typename T, typename... Args>
  T& make(Args&&... args) {
    auto made = std::make_shared<T>(std::forward<Args>(args)...);
    made_.push_back(made);
    return *made;
  }

  Loop& loop;
  InspectedGrid grid;
  std::unique_ptr<catalog::Catalog> catalog;

 private:
  std::vector<std::shared_ptr<void>> made_;
  catalog::BucketId bucket_ = 0;
};

// Runs a test's coroutine over such a world.
template <typename Body>
void in_walk_world(std::uint64_t seed, Body body) {
  sim::Simulation simulation(seed);
  sim::Process& process = simulation.add_process("gateway");
  WalkWorld world(process.add_loop());
  const Status status = sim::run_in(process, [&](Loop&) -> Task<Status> {
    HYDRA_CO_CHECK_OK(co_await world.start());
    co_return co_await body(world);
  });
  EXPECT_TRUE(status) << status.error().to_string();
}

}  // namespace hydra::heal
