// Finds the true bytes of a sealed segment when all checksums held and yet its tag does not: a node
// holds a shard that is whole and another one (stale, misdirected, swapped, or damaged before it
// was checksummed). No checksum tells which; the tag does. All shards of the segment's columns are
// read, and sets of k of them are tried until the tag holds.
//
// Slow, and only ever run on damage. On the worker's loop.
#pragma once

#include <functional>
#include <vector>

#include "base/result.h"
#include "base/runtime/loop.h"
#include "gateway/catalog/rows.h"
#include "gateway/heal/notices.h"
#include "nodeagent/client/grid.h"

namespace hydra::object {

// The bytes [offset, offset + length) of an extent, which hold the segment or a part of it.
struct SegmentPart {
  const catalog::Extent* extent;
  std::uint64_t offset;
  std::uint64_t length;
};

// Tries the tag, and takes the segment if it holds.
using TakeSegment = std::function<bool(ByteView sealed)>;

// OK once `take` was satisfied; shards that it proved to be wrong are told to `broken`, which may
// be null. kCorrupt: no k shards give a segment whose tag holds.
Task<Status> rescue_segment(Loop& loop, agent::Grid& grid, Nanos read_timeout,
                            std::vector<SegmentPart> parts, TakeSegment take,
                            heal::BrokenShards* broken);

}  // namespace hydra::object
