// ReadCache: what one worker asks the grid's cache nodes for, and what it gives them.
//
// An entry is a window of an extent's ciphertext (window_fetch.h). It lies on the node that
// weighted rendezvous hashing among the cache nodes chooses, so all workers of all gateways find
// the same one, as shard 0 of a 1+1 extent of one stripe whose id is made from the extent's and the
// window's number. What an extent's id stands for never changes, so no entry is ever stale: those
// of deleted extents are not asked for again and age out.
//
// It only ever helps. A node that does not answer in 100 ms is done without, and rests after a few
// such lapses; what comes is checked like everything, by CRC here and by its segments' tags in the
// reader, who says distrust() when they do not hold. Fills run in the background, at most 8 at a
// time (8 MiB), and are dropped beyond. While a node has room, each window that is read whole goes
// to it; once it is full, only those that were missed there before lately, so that one long read
// of cold data does not displace what is read again and again.
//
// Belongs to one loop. Fills that are under way keep what they need when it is destroyed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/runtime/loop.h"
#include "gateway/catalog/rows.h"
#include "gateway/object/cache_use.h"
#include "nodeagent/client/grid.h"

namespace hydra::object {

// The id under which a cache node keeps a window; never a reserved one.
ExtentId cache_entry(const ExtentId& extent, std::uint64_t window);

class ReadCache {
 public:
  // The nodes that the catalog knows.
  using Roster = std::function<Result<std::vector<catalog::NodeRow>>()>;

  using Use = CacheUse;

  ReadCache(Loop& loop, agent::Grid& grid, Roster roster);
  ~ReadCache();

  // Whether there are cache nodes to ask. Looks them up once a second.
  bool present();
  // The bytes [offset, offset + length) of the extent, within one window; nothing when the cache
  // does not have them, within 100 ms.
  Task<std::optional<Buffer>> read(ExtentId extent, std::uint64_t offset, std::uint64_t length);
  // The window at `offset` was read from the shards, and its segments' tags hold. What is not a
  // whole window is not kept.
  void offer(const catalog::Extent& extent, std::uint64_t offset, std::span<const ByteView> bytes);
  // What read() gave of the window at `offset` was wrong: the entry is freed, its node rests.
  void distrust(const ExtentId& extent, std::uint64_t offset);

  // By cache node, since this worker began.
  std::map<NodeId, Use> use() const;
  std::size_t filling() const;

 private:
  struct Node;
  struct State;
  class Missed;
  void look_up();
  NodeId owner_of(const ExtentId& entry) const;
  NodeId to_ask_for(const ExtentId& entry) const;
  bool admits(const Node& node, const ExtentId& entry);
  void forget(NodeId node, const ExtentId& entry);
  static Task<void> fill(std::shared_ptr<State> state, NodeId node, ExtentId entry,
                         std::unique_ptr<agent::ShardWriter> writer, Buffer block);

  Roster roster_;
  std::shared_ptr<State> state_;  // shared with fills
  std::unique_ptr<Missed> missed_;
  bool present_ = false;
  std::optional<Nanos> looked_up_;
};

}  // namespace hydra::object
