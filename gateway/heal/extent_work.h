// ExtentWork: what the healer does to one extent: rebuilds its lost shards, moves others, writes
// all of it anew in another profile, or what lives of it into a new extent; then swaps the extent's
// row if it is still what it was.
//
// Shards are read and written a stripe at a time, and nothing counts before its node has verified
// it. What is left behind becomes stray, or dead, in the same commit. If the process ends at any
// moment, the row is as before or as after; shards that no row names yet are orphans, and for as
// long as it lives the inventory is told that they are not. Belongs to one loop.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "gateway/catalog/catalog.h"
#include "gateway/heal/needs.h"
#include "gateway/heal/notices.h"
#include "gateway/heal/pacer.h"
#include "gateway/heal/shard_fan.h"
#include "gateway/heal/shard_source.h"
#include "nodeagent/client/grid.h"
#include "placement/choose.h"

namespace hydra::heal {

struct WorkTools {
  Loop& loop;
  agent::Grid& grid;
  catalog::Catalog& catalog;
  Pacer& pacer;
  WritesInFlight& writes;
  std::int64_t grace_ms;             // before what is left behind may be freed
  Nanos timeout = 30 * kSecond;      // of each block, and each verification
  std::function<bool()> may_commit;  // the lease is still held
};

class ExtentWork {
 public:
  enum class Outcome {
    kDone,     // the row was swapped
    kNothing,  // there was nothing to do (any more)
    kBlocked,  // it cannot be done now; why() tells
  };

  ExtentWork(WorkTools tools, std::shared_ptr<const Facts> facts, Wishes wishes)
      : tools_(std::move(tools)), facts_(std::move(facts)), wishes_(wishes) {}

  // Does what the row in the queue asks for. Errors are the catalog's.
  Task<Result<Outcome>> run(catalog::RepairRow row);
  std::uint64_t bytes() const { return bytes_; }  // of new shards that were written
  const std::string& why() const { return why_; }

 private:
  struct Job {
    std::uint8_t index;
    NodeId target;
    bool there = false;  // the target holds it already, whole
  };

  Task<Result<Outcome>> nothing(const catalog::Extent& extent, const catalog::RepairRow& row);
  Outcome blocked(std::string why);
  bool takes(NodeId node) const { return facts_->takes(node) && !refused_.contains(node); }

  std::vector<Job> choose_targets(const catalog::Extent& extent, const Needs& needs) const;
  Result<NodeId> choose_target(const catalog::Extent& extent, const Needs& needs,
                               const std::vector<NodeId>& taken, std::size_t index) const;
  Task<void> find_there(const catalog::Extent& extent, std::vector<Job>& jobs) const;
  Task<Result<Outcome>> rebuild(const catalog::Extent& extent, const Needs& needs);
  // Fills the shards of `fan` from the extent's others. Unit: the blocks of `jobs`, in order.
  Task<Status> fill(ShardSource& source, ShardFan& fan, const catalog::Extent& extent,
                    const std::vector<Job>& jobs);
  Task<Result<Outcome>> reencode(const catalog::Extent& extent, erasure::Profile profile);
  Task<Result<Outcome>> compact(const catalog::Extent& extent);
  // Where an extent of this id and profile lies today. A narrower profile, with as much parity,
  // where too few nodes take shards.
  Result<placement::Placement> place(const ExtentId& id, erasure::Profile profile) const;
  // Writes `ranges` of `from`, in order, as all of `to`: all of its shards or none. Why not, else.
  Task<Status> write_anew(const catalog::Extent& from,
                          const std::vector<catalog::ExtentRange>& ranges,
                          const catalog::Extent& to);
  Task<Status> recode(ShardSource& source, ShardFan& fan, const catalog::Extent& from,
                      const std::vector<catalog::ExtentRange>& ranges, const catalog::Extent& to);
  Task<Result<Outcome>> swap(const catalog::Extent& before, const catalog::Extent& after);
  Task<void> report(const ShardSource& source);
  // Best effort; only where the catalog does not expect them.
  Task<void> take_back(const catalog::Extent& written, std::uint32_t shards);

  WorkTools tools_;
  std::shared_ptr<const Facts> facts_;
  Wishes wishes_;
  std::set<NodeId> refused_;  // nodes that failed as targets
  std::uint64_t bytes_ = 0;
  std::string why_;
};

}  // namespace hydra::heal
