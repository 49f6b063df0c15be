// A Grid whose nodes are maps in memory, with faults on demand. For tests of the pipeline.
#pragma once

#include <map>
#include <set>

#include "base/runtime/sync.h"
#include "nodeagent/client/grid.h"

namespace hydra::object {

class MemoryGrid : public agent::Grid {
 public:
  struct Node {
    std::map<ShardId, std::string> shards;
    std::map<ShardId, erasure::Layout> layouts;
    std::set<ShardId> damaged;            // what verify() and read() find broken
    bool fenced = false;                  // says so in its heartbeats
    std::uint64_t free_bytes = 1u << 30;  // of 1 GiB; says so too
    bool stalls_writes = false;
    bool up = true;                     // has a link
    bool refuses = false;               // every block fails with kNoSpace
    bool spoils = false;                // stores other bytes than it was given, and does not notice
    bool stalls = false;                // answers nothing until the deadline
    std::size_t blocks = 0;             // appended so far
    std::size_t fail_after = SIZE_MAX;  // blocks, then kUnavailable
    Nanos read_time = 0;                // of each read
    std::size_t reads = 0;              // begun so far
  };

  MemoryGrid(Loop& loop, std::size_t count) : loop_(loop) {
    for (NodeId id = 1; id <= count; ++id) {
      nodes_[id];
      reputation.link_up(id, loop.now());
    }
  }
  Node& node(NodeId id) { return nodes_.at(id); }

  bool usable(NodeId id) const override { return nodes_.at(id).up; }
  std::vector<agent::NodeView> nodes() const override {
    std::vector<agent::NodeView> views;
    for (const auto& [id, node] : nodes_) {
      agent::NodeView view;
      view.id = id;
      view.state = node.up ? agent::NodeState::kHealthy : agent::NodeState::kDown;
      view.load.capacity_bytes = 1u << 30;
      view.load.free_bytes = node.free_bytes;
      view.load.shards = node.shards.size();
      view.load.fenced = node.fenced;
      views.push_back(std::move(view));
    }
    return views;
  }
  // All nodes, to keep what they hold when this object goes.
  std::map<NodeId, Node>& all() { return nodes_; }
  Nanos latency_p95(NodeId) const override { return 0; }
  bool ask_first(NodeId id) override { return usable(id) && reputation.ask_first(id, loop_.now()); }
  bool takes_new(NodeId id) override { return usable(id) && reputation.takes_new(id, loop_.now()); }

  std::unique_ptr<agent::ShardWriter> write(NodeId id, ShardId shard,
                                            erasure::Layout layout) override {
    return std::make_unique<Writer>(*this, id, shard, layout);
  }
  Task<Result<Buffer>> read(NodeId id, ShardId shard, std::uint64_t offset, std::uint64_t length,
                            Deadline deadline) override {
    const Nanos begun = loop_.now();
    Node& from = nodes_.at(id);
    ++from.reads;
    if (from.read_time > 0)
      co_await sleep_for(loop_, from.read_time);
    else
      co_await yield(loop_);
    reputation.small_read(id, loop_.now(), loop_.now() - begun);
    if (from.stalls) {
      co_await sleep_until(loop_, deadline.at);
      co_return fail(Code::kTimeout, "stalled");
    }
    if (!from.up) co_return fail(Code::kUnavailable, "down");
    const auto found = from.shards.find(shard);
    if (found == from.shards.end()) co_return fail(Code::kNotFound, "no such shard");
    if (from.damaged.contains(shard)) co_return fail(Code::kCorrupt, "bitrot");
    co_return Buffer::copy_of(as_bytes(std::string_view(found->second).substr(offset, length)));
  }
  Task<Status> free(NodeId id, std::vector<ShardId> shards, Deadline) override {
    co_await yield(loop_);
    if (!nodes_.at(id).up) co_return fail(Code::kUnavailable, "down");
    for (const auto& shard : shards) {
      nodes_.at(id).shards.erase(shard);
      nodes_.at(id).damaged.erase(shard);
    }
    co_return Status();
  }
  Task<Result<agent::ShardInfo>> info(NodeId id, ShardId shard, Deadline) override {
    co_await yield(loop_);
    HYDRA_CO_CHECK_OK(find(id, shard));
    const Node& node = nodes_.at(id);
    co_return agent::ShardInfo{shard, node.layouts.at(shard), node.shards.at(shard).size()};
  }
  Task<Status> verify(NodeId id, ShardId shard, Deadline deadline) override {
    HYDRA_CO_CHECK_OK(co_await info(id, shard, deadline));
    if (nodes_.at(id).damaged.contains(shard)) co_return fail(Code::kCorrupt, "bitrot");
    co_return Status();
  }
  Task<Result<std::vector<agent::ShardInfo>>> list(NodeId, std::optional<ShardId>, std::size_t,
                                                   Deadline) override {
    co_return std::vector<agent::ShardInfo>();
  }

  agent::Reputation reputation;  // lives through the reads; links are as the test says

  std::size_t shards() const {
    std::size_t count = 0;
    for (const auto& [id, node] : nodes_) count += node.shards.size();
    return count;
  }

 private:
  Status find(NodeId id, ShardId shard) const {
    const Node& node = nodes_.at(id);
    if (!node.up) return fail(Code::kUnavailable, "down");
    if (!node.shards.contains(shard)) return fail(Code::kNotFound, "no such shard");
    return {};
  }

  class Writer : public agent::ShardWriter {
   public:
    Writer(MemoryGrid& grid, NodeId id, ShardId shard, erasure::Layout layout)
        : grid_(grid), id_(id), shard_(shard), layout_(layout) {}
    Task<Status> append(ByteView block, std::uint32_t, bool last, Deadline deadline) override {
      co_await yield(grid_.loop_);
      Node& to = grid_.nodes_.at(id_);
      if (to.stalls || to.stalls_writes) {
        co_await sleep_until(grid_.loop_, deadline.at);
        co_return fail(Code::kTimeout, "stalled");
      }
      if (to.refuses) co_return fail(Code::kNoSpace, "full");
      if (!to.up || to.blocks++ >= to.fail_after) co_return fail(Code::kUnavailable, "down");
      bytes_ += as_text(block);
      if (!last) co_return Status();
      HYDRA_ASSERT(bytes_.size() == layout_.shard_bytes());
      to.shards[shard_] = std::move(bytes_);
      to.layouts[shard_] = layout_;
      if (to.spoils)
        to.damaged.insert(shard_);
      else
        to.damaged.erase(shard_);
      co_return Status();
    }

   private:
    MemoryGrid& grid_;
    NodeId id_;
    ShardId shard_;
    erasure::Layout layout_;
    std::string bytes_;
  };

  Loop& loop_;
  std::map<NodeId, Node> nodes_;
};

}  // namespace hydra::object
