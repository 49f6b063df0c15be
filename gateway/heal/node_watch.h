// NodeWatch: since when nodes are here, away or down, and what else the healer must know of them.
// Pure: the clock is passed in. Belongs to the healer's loop.
//
// A process that just started has heard of nobody: a node that has not been here yet is given
// `start_patience` before its time away begins to count.
#pragma once

#include <map>
#include <vector>

#include "base/runtime/loop.h"
#include "gateway/catalog/rows.h"
#include "gateway/heal/needs.h"
#include "nodeagent/client/grid.h"

namespace hydra::heal {

struct WatchTimes {
  Nanos down_after = 10 * kSecond;  // without a fresh heartbeat
  Nanos delay = 600 * kSecond;      // down for so long, then overdue
  Nanos start_patience = 20 * kSecond;
};

class NodeWatch {
 public:
  NodeWatch(WatchTimes times, Nanos now) : times_(times), started_(now) {}

  // `roster` are the catalog's rows, `views` what the links tell, `map` who may be placed (may be
  // null). Call it each second or so.
  void update(Nanos now, const std::vector<catalog::NodeRow>& roster,
              const std::vector<agent::NodeView>& views, const placement::ClusterMap* map);
  const std::map<NodeId, NodeFacts>& facts() const { return facts_; }
  // Counts the updates after which extents may need something else than before.
  std::uint64_t turns() const { return turns_; }
  // When the first of those that are down now will be overdue; Deadline::never() when none is.
  Deadline next_overdue() const { return next_overdue_; }

 private:
  Presence presence(NodeId node, bool here, Nanos now);

  WatchTimes times_;
  Nanos started_;
  std::map<NodeId, Nanos> here_;  // when it was last here
  std::map<NodeId, NodeFacts> facts_;
  std::uint64_t turns_ = 0;
  Deadline next_overdue_ = Deadline::never();
};

}  // namespace hydra::heal
