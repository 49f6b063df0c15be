// ObjectStore: the pipeline between S3's operations and the grid, one per worker.
//
// put.cc takes a body in: receive -> seal -> lay into extents -> encode -> place -> send -> quorum.
// get.cc is its mirror. Copies and completed uploads are arithmetic on slices (slices.h) and do not
// pass through here. Belongs to its worker's loop; the catalog, key ring and placement board are
// shared by the process.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/runtime/source.h"
#include "base/runtime/sync.h"
#include "gateway/catalog/catalog.h"
#include "gateway/heal/notices.h"
#include "gateway/object/extent_writer.h"
#include "gateway/object/keyring.h"
#include "gateway/object/placement_view.h"
#include "gateway/object/read_cache.h"
#include "gateway/object/window_fetch.h"
#include "nodeagent/client/grid.h"

namespace hydra::object {

struct StoreOptions {
  erasure::Profile profile{4, 2};
  // Bodies of at most this many sealed bytes are replicated (1+m): a read then asks one node.
  std::uint64_t small_bytes = 16 * 1024;
  std::uint64_t extent_bytes = erasure::kMaxExtentBytes;  // of each extent, at most
  std::size_t budget_bytes = 96u << 20;                   // of all bodies in flight on this worker
  Nanos budget_wait = 20 * kSecond;                       // then kSlowDown
  Nanos read_timeout = 10 * kSecond;                      // of one fetch from a node
  Nanos hedge_after =
      100 * kMillisecond;  // a fetch that is slower than this and its node's p95 gets company
  // A read that lasts longer keeps its extents from being freed; well within the grace that dead
  // extents have.
  Nanos hold_after = 600 * kSecond;
  WriteTimes write;
};

// A body whose shards are durable but which the catalog does not know yet. If it is dropped before
// release(), its shards are freed on their nodes.
class StoredBody {
 public:
  StoredBody() = default;
  StoredBody(Loop& loop, agent::Grid& grid) : loop_(&loop), grid_(&grid) {}
  StoredBody(StoredBody&& other) noexcept { *this = std::move(other); }
  StoredBody& operator=(StoredBody&& other) noexcept {
    std::swap(loop_, other.loop_);
    std::swap(grid_, other.grid_);
    std::swap(data, other.data);
    std::swap(slices, other.slices);
    std::swap(in_flight, other.in_flight);
    return *this;
  }
  ~StoredBody();
  void release() { data = {}; }

  catalog::NewData data;
  std::vector<catalog::Slice> slices;                 // none for an empty body
  std::vector<heal::WritesInFlight::Hold> in_flight;  // of its extents, until the catalog decided

 private:
  Loop* loop_ = nullptr;
  agent::Grid* grid_ = nullptr;
};

struct StoreCounters {
  std::uint64_t reads = 0;  // windows fetched
  std::uint64_t hedged_reads = 0;
  std::uint64_t degraded_reads = 0;    // windows that were decoded from parity
  std::uint64_t rescued_segments = 0;  // whose shards all had whole checksums and a wrong tag
  std::uint64_t degraded_writes = 0;   // extents committed with missing shards or a smaller k
};

class SegmentOpener;

class ObjectStore {
 public:
  // `notices`: where the healer learns what is written and what is found broken; may be null.
  ObjectStore(Loop& loop, agent::Grid& grid, catalog::Catalog& catalog, const PlacementBoard& board,
              const KeyRing& keys, StoreOptions options, heal::Notices* notices = nullptr);

  // Reads exactly `length` bytes and the end of `source` (whose checks thereby run), and makes them
  // durable. kUnavailable: too few nodes. kSlowDown: the budget stayed full. kNoSpace. Errors of
  // the source as they are.
  Task<Result<StoredBody>> receive(ByteSource& source, std::uint64_t length);

  // Commits a received body with its version or part; frees its shards when the catalog refuses.
  // Returns the id of the version that was made.
  Task<Result<std::string>> commit_object(catalog::BucketId bucket, catalog::Version version,
                                          StoredBody body, catalog::Preconditions preconditions);
  Task<Status> commit_part(catalog::Upload upload, catalog::Part part, StoredBody body);

  // Writes what the plan covers to `sink`, in order. kCorrupt, kUnavailable when more than m shards
  // are lost.
  Task<Status> send(const catalog::ReadPlan& plan, ByteSink& sink);

  catalog::Catalog& catalog() { return catalog_; }
  agent::Grid& grid() { return grid_; }
  Loop& loop() { return loop_; }
  const StoreOptions& options() const { return options_; }
  const StoreCounters& counters() const { return counters_; }
  const ReadCache& read_cache() const { return cache_; }
  std::size_t budget_free() const { return budget_.available(); }

 private:
  friend class WindowFetch;
  // The next extent of so many bytes, or of as many as go into one, on usable nodes; on those to
  // avoid only if it cannot be done without them.
  Result<catalog::Extent> place(std::uint64_t sealed_left, std::span<const NodeId> avoid);
  Task<Status> receive_body(ByteSource& source, std::uint64_t length, StoredBody& stored);
  struct LongRead {  // what a read holds once it lasts
    Nanos hold_at;
    std::optional<catalog::HeldExtents::Hold> hold = {};
  };
  Task<Status> send_run(const catalog::ReadPlan& plan, const catalog::ReadPlan::Run& run,
                        LongRead& read, ByteSink& sink);
  Task<Status> rescue_next(const catalog::ReadPlan& plan, const catalog::ReadPlan::Run& run,
                           bool cached, SegmentOpener& opener, Buffer& plain);
  FetchTimes fetch_times() const { return {options_.read_timeout, options_.hedge_after}; }

  Loop& loop_;
  agent::Grid& grid_;
  catalog::Catalog& catalog_;
  const PlacementBoard& board_;
  KeyWrapper keys_;
  StoreOptions options_;
  heal::Notices* notices_;
  Semaphore budget_;
  StoreCounters counters_;
  ReadCache cache_;
};

}  // namespace hydra::object
