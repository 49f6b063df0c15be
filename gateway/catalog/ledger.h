// Ledger: keeps the counts of the catalog true within one write closure: references of bodies, live
// bytes of extents, the rows of `repairs`, `dead`, `aliases`, `partials`, `trims` and `residents`,
// and the totals. Lives on the writer thread during one closure. Bodies are in ledger_bodies.cc,
// extents in ledger.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "gateway/catalog/catalog.h"
#include "gateway/catalog/change.h"
#include "gateway/catalog/coverage.h"
#include "gateway/catalog/rows_format.h"

namespace hydra::catalog {

class Ledger {
 public:
  static Result<Ledger> open(Change& change, std::int64_t now_ms);

  Change& change() { return *change_; }
  // To be changed in place; close() writes it.
  StateRow& state() { return state_; }
  std::int64_t now_ms() const { return now_ms_; }

  // Brings `data` in and counts one reference for each of `slices`, which point at bodies of `data`
  // or at known ones. kConflict when such a body is gone or does not have these bytes any more, or
  // an extent has died; kInvalidArgument when the parts of `data` do not fit together.
  Status adopt(std::span<const Slice> slices, const NewData& data);
  // Takes back the references that `slices` hold. Bodies without any are erased, extents without
  // live bytes die. Bodies that are only referred to in part from then on are to be trimmed.
  Status release(std::span<const Slice> slices);

  // Cuts a body of `trims` down to the segments that its slices need, and takes it out of the
  // queue. Returns how many bytes of extents died. This closure must not have changed the body's
  // slices.
  Result<std::uint64_t> trim(const BodyId& body);
  // The bytes `kept` of `from`, in order, now are those of `into`, an extent that is not known yet:
  // bodies point there, and `from` dies. kConflict when bodies point at more than was kept,
  // kNotFound when `from` is gone or dead. This closure must not have changed bodies before.
  Status move_live(const ExtentId& from, std::span<const ExtentRange> kept, const Extent& into);

  // std::nullopt: unknown. A dead one is returned, too.
  Result<std::optional<ExtentRow>> extent(const ExtentId& id);
  // Replaces an extent's row, with all that follows from it. `before` is its row as it was, or
  // nullptr. `after.rank` is what the healer wants of it beyond own_rank(), the more urgent counts.
  void store_extent(const ExtentRow* before, ExtentRow after);
  // The extent's shards are freed: nothing is left of it. It must be dead.
  void erase_dead(const ExtentRow& row);

  // Writes the state if it changed; the last step of a closure that succeeds.
  void close();

 private:
  struct TouchedExtent {
    std::optional<ExtentRow> before;
    ExtentRow after;
  };
  using TouchedExtents = std::vector<TouchedExtent>;

  Ledger(Change& change, StateRow state, std::int64_t now_ms)
      : change_(&change), opened_(state), state_(state), now_ms_(now_ms) {}

  Result<Body> load(const BodyId& id);
  Status add_reference(const Slice& slice);
  Status insert_bodies(std::span<const Slice> slices, const NewData& data);
  Status insert_extents(const NewData& data);
  Status add_live_bytes(TouchedExtents& touched, const BodyPiece& piece);
  Status add_live_bytes_of(TouchedExtents& touched, const Body& body);
  Status release_reference(const Slice& slice);
  Status release_body(const Body& body);
  // Counts a slice in or out, in the body and in `partials`.
  Status count_in(Body& body, const Slice& slice);
  Status count_out(Body& body, const Slice& slice);
  void put_to_trim(Body& body);
  void take_from_trims(Body& body);
  // What the body's slices need; only to be asked where none of them is the whole.
  Result<std::vector<SealedRange>> needed(const Body& body);
  // Takes live bytes of the body from an extent, in which `had` of its bytes lay.
  Status take_live_bytes(const Body& body, const ExtentId& extent, std::uint64_t had,
                         std::uint64_t taken);
  void put_resident(const Extent& extent, const BodyId& body, std::uint64_t bytes);
  void enter_queue(const ExtentRow& row);
  void leave_queue(const ExtentRow& row);

  Change* change_;
  StateRow opened_;
  StateRow state_;
  std::int64_t now_ms_;
};

// kInvalidArgument when its fields contradict each other.
Status check_extent(const Extent& extent);
// kInvalidArgument unless it is a name that neither shards nor an extent ever had.
Status check_fresh(Change& change, const ExtentId& name);
// What the row alone says: shards are missing, it is not of the wanted profile, or half of it is
// dead. kNoRank for a dead one, and one that is as it should be.
Rank own_rank(const Extent& extent);
// How many more shards may be lost without loss of data; 0 also when it is too late.
std::uint8_t spare_shards(const Extent& extent);

}  // namespace hydra::catalog
