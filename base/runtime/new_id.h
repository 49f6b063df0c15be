// Random ids that begin with the time: ids made one after another are neighbours in every index, so
// that a commit touches fewer pages (a third less CPU for a small PUT's commit). On the loop.
#pragma once

#include <algorithm>
#include <array>

#include "base/endian.h"
#include "base/ids.h"
#include "base/runtime/loop.h"

namespace hydra {

template <typename AnyId>
AnyId new_id(Loop& loop) {
  AnyId id;
  loop.random(id.bytes);
  std::array<std::byte, 8> time;
  store_be(time.data(), static_cast<std::uint64_t>(loop.wall_ms()));
  std::copy(time.begin() + 2, time.end(), id.bytes.begin());
  return id;
}

}  // namespace hydra
