// Journal: carries the catalog's commits to the agents, makes snapshots that stand for the old
// ones, and clears those away (invariant 9). docs/FORMAT-journal.md is the page for people.
//
// One a process, on its first loop, beside the Outbox that the catalog's writer fills. Destroyed
// after the loops have ended.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/runtime/source.h"
#include "base/runtime/sync.h"
#include "gateway/catalog/catalog.h"
#include "gateway/journal/copies.h"
#include "gateway/journal/outbox.h"
#include "gateway/journal/row_stream.h"
#include "gateway/journal/sealer.h"

namespace hydra::journal {

// The ordinary pipeline, as far as snapshots need it. object/ is above this folder, so it is handed
// in.
class SnapshotBodies {
 public:
  using Commit = std::function<Task<Status>(catalog::NewData data, catalog::Slice slice)>;
  virtual ~SnapshotBodies() = default;
  // Makes `length` bytes durable as one body, with all of its shards, in extents that will keep
  // their ids and profiles; then commits it. Frees the shards when the commit fails.
  virtual Task<Status> store(ByteSource& source, std::uint64_t length, Commit commit) = 0;
};

struct JournalOptions {
  std::size_t copies = 3;                          // m + 1
  std::uint64_t least_snapshot_after = 64u << 20;  // bytes of records; or half of the last snapshot
  Nanos snapshot_every = 24 * 3600 * kSecond;
  Nanos holder_patience = 600 * kSecond;  // a node with copies that stays away for so long
  Nanos start_patience = 3 * kSecond;     // while nodes come after a start, clients wait
  Nanos unable_patience = 2 * kSecond;    // of records that nobody takes; then clients are refused
  Nanos tick = 500 * kMillisecond;
  std::size_t window = 64;  // records under way at a time
  CopyTimes times;
};

class Journal {
 public:
  // Nodes that may take new shards now, by number.
  using Sites = std::function<std::vector<Site>()>;

  Journal(Loop& loop, agent::Grid& grid, catalog::Catalog& catalog, std::shared_ptr<Outbox> outbox,
          Keys keys, SnapshotBodies& bodies, Sites sites, JournalOptions options);
  ~Journal();

  void start();
  // Makes a snapshot at the next opportunity.
  void want_snapshot() { wanted_ = true; }
  // Whether a copy that counts may lie on this node. Then a snapshot is wanted, after which none
  // does; for a while the node gets no more if there are enough others.
  bool needs(NodeId node);

  struct Counters {
    std::uint64_t records = 0;  // carried
    std::uint64_t retries = 0;
    std::uint64_t snapshots = 0;
    std::uint64_t freed = 0;  // shards of old records and roots
  };
  const Counters& counters() const { return counters_; }

  struct Health {
    std::size_t copies = 0;  // nodes that each record must lie on
    std::size_t takers = 0;  // nodes that can take records now, and did not refuse one a moment ago
    Outbox::State state;
    Counters counters;
  };
  // On its loop.
  Health health() const;
  Outbox::State state() const { return outbox_->state(); }

 private:
  static Task<void> run(Journal* self);
  static Task<void> carry_one(Journal* self, RecordPtr record);
  static Task<void> make_snapshot(Journal* self);
  static Task<void> trim(Journal* self);

  void carry();
  void tick();
  void judge_ability(std::size_t sites);
  bool snapshot_is_due(const Outbox::State& state);
  bool holder_is_lost();
  std::vector<Site> sites_for(std::uint64_t turn);
  Task<Copies> write(ExtentId id, std::uint64_t turn, std::shared_ptr<const std::string> bytes);
  Task<Status> snapshot_once();
  Task<Status> store_and_root(RowStream& rows);
  Task<Status> write_root(const catalog::SnapshotRow& row, const Mark& mark,
                          const catalog::NewData& data, std::uint64_t objects);
  Task<Status> trim_node(NodeId node, std::uint64_t root);

  Loop& loop_;
  agent::Grid& grid_;
  catalog::Catalog& catalog_;
  std::shared_ptr<Outbox> outbox_;
  Sealer sealer_;
  SnapshotBodies& bodies_;
  Sites sites_;
  JournalOptions options_;
  Counters counters_;

  Event turn_;
  std::atomic<bool> woken_ = false;
  std::deque<RecordPtr> to_carry_;
  std::size_t under_way_ = 0;

  Nanos started_ = 0;
  Nanos unable_since_ = -1;  // nobody takes records; -1: they do
  std::map<NodeId, Nanos> avoid_until_;
  std::map<NodeId, Nanos> leaving_until_;
  // A node counts as a good place once its own joining lies on other nodes, so that who rebuilds
  // the catalog knows of every node that may hold records.
  std::map<NodeId, std::uint64_t> trusted_from_;
  bool first_sites_ = true;

  bool snapshotting_ = false;
  bool wanted_ = false;
  Nanos snapshot_retry_ = 0;
  Nanos pause_ = 0;
  Nanos last_snapshot_ = 0;
  std::set<NodeId> holders_;       // of the root, and of records since
  std::map<NodeId, int> offered_;  // by writes under way, which may make them holders
  std::map<NodeId, Nanos> away_since_;

  bool trimming_ = false;
  bool warned_ = false;                      // of records that this catalog never wrote
  std::map<NodeId, std::uint64_t> trimmed_;  // up to which root
};

}  // namespace hydra::journal
