// How many slots each node of a ring table should hold. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hydra::placement {

struct QuotaNode {
  double share = 0;        // above 0
  std::uint32_t zone = 0;  // 0..zones-1
};

// The most slots that one zone may hold of a row of `width`: at least `wanted`, and the least that
// lets every row be filled with distinct nodes. Asserts that there are `width` nodes.
std::uint32_t zone_limit(std::span<const QuotaNode> nodes, std::uint32_t width,
                         std::uint32_t wanted);

// Slots for each node, in all rows * width: in proportion to the shares, but at most `rows` a node
// and rows * zone_limit a zone, what these cut off going to the others. A table that meets the
// quotas, with distinct nodes in each row and the limit in each zone, exists.
std::vector<std::uint32_t> slot_quotas(std::span<const QuotaNode> nodes, std::uint32_t rows,
                                       std::uint32_t width, std::uint32_t zone_limit);

}  // namespace hydra::placement
