#include "gateway/object/slices.h"

#include <algorithm>

#include "base/assert.h"

namespace hydra::object {

std::uint64_t total_bytes(std::span<const catalog::Slice> slices) {
  std::uint64_t total = 0;
  for (const auto& slice : slices) total += slice.length;
  return total;
}

std::vector<catalog::Slice> cut(std::span<const catalog::Slice> slices, std::uint64_t offset,
                                std::uint64_t length) {
  std::vector<catalog::Slice> out;
  std::uint64_t begin = 0;  // of this slice, in the whole
  const std::uint64_t end = offset + length;
  for (const auto& slice : slices) {
    const std::uint64_t from = std::max(begin, offset);
    const std::uint64_t to = std::min(begin + slice.length, end);
    if (from < to) {
      out.push_back(slice);
      out.back().offset += from - begin;
      out.back().length = to - from;
    }
    begin += slice.length;
  }
  HYDRA_ASSERT(total_bytes(out) == length);
  return out;
}

}  // namespace hydra::object
