#include "gateway/journal/copies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/runtime/sim/run_sim.h"
#include "gateway/object/memory_grid_fixture.h"

namespace hydra::journal {
namespace {

using object::MemoryGrid;

ExtentId name() {
  ExtentId id;
  id.bytes.fill(std::byte{0xff});
  return id;
}

std::vector<Site> sites(std::size_t count, std::size_t zones = 3) {
  std::vector<Site> found;
  for (std::size_t i = 0; i < count; ++i)
    found.push_back({static_cast<NodeId>(i + 1), "z" + std::to_string(i / 2 % zones)});
  return found;
}

TEST(InOrder, ZonesComeByTurns) {
  const auto ordered = in_order(sites(6), 0);  // zones 0 0 1 1 2 2
  EXPECT_EQ(ordered[0].zone, "z0");
  EXPECT_EQ(ordered[1].zone, "z1");
  EXPECT_EQ(ordered[2].zone, "z2");
  EXPECT_EQ(ordered[3].zone, "z0");
  EXPECT_EQ(in_order(sites(6), 1)[0].node, 2u);
  EXPECT_TRUE(in_order({}, 5).empty());
}

// What three copies of `bytes` become while `prepare` has its way with the nodes.
struct Outcome {
  Copies copies;
  std::size_t whole = 0;  // nodes that hold all of it
  Nanos took = 0;
};
Outcome write(std::size_t nodes, const std::string& bytes,
              const std::function<void(MemoryGrid&)>& prepare) {
  return sim::run_sim(1, [&](Loop& loop) -> Task<Outcome> {
    MemoryGrid grid(loop, nodes);
    prepare(grid);
    Outcome outcome;
    const Nanos begun = loop.now();
    outcome.copies = co_await write_copies(loop, grid, in_order(sites(nodes), 0), 3, name(),
                                           std::make_shared<const std::string>(bytes), CopyTimes());
    outcome.took = loop.now() - begun;
    for (NodeId id = 1; id <= nodes; ++id)
      for (const auto& [shard, stored] : grid.node(id).shards)
        outcome.whole += stored.starts_with(bytes);
    co_await sleep_for(loop, 10 * kSecond);  // those that were left behind
    co_return outcome;
  });
}

TEST(WriteCopies, EachOfThreeNodesHoldsAllOfIt) {
  for (const std::size_t size : {1u, 80u, 64u, 5000u, (1u << 20) + 3u}) {
    const Outcome outcome = write(5, std::string(size, 'j'), [](MemoryGrid&) {});
    EXPECT_TRUE(outcome.copies.status);
    EXPECT_EQ(outcome.whole, 3u) << size;
    EXPECT_THAT(outcome.copies.holders, testing::UnorderedElementsAre(1, 3, 5));
  }
}

TEST(WriteCopies, NodesThatRefuseAreReplaced) {
  const Outcome outcome = write(5, "record", [](MemoryGrid& grid) {
    grid.node(1).refuses = true;
    grid.node(3).refuses = true;
  });
  EXPECT_TRUE(outcome.copies.status);
  EXPECT_THAT(outcome.copies.holders, testing::UnorderedElementsAre(2, 4, 5));
  EXPECT_THAT(outcome.copies.failed, testing::UnorderedElementsAre(1, 3));
}

TEST(WriteCopies, AFrozenNodeDelaysItByLessThanASecond) {
  const Outcome outcome = write(4, "record", [](MemoryGrid& grid) { grid.node(1).stalls = true; });
  EXPECT_TRUE(outcome.copies.status);
  EXPECT_LT(outcome.took, kSecond);
  EXPECT_THAT(outcome.copies.failed, testing::ElementsAre(1));
}

TEST(WriteCopies, TwoAreNotThree) {
  const Outcome outcome = write(4, "record", [](MemoryGrid& grid) {
    grid.node(2).refuses = true;
    grid.node(4).stalls = true;
  });
  EXPECT_FALSE(outcome.copies.status);
  EXPECT_EQ(outcome.copies.holders.size(), 2u);
}

}  // namespace
}  // namespace hydra::journal
