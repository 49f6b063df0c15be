// Inventory: compares what the catalog says with what the nodes list, both ways.
//
// A shard that the catalog counts on and its node does not list is reported missing. One that
// counts as missing, and is there and whole after all, is reported present: what a node still holds
// counts. One whose extent lives elsewhere becomes a stray; so does an orphan, which the catalog
// does not know at all, once it is older than the grace time and nobody in this process is writing
// it. The sweeper frees strays after their own grace, if the catalog then still does not expect
// them.
//
// One position moves round through all ids, again and again; a node that has come back joins where
// it is and is done when it has come round. So memory is that of a page, whatever nodes hold, and a
// restart (the position is a row of the catalog) loses nothing. A node that stops to answer says
// nothing (invariant 5). It works only while the healer's lease is held. Belongs to its loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/runtime/sync.h"
#include "gateway/catalog/catalog.h"
#include "gateway/heal/notices.h"
#include "gateway/heal/walk.h"
#include "nodeagent/client/grid.h"

namespace hydra::heal {

struct InventoryOptions {
  Nanos period = 24 * 3600 * kSecond;  // every node so often
  // A node whose link is new, or which reports errors, comes sooner, but not twice within this.
  Nanos gap = 600 * kSecond;
  std::int64_t orphan_grace_ms = 24ll * 3600 * 1000;  // since an extent's birth
  std::int64_t stray_grace_ms = 3'600'000;
  std::size_t page = 256;                    // rows of the catalog, shards of a node
  std::uint64_t shards_per_second = 20'000;  // listed
  Nanos timeout = 30 * kSecond;              // of each question
};

struct InventoryStatus {
  struct Node {
    NodeId node = 0;
    bool waiting = false;                     // to be visited
    bool visiting = false;                    // just now
    std::optional<std::int64_t> finished_ms;  // last, since this process runs
  };
  catalog::WalkRow row;
  bool working = false;
  std::vector<Node> nodes;
  std::uint64_t held_back = 0;  // orphans that are too many to be believed
};

class Inventory {
 public:
  Inventory(Loop& loop, agent::Grid& grid, catalog::Catalog& catalog, const WritesInFlight& writes,
            InventoryOptions options, std::function<bool()> may_work);

  // Runs until the loop ends.
  static Task<void> run(Inventory* self);
  void start_now();  // every node, whatever came before
  InventoryStatus status() const;

 private:
  struct Visit {
    Nanos link = -1;           // the link of the last look
    std::uint64_t errors = 0;  // that it had reported then
    bool wanted = false;
    bool active = false;
    Nanos not_before = 0;
    std::optional<ExtentId> from;  // where it joined the round
    bool wrapped = false;
    std::optional<std::int64_t> finished_ms;
  };
  // The ids from behind `after` up to `last`; none: without end.
  struct Span {
    std::optional<ExtentId> after, last;
    std::vector<catalog::Extent> extents;
  };
  // What a node should hold of a span, by the names under which it lists it.
  using Expected = std::map<ShardId, const catalog::Extent*>;

  Status watch_nodes();
  void admit_waiting();
  bool any_active() const;
  Task<Status> turn();
  Task<Status> load();
  Task<Status> advance(const Span& span);
  void retire(const std::optional<ExtentId>& position);
  Task<Status> visit(NodeId node, const Span& span);
  Task<Status> judge_listed(NodeId node, const std::vector<agent::ShardInfo>& listed,
                            Expected& expected);
  Task<Status> judge_unexpected(NodeId node, std::vector<ShardId> shards);
  Task<Status> judge_orphans(NodeId node, std::vector<ShardId> shards);
  Task<Status> take_back(NodeId node, std::vector<ShardId> shards);
  Task<Status> confirm_missing(NodeId node, std::vector<ShardId> shards);
  std::int64_t stray_due_ms() const;
  Result<bool> is_alive(const ExtentId& id) const;
  bool believable(std::size_t orphans) const;

  Loop& loop_;
  agent::Grid& grid_;
  catalog::Catalog& catalog_;
  const WritesInFlight& writes_;
  InventoryOptions options_;
  std::function<bool()> may_work_;
  catalog::WalkRow row_;
  bool loaded_ = false;
  Nanos saved_at_ = 0;
  Nanos next_all_ = 0;
  std::uint64_t listed_ = 0;  // in this turn
  std::uint64_t held_back_ = 0;
  std::map<NodeId, Visit> visits_;
  std::optional<Code> complained_;
};

}  // namespace hydra::heal
