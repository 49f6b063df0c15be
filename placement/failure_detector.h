// FailureDetector: who is healthy, suspect or down, from the heartbeats that came in. Pure: the
// clock is passed in, as Loop::now() gives it. Belongs to one loop. It informs reads, writes and
// repair; it never changes the ring.
#pragma once

#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "base/runtime/loop.h"
#include "placement/cluster_map.h"

namespace hydra::placement {

enum class NodeState : std::uint8_t {
  kHealthy,  // heard of lately
  kSuspect,  // missed some heartbeats, or not heard of since this process began: read around it
  kDown,     // missed many: rebuild what it holds, after the delay that is configured
};
std::string_view to_string(NodeState state);  // "healthy", "suspect", "down"

struct FailureLimits {
  Nanos suspect_after = 3 * kSecond;
  Nanos down_after = 10 * kSecond;
};

class FailureDetector {
 public:
  using Limits = FailureLimits;
  struct Entry {
    NodeId node;
    NodeState state;
    bool operator==(const Entry&) const = default;
  };
  struct Change {
    NodeId node;
    NodeState from;
    NodeState to;
    bool operator==(const Change&) const = default;
  };

  explicit FailureDetector(Limits limits = {});

  // The node is on the roster: from now on it has `down_after` to be heard of. Until then it is
  // suspect, not down, so that a gateway that just started does not take a silent grid for a dead
  // one. No effect on a known node.
  void expect(NodeId node, Nanos now);
  void heartbeat(NodeId node, Nanos now);
  // Its link broke: suspect at once, down `down_after` its last sign of life. Only the next
  // heartbeat heals it.
  void link_lost(NodeId node);
  void forget(NodeId node);

  // A node never named here is down. Limits are reached when exactly that time has passed.
  NodeState state(NodeId node, Nanos now) const;
  // All known nodes, in the order of their ids.
  std::vector<Entry> states(Nanos now) const;
  // What is different since the last call, or since a node became known (as suspect).
  std::vector<Change> changes(Nanos now);
  // When the node was last heard of.
  std::optional<Nanos> last_heard(NodeId node) const;

 private:
  struct Record {
    Nanos since;  // the last heartbeat, or the beginning of the wait for the first
    bool heard = false;
    bool linked = false;
    NodeState reported = NodeState::kSuspect;
  };
  NodeState state_of(const Record& record, Nanos now) const;

  Limits limits_;
  std::map<NodeId, Record> records_;
};

}  // namespace hydra::placement
