#include "base/runtime/sim/seeds.h"

#include <cstdlib>
#include <numeric>

namespace hydra::sim {

std::vector<std::uint64_t> seeds(std::uint64_t count) {
  if (const char* one = std::getenv("SIM_SEED")) return {std::strtoull(one, nullptr, 0)};
  if (const char* many = std::getenv("SIM_SEEDS")) count = std::strtoull(many, nullptr, 0);
  std::vector<std::uint64_t> seeds(count);
  std::iota(seeds.begin(), seeds.end(), std::uint64_t{1});
  return seeds;
}

}  // namespace hydra::sim
