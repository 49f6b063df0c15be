// Healer: keeps the grid whole. One control loop with many reasons: shards that were lost, extents
// that were written too narrow, nodes that are drained, removed or new, and space to be given back.
//
//   watch the nodes -> survey the extents when something changed -> queue (in the catalog)
//     -> work on the most urgent -> swap the extent's row -> sweep what was left behind
//
// All that must not be forgotten is in the catalog, so it can be killed at any moment. A lease in
// the catalog makes one healer at a time. One instance a process, on its first loop, where all of
// it is called. Start it with run(); it must outlive the loop's tasks.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/runtime/sync.h"
#include "gateway/catalog/catalog.h"
#include "gateway/heal/extent_work.h"
#include "gateway/heal/lease_keeper.h"
#include "gateway/heal/node_watch.h"
#include "gateway/heal/notices.h"
#include "gateway/heal/pacer.h"
#include "gateway/heal/survey.h"
#include "gateway/heal/sweeper.h"
#include "nodeagent/client/grid.h"
#include "placement/board.h"

namespace hydra::heal {

struct HealOptions {
  WatchTimes watch;
  SurveyOptions survey;
  SweepOptions sweep;
  PaceLimits pace;
  Nanos tick = kSecond;
  Nanos survey_every = 3600 * kSecond;  // also when nothing seems to have changed
  Nanos retry = 30 * kSecond;           // of an extent that could not be helped
  std::size_t parallel = 16;            // extents worked on at the same time
  std::size_t memory = 32u << 20;       // for the stripes of these
  Nanos lease = 30 * kSecond;
  bool rebalance = true;  // by itself when the ring changes; else when rebalance() is called
  erasure::Profile profile{4, 2};
  std::uint64_t small_bytes = 16 * 1024;
};

struct HealStatus {
  struct Running {
    ExtentId extent;
    catalog::Rank rank = 0;
    Nanos for_ns = 0;
  };
  bool active = false;       // this process holds the lease
  std::string lease_holder;  // as far as is known; empty: nobody
  bool surveying = false;
  std::uint64_t surveyed = 0;       // extents, by the survey that runs
  std::optional<Census> census;     // of the last whole survey
  bool settled = false;             // no node came or went since that survey began
  catalog::Catalog::Totals totals;  // repairs, repair_bytes, moves, move_bytes, strays ...
  std::vector<Running> running;
  std::uint64_t blocked = 0;                           // extents that cannot be helped now
  std::string blocked_why;                             // of the last one
  std::uint64_t healed_extents = 0, healed_bytes = 0;  // since the start: extents' bytes
  std::uint64_t written_bytes = 0;                     // of new shards
  double bytes_per_second = 0;                         // of extents, lately
  double usual_bytes_per_second = 0;                   // the same, over all its working time
  std::optional<std::int64_t> seconds_left;            // for the queue, at this rate
  std::uint64_t pace = 0;                              // bytes a second it may move now
  std::map<NodeId, NodeFacts> nodes;
};

class Healer {
 public:
  Healer(Loop& loop, agent::Grid& grid, catalog::Catalog& catalog,
         const placement::PlacementBoard& board, const Foreground& foreground,
         WritesInFlight& writes, HealOptions options);

  // Runs until stop() or until the loop ends.
  static Task<void> run(Healer* self);
  // Lets what runs end, until the deadline, and gives the lease back.
  Task<void> stop(Deadline deadline);

  Result<HealStatus> status();
  // This process is the one that heals; scrub and inventory work only then.
  bool holds_lease() const { return lease_.held(); }
  // A survey begins as soon as none runs.
  void survey_now();
  // Moves extents to where the ring wants them, also when that is not done by itself.
  void rebalance();
  // Rewrites extents that are wanted in another profile than new ones are.
  void reprofile();

 private:
  struct Running {
    catalog::RepairRow row;
    Nanos begun;
  };

  Status observe();
  bool survey_is_due() const;
  static Task<void> survey(Healer* self);
  static Task<void> sweep(Healer* self);
  void pump();
  std::optional<catalog::RepairRow> next_row();
  static Task<void> work(Healer* self, catalog::RepairRow row);
  Task<void> work_on(catalog::RepairRow row);
  void measure();

  Loop& loop_;
  agent::Grid& grid_;
  catalog::Catalog& catalog_;
  const placement::PlacementBoard& board_;
  HealOptions options_;
  Pacer pacer_;
  WritesInFlight& writes_;
  NodeWatch watch_;
  Busy busy_;
  Survey survey_;
  Sweeper sweeper_;
  Semaphore memory_;
  Event wake_;
  TaskGroup tasks_;
  Event ended_;
  bool started_ = false;
  bool stopping_ = false;

  LeaseKeeper lease_;

  std::shared_ptr<const Facts> facts_;
  std::uint64_t ring_epoch_ = 0;
  bool changed_ = true;  // something since the last survey began
  bool rebalance_wanted_ = false, reprofile_wanted_ = false;
  bool surveying_ = false, sweeping_ = false;
  Nanos survey_due_ = 0, sweep_due_ = 0;
  std::optional<Census> census_;
  bool worked_ = false;  // since the last survey began

  std::vector<Running> running_;
  std::deque<catalog::RepairRow> rows_;  // read ahead from the queue
  std::optional<catalog::RepairRow> last_row_;
  Nanos front_at_ = 0;                 // when to begin at the queue's front again
  std::map<ExtentId, Nanos> blocked_;  // until when
  std::string blocked_why_;

  std::uint64_t healed_extents_ = 0, healed_bytes_ = 0, written_bytes_ = 0;
  std::uint64_t measured_bytes_ = 0;
  Nanos measured_at_ = 0;
  double rate_ = 0;
  Nanos working_time_ = 0;
};

}  // namespace hydra::heal
