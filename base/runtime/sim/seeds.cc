#include "base/runtime/sim/seeds.h"

#include <cstdlib>

#include "base/assert.h"

namespace hydra::sim {

namespace {
std::uint64_t number(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}
}  // namespace

std::vector<std::uint64_t> seeds(std::uint64_t count) {
  if (std::getenv("SIM_SEED") != nullptr) return {number("SIM_SEED", 1)};
  const std::uint64_t from = number("SIM_FROM", 1);
  const std::uint64_t end = from + number("SIM_SEEDS", count);
  std::uint64_t first = 0;
  std::uint64_t step = 1;
  if (const char* shard = std::getenv("SIM_SHARD")) {
    char* slash = nullptr;
    first = std::strtoull(shard, &slash, 10);
    step = *slash == '/' ? std::strtoull(slash + 1, nullptr, 10) : 0;
    HYDRA_ASSERT(step > 0 && first < step);
  }
  std::vector<std::uint64_t> seeds;
  for (std::uint64_t seed = from + first; seed < end; seed += step) seeds.push_back(seed);
  return seeds;
}

}  // namespace hydra::sim
