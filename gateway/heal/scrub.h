// Scrub: walks over all extents within a period and has every shard verified by the node that holds
// it, so that damage is found while there are still enough others.
//
// A shard that is damaged or gone is reported missing, which puts its extent into the healer's
// queue. A node that cannot be asked says nothing (invariant 5): its shards are counted and come up
// again in the next pass. A pass covers what was born before it began. How far it has come is a row
// of the catalog, so that a restart goes on where it was. One in a grid: it works only while the
// healer's lease is held. Belongs to the healer's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/runtime/sync.h"
#include "gateway/catalog/catalog.h"
#include "gateway/heal/walk.h"
#include "nodeagent/client/grid.h"

namespace hydra::heal {

struct ScrubOptions {
  std::int64_t period_ms = 30ll * 24 * 3600 * 1000;  // 0: only when somebody asks for it
  // Bytes a second that nodes read for it, all together. A pass is spread over the period, but
  // never slower than the floor, and never faster than the ceiling.
  std::uint64_t floor = 1u << 20;
  std::uint64_t ceiling = 64u << 20;
  std::size_t at_once = 4;             // extents
  Nanos timeout = 120 * kSecond;       // of one shard
  Nanos save_interval = 30 * kSecond;  // what a crash makes it do again
};

struct ScrubStatus {
  catalog::WalkRow row;                         // what is done and found, now and in the last pass
  bool working = false;                         // a pass is under way, here
  double progress = 0;                          // 0..1
  std::uint64_t bytes_per_second = 0;           // verified lately
  std::optional<std::int64_t> expected_end_ms;  // of the pass under way
  std::optional<std::int64_t> next_start_ms;    // when none is
};

class Scrub {
 public:
  // `may_work`: whether the healer's lease is held.
  Scrub(Loop& loop, agent::Grid& grid, catalog::Catalog& catalog, ScrubOptions options,
        std::function<bool()> may_work);

  // Runs until the loop ends.
  static Task<void> run(Scrub* self);
  // Begins a pass now, or hurries the one under way: as fast as the ceiling allows.
  void start_now() { asked_ = true; }
  ScrubStatus status() const;

 private:
  using Extents = std::vector<catalog::Extent>;
  Task<Status> turn();
  Task<Status> begin_pass();
  Task<Status> end_pass();
  Task<Status> save();
  std::int64_t next_start_ms() const;
  // The next few extents; sets `end` when the pass has none behind them.
  Result<Extents> next_extents(bool& end);
  Nanos time_for(const catalog::Extent& extent) const;
  static Task<void> verify_extent(Scrub* self, const catalog::Extent* extent);
  static Task<void> verify_shard(Scrub* self, const catalog::Extent* extent, std::size_t index,
                                 std::vector<catalog::ShardReport>* broken);
  void measure();

  Loop& loop_;
  agent::Grid& grid_;
  catalog::Catalog& catalog_;
  ScrubOptions options_;
  std::function<bool()> may_work_;
  catalog::WalkRow row_;
  bool asked_ = false;
  bool loaded_ = false;  // row_ is what the catalog has, and ours to write
  Status reported_;      // of the extents that are being verified
  std::optional<Code> complained_;
  Nanos free_at_ = 0;  // when what was granted will have been read
  Nanos saved_at_ = 0;
  // The rate lately.
  Nanos measured_at_ = 0;
  std::uint64_t measured_bytes_ = 0;  // of shards
  std::uint64_t measured_done_ = 0;   // of extents
  double bytes_per_second_ = 0;
  double done_per_second_ = 0;
};

}  // namespace hydra::heal
