#include <gmock/gmock.h>

#include "gateway/catalog/catalog_harness.h"

namespace hydra::catalog {
namespace {

using testing::SizeIs;

class GridRowsTest : public CatalogTest {
 protected:
  NodeRow join(NodeRow node) {
    auto joined = catalog_.wait([&](Loop& loop) { return catalog_->register_node(loop, node); });
    EXPECT_TRUE(joined);
    return *joined;
  }
  Status put_ring(std::uint64_t epoch, std::string encoded) {
    return catalog_.wait([&](Loop& loop) { return catalog_->put_ring(loop, epoch, encoded); });
  }
  Status update(const Extent& expected, const Extent& updated) {
    return catalog_.wait(
        [&](Loop& loop) { return catalog_->update_extent(loop, expected, updated); });
  }
  // An object in one extent that misses some shards.
  Extent put_damaged(std::string key, std::uint32_t missing, erasure::Profile wanted = {2, 2}) {
    auto sealed = catalog_.seal(1000);
    Extent& extent = sealed.data.extents[0];
    extent.profile = {2, 2};
    extent.wanted = wanted;
    extent.nodes = {1, 2, 3, 4};
    extent.missing = missing;
    EXPECT_TRUE(catalog_.put_version(bucket_, catalog_.new_version(std::move(key), {sealed.slice}),
                                     sealed.data));
    return extent;
  }

  BucketId bucket_ = catalog_.make_bucket("b").id;
};
INSTANTIATE_TEST_SUITE_P(Stores, GridRowsTest, testing::ValuesIn(kv::kBackends), kv::backend_name);

TEST_P(GridRowsTest, NodesGetNumbersFromOneAndKeepThem) {
  NodeRow first{.identity = catalog_.new_id<NodeIdentity>(), .name = "n1", .zone = "z1"};
  NodeRow second{.identity = catalog_.new_id<NodeIdentity>(), .name = "n2", .zone = "z2"};
  EXPECT_EQ(join(first).id, 1u);
  EXPECT_EQ(join(second).id, 2u);
  catalog_.reopen();
  first.name = "renamed";
  first.capacity_bytes = 77;
  const NodeRow again = join(first);
  EXPECT_EQ(again.id, 1u);
  EXPECT_EQ(again.name, "renamed");
  const auto nodes = catalog_->nodes();
  ASSERT_TRUE(nodes);
  ASSERT_THAT(*nodes, SizeIs(2));
  EXPECT_EQ((*nodes)[0].capacity_bytes, 77u);
  EXPECT_EQ((*nodes)[0].identity, first.identity);
  EXPECT_EQ((*nodes)[1].zone, "z2");
}

TEST_P(GridRowsTest, RingsAreReplacedByCompareAndSwap) {
  EXPECT_EQ(*catalog_->ring(), std::nullopt);
  EXPECT_EQ(code_of(put_ring(2, "two")), Code::kConflict);
  EXPECT_TRUE(put_ring(1, "one"));
  EXPECT_EQ(code_of(put_ring(1, "other")), Code::kConflict);
  for (std::uint64_t epoch = 2; epoch <= 300; ++epoch)
    ASSERT_TRUE(put_ring(epoch, "ring " + std::to_string(epoch)));
  const auto newest = catalog_->ring();
  ASSERT_TRUE(newest && *newest);
  EXPECT_EQ((*newest)->first, 300u);
  EXPECT_EQ((*newest)->second, "ring 300");
}

TEST_P(GridRowsTest, OfTwoRacersForAnEpochOneWins) {
  std::vector<Task<Status>> racers;
  for (const char* ring : {"mine", "theirs"})
    racers.push_back(catalog_->put_ring(catalog_.loop(), 1, ring));
  const auto results = catalog_.wait_all(std::move(racers));
  EXPECT_TRUE(results[0]);
  EXPECT_EQ(code_of(results[1]), Code::kConflict);
}

TEST_P(GridRowsTest, RepairsComeWithTheCommitFewestSpareFirst) {
  put_damaged("whole", 0);
  const Extent one_missing = put_damaged("one", 0b0001);
  const Extent two_missing = put_damaged("two", 0b1001);
  const Extent narrow = put_damaged("narrow", 0, {4, 2});
  const auto repairs = catalog_->repairs(10);
  ASSERT_TRUE(repairs);
  ASSERT_THAT(*repairs, SizeIs(3));
  EXPECT_EQ((*repairs)[0].extent, two_missing.id);
  EXPECT_EQ((*repairs)[0].spare, 0);
  EXPECT_EQ((*repairs)[1].extent, one_missing.id);
  EXPECT_EQ((*repairs)[1].spare, 1);
  EXPECT_EQ((*repairs)[2].extent, narrow.id);
  EXPECT_EQ((*repairs)[2].spare, 2);
  EXPECT_THAT(*catalog_->repairs(1), SizeIs(1));
  EXPECT_EQ(catalog_.totals().repairs, 3u);
  catalog_.expect_sound();

  ASSERT_TRUE(catalog_.erase(bucket_, "two"));
  EXPECT_EQ(catalog_.totals().repairs, 2u);
  catalog_.expect_sound();
}

TEST_P(GridRowsTest, UpdatingAnExtentMovesItInTheQueue) {
  const Extent damaged = put_damaged("a", 0b0011);
  const std::int64_t since = catalog_->repairs(1)->front().since_ms;
  Extent better = damaged;
  better.missing = 0b0001;
  better.nodes = {1, 9, 3, 4};
  catalog_.wait([](Loop& loop) -> Task<void> { co_await sleep_for(loop, 5 * kSecond); });
  ASSERT_TRUE(update(damaged, better));
  const auto repairs = catalog_->repairs(10);
  ASSERT_THAT(*repairs, SizeIs(1));
  EXPECT_EQ(repairs->front().spare, 1);
  EXPECT_EQ(repairs->front().since_ms, since);  // it has been waiting all the time
  EXPECT_EQ(catalog_->extent(damaged.id)->nodes, better.nodes);
  EXPECT_EQ(catalog_->extent(damaged.id)->live_bytes, 1016u);
  catalog_.expect_sound();

  Extent whole = better;
  whole.missing = 0;
  EXPECT_EQ(code_of(update(damaged, whole)), Code::kConflict);  // it changed meanwhile
  for (auto spoil : {+[](Extent& extent) { extent.missing = 0b0010; },
                     +[](Extent& extent) { extent.nodes[2] = 8; },
                     +[](Extent& extent) {
                       extent.profile = {3, 1};
                     }}) {
    Extent stale = better;
    spoil(stale);
    EXPECT_EQ(code_of(update(stale, whole)), Code::kConflict);
  }
  ASSERT_TRUE(update(better, whole));
  EXPECT_THAT(*catalog_->repairs(10), SizeIs(0));
  EXPECT_EQ(catalog_.totals().repairs, 0u);
  catalog_.expect_sound();

  ASSERT_TRUE(update(whole, damaged));  // shards were lost again: it waits from now on
  EXPECT_GT(catalog_->repairs(1)->front().since_ms, since);
  catalog_.expect_sound();
}

TEST_P(GridRowsTest, UpdatesOfGoneOrMalformedExtentsAreRefused) {
  const Extent extent = put_damaged("a", 1);
  Extent bad = extent;
  bad.nodes.pop_back();
  EXPECT_EQ(code_of(update(extent, bad)), Code::kInvalidArgument);
  ASSERT_TRUE(catalog_.erase(bucket_, "a"));
  EXPECT_EQ(code_of(update(extent, extent)), Code::kNotFound);
  EXPECT_EQ(code_of(update(catalog_.new_extent(5), extent)), Code::kNotFound);
  catalog_.expect_sound();
}

TEST_P(GridRowsTest, DeadExtentsAreListedUntilForgotten) {
  const Extent first = put_damaged("a", 0);
  const Extent second = put_damaged("b", 1);
  ASSERT_TRUE(catalog_.erase(bucket_, "a"));
  const std::int64_t between = catalog_.loop().wall_ms() + 1;
  catalog_.wait([](Loop& loop) -> Task<void> { co_await sleep_for(loop, kSecond); });
  ASSERT_TRUE(catalog_.erase(bucket_, "b"));
  catalog_.reopen();

  const auto early = catalog_->dead_extents(between, 10);
  ASSERT_TRUE(early);
  ASSERT_THAT(*early, SizeIs(1));
  EXPECT_EQ(early->front().extent.id, first.id);
  EXPECT_EQ(early->front().extent.nodes, first.nodes);
  EXPECT_LT(early->front().died_ms, between);
  EXPECT_THAT(*catalog_->dead_extents(INT64_MAX, 10), SizeIs(2));
  EXPECT_THAT(*catalog_->dead_extents(INT64_MAX, 1), SizeIs(1));
  EXPECT_EQ(code_of(catalog_->extent(first.id)), Code::kNotFound);

  const auto forget = [&](std::vector<ExtentId> ids) {
    return catalog_.wait([&](Loop& loop) { return catalog_->forget_dead(loop, ids); });
  };
  ASSERT_TRUE(forget({first.id}));
  ASSERT_TRUE(forget({first.id, second.id}));  // forgetting twice does no harm
  EXPECT_THAT(*catalog_->dead_extents(INT64_MAX, 10), SizeIs(0));
  EXPECT_EQ(catalog_.totals().dead_extents, 0u);
  catalog_.expect_sound();

  const Extent alive = put_damaged("c", 0);
  EXPECT_EQ(code_of(forget({alive.id})), Code::kInvalidArgument);
}

}  // namespace
}  // namespace hydra::catalog
