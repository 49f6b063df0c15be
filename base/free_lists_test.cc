#include "base/free_lists.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <vector>

namespace hydra {
namespace {

using Lists = FreeLists<64, 3, 2, 64>;  // classes of 64 and 128 bytes, two blocks of each

TEST(FreeLists, ABlockIsUsedAgainForItsSizeClass) {
  Lists lists;
  void* const block = lists.allocate(65);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 64, 0u);
  lists.release(block, 65);
  void* const small = lists.allocate(64);
  void* const same = lists.allocate(128);
  EXPECT_NE(small, same);
  EXPECT_EQ(same == block, kRecycleMemory);
  lists.release(small, 64);
  lists.release(same, 128);
}

TEST(FreeLists, BlocksInUseAreDistinctWhateverWasReleased) {
  Lists lists;
  for (int round = 0; round < 3; ++round) {
    std::vector<void*> blocks;
    for (int i = 0; i < 5; ++i) blocks.push_back(lists.allocate(100));
    EXPECT_EQ(std::set(blocks.begin(), blocks.end()).size(), blocks.size());
    for (void* block : blocks) lists.release(block, 100);  // more than are kept
  }
  void* const large = lists.allocate(1000);
  lists.release(large, 1000);
}

}  // namespace
}  // namespace hydra
