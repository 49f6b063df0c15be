// Writes one sealed record or root to m+1 nodes, each of which then holds all of it: a shard set of
// the profile 1+m under a reserved id.
//
// Nodes that fail or are slow are joined by others as long as there are any; it is done when enough
// distinct nodes have it durable. Called on the loop of the grid's links.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/runtime/sync.h"
#include "nodeagent/client/grid.h"

namespace hydra::journal {

// A node that can take a copy now.
struct Site {
  NodeId node = 0;
  std::string zone;
  bool operator==(const Site&) const = default;
};

// From the `turn`-th on, those of other zones first: any n of them in a row lie in as many zones as
// they can.
std::vector<Site> in_order(std::vector<Site> sites, std::uint64_t turn);

struct CopyTimes {
  Nanos slow = 300 * kMillisecond;  // then another node is asked as well
  Nanos patience = 5 * kSecond;     // of each node
};

struct Copies {
  std::vector<NodeId> holders;  // have it durable
  std::vector<NodeId> failed;   // refused it, or were slow
  Status status;                // kUnavailable: fewer than asked for
};

// `bytes` are shared with sends that are left behind.
Task<Copies> write_copies(Loop& loop, agent::Grid& grid, std::vector<Site> sites,
                          std::size_t copies, ExtentId id, std::shared_ptr<const std::string> bytes,
                          CopyTimes times);

}  // namespace hydra::journal
