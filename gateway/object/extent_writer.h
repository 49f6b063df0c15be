// ExtentWriter: one extent on its way to its nodes. The caller fills stripe after stripe with
// ciphertext; the writer encodes each as soon as it is full and sends its blocks to all nodes side
// by side, while the caller fills the next.
//
// A node that fails or stalls is left behind as long as the write quorum W lives (invariant 2); its
// shards are then recorded as missing. When the quorum is lost and the extent is small, its bytes
// are still here for another try on other nodes. Belongs to one worker; must be awaited to the end
// of finish() or be dropped.
#pragma once

#include <memory>
#include <vector>

#include "base/runtime/sync.h"
#include "erasure/codec.h"
#include "erasure/layout.h"
#include "gateway/catalog/rows.h"
#include "nodeagent/client/grid.h"

namespace hydra::object {

struct WriteTimes {
  Nanos stall = 3 * kSecond;    // one block's way to a node, before the node is left behind
  Nanos commit = 15 * kSecond;  // until the quorum is durable, after the last block was sent
  Nanos straggler = 500 * kMillisecond;  // for the rest, once the quorum is durable
};

class ExtentWriter {
 public:
  // `extent` names id, profile, wanted, length and nodes; all k+m nodes are distinct.
  ExtentWriter(Loop& loop, agent::Grid& grid, WriteTimes times, catalog::Extent extent);
  ~ExtentWriter();

  // Where the next bytes of ciphertext go: the rest of the current stripe, never empty before the
  // extent is full.
  MutableBytes space();
  // `bytes` of space() were filled. Sends the stripe when it is full. kUnavailable when the quorum
  // is lost.
  Task<Status> filled(std::size_t bytes);
  // After the last byte: returns when at least W shards are durable, with `missing` telling those
  // that are not.
  Task<Result<catalog::Extent>> finish();

  const catalog::Extent& extent() const { return extent_; }
  // Whether written() has every byte: extents of at most two stripes, the memory of any write.
  bool keeps_all() const { return layout_.stripes() <= kKeptStripes; }
  // The ciphertext that was filled in so far, in order, as long as this object lives.
  std::vector<ByteView> written() const;
  // Nodes that failed or were left behind.
  std::vector<NodeId> failed_nodes() const;

 private:
  static constexpr std::uint32_t kKeptStripes = 2;
  struct Stripe;
  struct Shards;
  static Task<void> send(std::shared_ptr<Shards> shards, std::shared_ptr<Stripe> stripe,
                         std::size_t index, bool last, Deadline deadline);
  Task<Status> send_stripe();
  Status check_quorum() const;

  Loop& loop_;
  WriteTimes times_;
  catalog::Extent extent_;
  erasure::Layout layout_;
  std::shared_ptr<Shards> shards_;
  std::shared_ptr<Stripe> filling_;
  std::shared_ptr<Stripe> sending_;
  std::vector<std::shared_ptr<Stripe>> kept_;  // all of them, if keeps_all()
  std::uint32_t stripe_ = 0;                   // being filled
  std::size_t stripe_fill_ = 0;                // bytes in it
};

}  // namespace hydra::object
