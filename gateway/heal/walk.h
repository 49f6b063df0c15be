// What scrub and inventory have in common: the names of their rows in the catalog, and how such
// rows are read. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "base/endian.h"
#include "gateway/catalog/rows.h"

namespace hydra::heal {

constexpr const char* kScrubWalk = "scrub";
constexpr const char* kInventoryWalk = "inventory";

// When an extent, or a name for its shards, was made: ids begin with that time.
inline std::int64_t birth_ms(const ExtentId& id) {
  return static_cast<std::int64_t>(load_be<std::uint64_t>(id.bytes.data()) >> 16);
}

// Since when the scrub has looked at every shard of the extent, unless a node was away just then;
// nullopt: not yet. `scrub` is the row of kScrubWalk.
inline std::optional<std::int64_t> last_verified(const catalog::WalkRow& scrub,
                                                 const ExtentId& extent) {
  if (scrub.started_ms != 0 && scrub.cursor && extent <= *scrub.cursor) return scrub.started_ms;
  if (scrub.last_finished_ms != 0 && birth_ms(extent) < scrub.last_started_ms)
    return scrub.last_started_ms;
  return std::nullopt;
}

}  // namespace hydra::heal
