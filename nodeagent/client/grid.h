// Grid: the gateway's side of the links to all agents, one per worker loop.
//
// Agents dial in (see grid_server.h); each keeps one link to each worker. Everything here is called
// on the worker's loop. Every call has a deadline. A node is *usable* when its link is up and its
// heartbeat is fresh.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/runtime/loop.h"
#include "erasure/layout.h"
#include "nodeagent/client/reputation.h"
#include "nodeagent/protocol/node.h"
#include "nodeagent/store/store.h"

namespace hydra::agent {

enum class NodeState { kHealthy, kSuspect, kDown };  // no missed heartbeat; 3 s; 10 s or no link

struct NodeView {
  NodeId id = 0;
  NodeDescription description;
  NodeLoad load;
  NodeState state = NodeState::kDown;
  Nanos last_heartbeat = 0;
  Nanos linked_at = 0;    // since when its newest link is up
  Nanos latency_p50 = 0;  // of small reads; 0 when unknown
  Nanos latency_p95 = 0;
  NodeScore score;
};

// One shard on its way to a node.
class ShardWriter {
 public:
  virtual ~ShardWriter() = default;  // without a finished last append: the agent abandons the shard
  // Sends the next block of the shard, in stripe order. Returns when the bytes may be reused. With
  // `last` the shard is committed in the same frame, and it returns when the agent has it durable.
  // The first failure is final. kNoSpace, kUnavailable, kTimeout, kFenced, kCorrupt.
  virtual Task<Status> append(ByteView block, std::uint32_t crc32c, bool last,
                              Deadline deadline) = 0;
};

class Grid {
 public:
  virtual ~Grid() = default;

  virtual bool usable(NodeId node) const = 0;
  virtual std::vector<NodeView> nodes() const = 0;  // every node with a link now or before, by id
  // The 95th percentile of this node's recent small reads, without the cost of nodes(); 0 when
  // unknown.
  virtual Nanos latency_p95(NodeId node) const {
    for (const NodeView& view : nodes())
      if (view.id == node) return view.latency_p95;
    return 0;
  }

  // Advice from what was lived through with the nodes (reputation.h). Whether to read from this
  // node before others; an answer of true may be the probe of a node that was slow, so ask once a
  // read.
  virtual bool ask_first(NodeId node) { return usable(node); }
  // Whether it should get new shards if enough others do too.
  virtual bool takes_new(NodeId node) { return usable(node); }
  // 0..1, beside its capacity the measure of how many new shards a substitute should get.
  virtual double score(NodeId) const { return 1; }

  // No round trip: errors show at the first append.
  virtual std::unique_ptr<ShardWriter> write(NodeId node, ShardId shard,
                                             erasure::Layout layout) = 0;
  // Bytes [offset, offset+length) of a shard, verified by CRC32C on arrival. kNotFound, kCorrupt,
  // kUnavailable, kTimeout.
  virtual Task<Result<Buffer>> read(NodeId node, ShardId shard, std::uint64_t offset,
                                    std::uint64_t length, Deadline deadline) = 0;
  virtual Task<Status> free(NodeId node, std::vector<ShardId> shards, Deadline deadline) = 0;
  virtual Task<Result<ShardInfo>> info(NodeId node, ShardId shard, Deadline deadline) = 0;
  virtual Task<Status> verify(NodeId node, ShardId shard, Deadline deadline) = 0;
  virtual Task<Result<std::vector<ShardInfo>>> list(NodeId node, std::optional<ShardId> after,
                                                    std::size_t limit, Deadline deadline) = 0;
};

}  // namespace hydra::agent
