// GridClient: the Grid of one gateway worker: its links to the agents, and the calls on them.
//
// Belongs to one worker's loop; every method runs there. GridServer hands it each authenticated
// link. Destroying it closes the links; calls in flight must have ended by then.
#pragma once

#include <map>
#include <memory>

#include "base/runtime/io.h"
#include "nodeagent/client/grid.h"

namespace hydra::agent {

struct NodeRecord;
class NodeLink;

constexpr Nanos kSuspectAfter = 3 * kSecond;
constexpr Nanos kDownAfter = 10 * kSecond;

class GridClient : public Grid {
 public:
  explicit GridClient(Loop& loop) : loop_(loop), reputation_(std::make_shared<Reputation>()) {}
  ~GridClient() override;
  GridClient(const GridClient&) = delete;
  GridClient& operator=(const GridClient&) = delete;

  Loop& loop() { return loop_; }
  // Takes over an authenticated link. It replaces an earlier link of the node, whose calls fail.
  void adopt(std::unique_ptr<Stream> stream, NodeId node, NodeDescription description);

  // Cuts the node's link, if it has one, and forgets the node.
  void expel(NodeId node);

  bool usable(NodeId node) const override;
  std::vector<NodeView> nodes() const override;
  Nanos latency_p95(NodeId node) const override;
  bool ask_first(NodeId node) override;
  bool takes_new(NodeId node) override;
  double score(NodeId node) const override;

  std::unique_ptr<ShardWriter> write(NodeId node, ShardId shard, erasure::Layout layout) override;
  Task<Result<Buffer>> read(NodeId node, ShardId shard, std::uint64_t offset, std::uint64_t length,
                            Deadline deadline) override;
  Task<Status> free(NodeId node, std::vector<ShardId> shards, Deadline deadline) override;
  Task<Result<ShardInfo>> info(NodeId node, ShardId shard, Deadline deadline) override;
  Task<Status> verify(NodeId node, ShardId shard, Deadline deadline) override;
  Task<Result<std::vector<ShardInfo>>> list(NodeId node, std::optional<ShardId> after,
                                            std::size_t limit, Deadline deadline) override;

 private:
  std::shared_ptr<NodeLink> link_to(NodeId node) const;  // null when there is none
  NodeState state_of(const NodeRecord& node) const;

  Loop& loop_;
  std::shared_ptr<Reputation> reputation_;  // shared with the links, which may end later
  std::map<NodeId, std::shared_ptr<NodeRecord>> nodes_;
};

}  // namespace hydra::agent
