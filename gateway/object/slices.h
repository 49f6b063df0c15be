// Arithmetic on slices: what a copy, a ranged part copy or a completed upload is made of. Pure; any
// thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gateway/catalog/rows.h"

namespace hydra::object {

std::uint64_t total_bytes(std::span<const catalog::Slice> slices);

// The slices that make up plaintext [offset, offset + length). Asserts that the range lies inside.
std::vector<catalog::Slice> cut(std::span<const catalog::Slice> slices, std::uint64_t offset,
                                std::uint64_t length);

}  // namespace hydra::object
