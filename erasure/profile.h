// Profile: the geometry of an extent, k data shards and m parity shards, written "4+2". `1+m` is
// replication by the same code path. Pure values; any thread.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hydra::erasure {

constexpr int kMaxShards = 32;

struct Profile {
  std::uint8_t k = 0;
  std::uint8_t m = 0;

  int shards() const { return k + m; }
  // k >= 1, m >= 1 and k + m <= kMaxShards. A profile without parity is refused everywhere.
  bool valid() const { return k >= 1 && m >= 1 && shards() <= kMaxShards; }
  auto operator<=>(const Profile&) const = default;

  // "K+M" in decimal, nothing around it, no leading zeros. kInvalidArgument otherwise, or when not
  // valid().
  static Result<Profile> parse(std::string_view text);
  std::string to_string() const;
};

// W: how many shards of an extent must be durable on distinct nodes before a write is acknowledged,
// k + max(1, ceil(m/2)) (invariant 2). Never more than k + m.
std::uint8_t write_quorum(Profile profile);

// The profile to write with `live_nodes` nodes: m stays, k becomes min(k, live_nodes - m), so
// protection is never weakened. kUnavailable when live_nodes < m + 1.
Result<Profile> profile_for(Profile wanted, std::size_t live_nodes);

}  // namespace hydra::erasure
