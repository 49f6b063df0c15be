// DiskGrid: a Grid whose nodes are real shard stores on one simulated disk, a directory each,
// without links between. What lies in their logs can be found, changed and put back.
//
// Belongs to one loop; the test drives it between runs of the simulation.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/runtime/sim/simulation.h"
#include "nodeagent/client/grid.h"
#include "nodeagent/store/log_format.h"
#include "nodeagent/store/store.h"

namespace hydra::corruption {

// Where a shard's record lies in its log.
struct Record {
  std::string path;
  agent::RecordHeader header;
  std::uint64_t trailer() const { return header.end() - trailer_bytes(); }
  std::uint64_t trailer_bytes() const { return agent::trailer_bytes(header.layout.stripes()); }
};

class DiskGrid final : public agent::Grid {
 public:
  // Nodes 1 to `count`.
  DiskGrid(sim::Process& process, std::size_t count);
  ~DiskGrid() override;

  std::size_t size() const { return stores_.size(); }
  agent::ShardStore& store(NodeId node) { return *stores_.at(node); }
  sim::SimDisk& disk() { return process_.disk(); }

  // A clean stop, with the index written; and a start, from the index or from the logs alone.
  Task<Status> close(NodeId node);
  Task<Status> open(NodeId node);
  void lose_index(NodeId node) { disk().erase(directory(node) + "/index"); }

  // The newest record of a shard; asserts that there is one.
  Record find(NodeId node, const ShardId& shard);
  std::string bytes_at(const std::string& path, std::uint64_t offset, std::uint64_t length);
  // Changes a byte of a file to another value.
  void flip(const std::string& path, std::uint64_t offset, std::uint8_t mask);

  // The logs of a node, to be put back while its store is closed.
  using Logs = std::map<std::string, std::string>;
  Logs save(NodeId node);
  void put_back(NodeId node, const Logs& logs);

  bool usable(NodeId) const override { return true; }
  // All healthy, with room.
  std::vector<agent::NodeView> nodes() const override;
  Nanos latency_p95(NodeId) const override { return 0; }
  std::unique_ptr<agent::ShardWriter> write(NodeId node, ShardId shard,
                                            erasure::Layout layout) override;
  Task<Result<Buffer>> read(NodeId node, ShardId shard, std::uint64_t offset, std::uint64_t length,
                            Deadline deadline) override;
  Task<Status> free(NodeId node, std::vector<ShardId> shards, Deadline deadline) override;
  Task<Result<agent::ShardInfo>> info(NodeId node, ShardId shard, Deadline deadline) override;
  Task<Status> verify(NodeId node, ShardId shard, Deadline deadline) override;
  Task<Result<std::vector<agent::ShardInfo>>> list(NodeId node, std::optional<ShardId> after,
                                                   std::size_t limit, Deadline deadline) override;

 private:
  class Writer;
  static std::string directory(NodeId node) { return "/node-" + std::to_string(node); }

  sim::Process& process_;
  std::map<NodeId, std::unique_ptr<agent::ShardStore>> stores_;
};

}  // namespace hydra::corruption
