// Reputation: what one gateway worker thinks of the nodes, from what it lives through with them.
//
//   score = presence * steadiness * (1 - errors) * speed                      in 0..1
//
//   presence    the part of the time that there was a link, recent time counting more (half-life
//               10 min); 1 for a node that is new
//   steadiness  2^-(losses/4); losses = links lost, each counting half after 10 min
//   errors      the part of calls that failed by the node's fault (timeouts, damage, I/O errors),
//               a moving average over about 64 calls
//   speed       min(1, 2 * max(median, 5 ms) / own): `own` is a moving average over about 8 small
//               reads, `median` that of all nodes. Twice the median is no fault, nor is anything
//               below 10 ms. One read counts as at most 8 medians (or 40 ms), so that it takes
//               several in a row to call a node slow
//
// What follows from it:
//   - Reads. A node whose speed falls below 1/2, or whose errors rise above 1/4, is *ejected*: for
//     10 s, and twice as long each time it happens again soon (up to 5 min), others are asked
//     before it. After that it is asked once in 500 ms, as a probe, and three good ones in a row
//     bring it back. At most half of all nodes can be slower than their median, and an ejected node
//     is still asked when too few others are left: ejection never makes a read fail.
//   - Writes. A node with 3 losses or more (as above) is *flapping*: it gets no new shards until
//     they have faded to 1.5, unless there are too few others. Substitutes are drawn in proportion
//     to the score.
//
// Pure: the clock is passed in, as Loop::now() gives it. Belongs to one loop.
#pragma once

#include <cstdint>
#include <map>

#include "base/ids.h"
#include "base/result.h"
#include "base/runtime/loop.h"

namespace hydra::agent {

struct NodeScore {
  double score = 1;
  double presence = 1;
  double steadiness = 1;
  double errors = 0;
  double speed = 1;
  bool ejected = false;   // from reads
  bool flapping = false;  // gets no new shards

  bool operator==(const NodeScore&) const = default;
};

class Reputation {
 public:
  void link_up(NodeId node, Nanos now);
  void link_lost(NodeId node, Nanos now);
  // A call has ended. Those that the node cannot be blamed for (kNotFound, kNoSpace, a lost link,
  // which is counted by itself) count as good.
  void ended(NodeId node, Nanos now, const Status& outcome);
  // How long a small read took, also one that was given up.
  void small_read(NodeId node, Nanos now, Nanos latency);

  // Whether to ask this node before others. True for one that is not ejected; for an ejected one
  // when a probe is due, which the caller then makes.
  bool ask_first(NodeId node, Nanos now);
  // Whether it should get new shards, when enough others do.
  bool takes_new(NodeId node, Nanos now);
  NodeScore score(NodeId node, Nanos now) const;

 private:
  struct Node {
    bool linked = false;
    Nanos since = 0;  // presence and losses are as of then
    double presence = 1;
    double losses = 0;
    bool flapping = false;
    double errors = 0;
    double latency = 0;         // moving average; 0: none yet
    std::uint32_t samples = 0;  // in it, since it began anew
    Nanos ejected_until = 0;    // 0: not ejected
    Nanos next_probe = 0;
    Nanos sentence = 0;  // of the last ejection
    Nanos returned = 0;  // when it last came back
    std::uint32_t good_probes = 0;
  };
  Node at(const Node& node, Nanos now) const;  // with time passed
  void advance(Node& node, Nanos now) const;
  double speed(const Node& node) const;
  double speed_of(double latency) const;
  void eject(Node& node, Nanos now);
  void probe_ended(Node& node, Nanos now, Nanos latency);
  double median() const;

  std::map<NodeId, Node> nodes_;
  double median_ = 0;  // of the nodes' latencies; 0: too few are known
  std::uint32_t since_median_ = 0;
};

}  // namespace hydra::agent
