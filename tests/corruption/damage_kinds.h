// The ways in which a whole record can be wrong: cut off, never written, exchanged, out of date or
// in the wrong place.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/corruption/damaged_grid.h"

namespace hydra::corruption {

// One kind of damage, done to a shard's record on the medium.
struct Kind {
  std::string name;
  std::function<void(DamagedGrid&, const Object&, std::size_t index)> harm;
  // Without its index the agent takes this for what it should hold: each checksum holds.
  bool plausible_in_logs = false;
  // A running agent knows from its index all that a read needs.
  bool frame_only = false;
  bool frame_only_if_replicated = false;  // all payloads of 1+m are the same
  bool harms_reads(const Object& object, bool from_logs) const {
    return from_logs || !(frame_only || (frame_only_if_replicated && object.k() == 1));
  }
};

std::vector<Kind> kinds();

// Bytes that are not those of any object.
std::string other_content(std::uint64_t seed, std::size_t size);

}  // namespace hydra::corruption
