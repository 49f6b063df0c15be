// Grid: the gateway's side of the links to all agents, one per worker loop.
//
// Agents dial in (see grid_server.h); each keeps one link to each worker. Everything here is called on the
// worker's loop. Every call has a deadline. A node is *usable* when its link is up and its heartbeat is fresh.
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
#include "nodeagent/store/store.h"

namespace hydra::agent {

// What an agent says of itself when it joins and in each heartbeat.
struct NodeDescription {
  NodeIdentity identity;
  std::string name;
  std::string zone;
  std::string version;
  std::uint64_t capacity_bytes = 0;
};
struct NodeLoad {
  std::uint64_t used_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t shards = 0;
  std::uint64_t syncs = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t errors = 0;
  bool fenced = false;
};

enum class NodeState { kHealthy, kSuspect, kDown };  // no missed heartbeat; 3 s; 10 s or no link

struct NodeView {
  NodeId id = 0;
  NodeDescription description;
  NodeLoad load;
  NodeState state = NodeState::kDown;
  Nanos last_heartbeat = 0;
  Nanos latency_p50 = 0;  // of small reads; 0 when unknown
  Nanos latency_p95 = 0;
};

// One shard on its way to a node.
class ShardWriter {
 public:
  virtual ~ShardWriter() = default;  // without a finished last append: the agent abandons the shard
  // Sends the next block of the shard, in stripe order. Returns when the bytes may be reused. With `last` the
  // shard is committed in the same frame, and it returns when the agent has it durable. The first failure is
  // final. kNoSpace, kUnavailable, kTimeout, kFenced, kCorrupt.
  virtual Task<Status> append(ByteView block, std::uint32_t crc32c, bool last, Deadline deadline) = 0;
};

class Grid {
 public:
  virtual ~Grid() = default;

  virtual bool usable(NodeId node) const = 0;
  virtual std::vector<NodeView> nodes() const = 0;  // every node with a link now or before, by id

  // No round trip: errors show at the first append.
  virtual std::unique_ptr<ShardWriter> write(NodeId node, ShardId shard, erasure::Layout layout) = 0;
  // Bytes [offset, offset+length) of a shard, verified by CRC32C on arrival. kNotFound, kCorrupt, kUnavailable,
  // kTimeout.
  virtual Task<Result<Buffer>> read(NodeId node, ShardId shard, std::uint64_t offset,
                                    std::uint64_t length, Deadline deadline) = 0;
  virtual Task<Status> free(NodeId node, std::vector<ShardId> shards, Deadline deadline) = 0;
  virtual Task<Result<ShardInfo>> info(NodeId node, ShardId shard, Deadline deadline) = 0;
  virtual Task<Status> verify(NodeId node, ShardId shard, Deadline deadline) = 0;
  virtual Task<Result<std::vector<ShardInfo>>> list(NodeId node, std::optional<ShardId> after,
                                                    std::size_t limit, Deadline deadline) = 0;
};

}  // namespace hydra::agent
