// What the healer keeps in the catalog: its queue, strays, reports, and its lease.
#include <gmock/gmock.h>

#include "gateway/catalog/catalog_harness.h"

namespace hydra::catalog {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

class HealingRowsTest : public CatalogTest {
 protected:
  Status update(const Extent& expected, const Extent& updated, ExtentUpdate terms = {}) {
    return catalog_.wait(
        [&](Loop& loop) { return catalog_->update_extent(loop, expected, updated, terms); });
  }
  void enqueue(const ExtentId& extent, Rank rank) {
    EXPECT_TRUE(catalog_.wait([&](Loop& loop) {
      return catalog_->enqueue(loop, {{extent, rank}});
    }));
  }
  std::size_t report(std::vector<ShardReport> shards, bool missing) {
    const auto news = catalog_.wait([&](Loop& loop) {
      return missing ? catalog_->report_missing(loop, shards)
                     : catalog_->report_present(loop, shards);
    });
    EXPECT_TRUE(news);
    return news.value_or(0);
  }
  // The queue as ranks and extents.
  std::vector<std::pair<Rank, ExtentId>> queue() {
    std::vector<std::pair<Rank, ExtentId>> out;
    const auto rows = catalog_->repairs(100);
    for (const RepairRow& row : *rows) out.emplace_back(row.rank, row.extent);
    return out;
  }
  void pass(Nanos time) {
    catalog_.wait([time](Loop& loop) -> Task<void> { co_await sleep_for(loop, time); });
  }
  Extent row_of(const Extent& extent) { return *catalog_->extent(extent.id); }
  // As the healer does it: other shards, under a name of their own.
  Extent reencoded(const Extent& extent, erasure::Profile profile) {
    Extent updated = extent;
    updated.stored_as = catalog_.new_id<ExtentId>();
    updated.profile = updated.wanted = profile;
    updated.missing = 0;
    updated.nodes.clear();
    for (int i = 0; i < profile.shards(); ++i) updated.nodes.push_back(static_cast<NodeId>(10 + i));
    return updated;
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
INSTANTIATE_TEST_SUITE_P(Stores, HealingRowsTest, testing::ValuesIn(kv::kBackends),
                         kv::backend_name);

TEST_P(HealingRowsTest, RepairsComeWithTheCommitFewestSpareFirst) {
  put_damaged("whole", 0);
  const Extent one_missing = put_damaged("one", 0b0001);
  const Extent two_missing = put_damaged("two", 0b1001);
  const Extent narrow = put_damaged("narrow", 0, {4, 2});
  const auto repairs = catalog_->repairs(10);
  ASSERT_TRUE(repairs);
  ASSERT_THAT(*repairs, SizeIs(3));
  EXPECT_EQ((*repairs)[0].extent, two_missing.id);
  EXPECT_EQ((*repairs)[0].rank, 0);
  EXPECT_EQ((*repairs)[1].extent, one_missing.id);
  EXPECT_EQ((*repairs)[1].rank, 1);
  EXPECT_EQ((*repairs)[2].extent, narrow.id);
  EXPECT_EQ((*repairs)[2].rank, kRankReencode);
  EXPECT_THAT(*catalog_->repairs(1), SizeIs(1));
  EXPECT_EQ(catalog_.totals().repairs, 3u);
  catalog_.expect_sound();

  ASSERT_TRUE(catalog_.erase(bucket_, "two"));
  EXPECT_EQ(catalog_.totals().repairs, 2u);
  catalog_.expect_sound();
}

TEST_P(HealingRowsTest, UpdatingAnExtentMovesItInTheQueue) {
  const Extent damaged = put_damaged("a", 0b0011);
  const std::int64_t since = catalog_->repairs(1)->front().since_ms;
  Extent better = damaged;
  better.missing = 0b0001;
  better.nodes = {1, 9, 3, 4};
  catalog_.wait([](Loop& loop) -> Task<void> { co_await sleep_for(loop, 5 * kSecond); });
  ASSERT_TRUE(update(damaged, better));
  const auto repairs = catalog_->repairs(10);
  ASSERT_THAT(*repairs, SizeIs(1));
  EXPECT_EQ(repairs->front().rank, 1);
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

TEST_P(HealingRowsTest, UpdatesOfGoneOrMalformedExtentsAreRefused) {
  const Extent extent = put_damaged("a", 1);
  Extent bad = extent;
  bad.nodes.pop_back();
  EXPECT_EQ(code_of(update(extent, bad)), Code::kInvalidArgument);
  ASSERT_TRUE(catalog_.erase(bucket_, "a"));
  EXPECT_EQ(code_of(update(extent, extent)), Code::kNotFound);
  EXPECT_EQ(code_of(update(catalog_.new_extent(5), extent)), Code::kNotFound);
  catalog_.expect_sound();
}

TEST_P(HealingRowsTest, DeadExtentsAreListedUntilForgotten) {
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

TEST_P(HealingRowsTest, TheQueueIsInTheOrderOfRanks) {
  const Extent moved = put_damaged("moved", 0);
  const Extent away = put_damaged("away", 0);
  const Extent lost = put_damaged("lost", 0b0001);
  enqueue(moved.id, kRankRebalance);
  enqueue(away.id, 0);
  EXPECT_THAT(queue(),
              ElementsAre(Pair(0, away.id), Pair(1, lost.id), Pair(kRankRebalance, moved.id)));
  EXPECT_EQ(catalog_.totals().repairs, 2u);
  EXPECT_EQ(catalog_.totals().repair_bytes, away.length + lost.length);
  EXPECT_EQ(catalog_.totals().moves, 1u);
  EXPECT_EQ(catalog_.totals().move_bytes, moved.length);
  catalog_.expect_sound();
  const auto rows = catalog_->repairs(1);
  EXPECT_THAT(*catalog_->repairs(10, rows->front()), SizeIs(2));

  // The node is back; a shard that is missing for good cannot be talked away.
  enqueue(away.id, kNoRank);
  enqueue(lost.id, kNoRank);
  enqueue(catalog_.new_id<ExtentId>(), 0);
  EXPECT_THAT(queue(), ElementsAre(Pair(1, lost.id), Pair(kRankRebalance, moved.id)));
  enqueue(lost.id, 0);
  EXPECT_THAT(queue().front(), Pair(0, lost.id));
  catalog_.reopen();
  EXPECT_THAT(queue(), SizeIs(2));
  ASSERT_TRUE(catalog_.erase(bucket_, "moved"));
  ASSERT_TRUE(catalog_.erase(bucket_, "lost"));
  EXPECT_THAT(queue(), IsEmpty());
  catalog_.expect_sound();
}

TEST_P(HealingRowsTest, AnUpdateSaysWhatRemainsToBeDone) {
  const Extent extent = put_damaged("a", 0b0011);
  Extent better = extent;
  better.missing = 0;
  ASSERT_TRUE(update(extent, better, {.still = kRankDrain}));
  EXPECT_THAT(queue(), ElementsAre(Pair(kRankDrain, extent.id)));
  Extent worse = better;
  worse.missing = 1;
  ASSERT_TRUE(update(better, worse, {.still = kRankDrain}));
  EXPECT_THAT(queue(), ElementsAre(Pair(1, extent.id)));
  catalog_.expect_sound();
}

TEST_P(HealingRowsTest, WhatAnUpdateLeavesBehindIsStray) {
  const Extent extent = put_damaged("a", 0b0010);
  Extent moved = extent;
  moved.nodes = {1, 8, 9, 4};
  moved.missing = 0;
  ASSERT_TRUE(update(extent, moved, {.strays_due_ms = 500}));
  EXPECT_THAT(*catalog_->strays(500, 10), IsEmpty());
  const auto strays = catalog_->strays(501, 10);
  EXPECT_THAT(*strays, ElementsAre(Stray{500, 2, extent.shard(1)}, Stray{500, 3, extent.shard(2)}));
  EXPECT_THAT(*catalog_->strays(501, 10, strays->front()), SizeIs(1));
  EXPECT_EQ(catalog_.totals().strays, 2u);
  catalog_.expect_sound();
  for (int twice = 0; twice < 2; ++twice)
    ASSERT_TRUE(catalog_.wait(
        [&](Loop& loop) { return catalog_->forget_strays(loop, {strays->front()}); }));
  EXPECT_THAT(*catalog_->strays(501, 10), ElementsAre(strays->back()));
  EXPECT_EQ(catalog_.totals().strays, 1u);
  catalog_.expect_sound();
}

TEST_P(HealingRowsTest, ReencodedExtentsAreFoundByTheNameOfTheirShards) {
  const Extent extent = put_damaged("a", 0, {4, 2});
  const Extent wide = reencoded(extent, {4, 2});
  ASSERT_TRUE(update(extent, wide, {.strays_due_ms = 5}));
  EXPECT_THAT(queue(), IsEmpty());
  EXPECT_EQ(row_of(extent).stored_as, wide.stored_as);
  EXPECT_EQ(row_of(extent).shard(5), (ShardId{wide.stored_as, 5}));
  EXPECT_THAT(*catalog_->strays(INT64_MAX, 10), SizeIs(4));
  const auto owner_of = [&](const ExtentId& name) {
    const auto owners = catalog_->owners({&name, 1});
    EXPECT_TRUE(owners);
    return owners->front();
  };
  EXPECT_EQ(owner_of(wide.stored_as)->id, extent.id);
  EXPECT_FALSE(owner_of(extent.id));
  catalog_.expect_sound();

  const Extent again = reencoded(wide, {3, 2});
  ASSERT_TRUE(update(wide, again));
  EXPECT_FALSE(owner_of(wide.stored_as));
  EXPECT_EQ(owner_of(again.stored_as)->id, extent.id);
  catalog_.expect_sound();

  // Its shards bear the name until they are freed.
  ASSERT_TRUE(catalog_.erase(bucket_, "a"));
  EXPECT_EQ(owner_of(again.stored_as)->live_bytes, 0u);
  catalog_.expect_sound();
  ASSERT_TRUE(catalog_.wait([&](Loop& loop) { return catalog_->forget_dead(loop, {extent.id}); }));
  EXPECT_FALSE(owner_of(again.stored_as));
  catalog_.expect_sound();
}

TEST_P(HealingRowsTest, AnotherProfileNeedsAFreshName) {
  const Extent extent = put_damaged("a", 0);
  const Extent other = put_damaged("b", 0);
  Extent updated = reencoded(extent, {4, 2});
  updated.stored_as = extent.stored_as;
  EXPECT_EQ(code_of(update(extent, updated)), Code::kInvalidArgument);
  updated.stored_as = other.id;
  EXPECT_EQ(code_of(update(extent, updated)), Code::kInvalidArgument);
  updated.stored_as = ExtentId();
  EXPECT_EQ(code_of(update(extent, updated)), Code::kInvalidArgument);
  const Extent wide = reencoded(extent, {4, 2});
  ASSERT_TRUE(update(extent, wide));
  Extent back = reencoded(wide, {2, 2});
  back.stored_as = extent.id;  // the old shards may still lie there
  EXPECT_EQ(code_of(update(wide, back)), Code::kInvalidArgument);
  Extent second = reencoded(other, {4, 2});
  second.stored_as = wide.stored_as;
  EXPECT_EQ(code_of(update(other, second)), Code::kInvalidArgument);
  Extent stale = wide;
  stale.stored_as = extent.id;
  EXPECT_EQ(code_of(update(stale, reencoded(stale, {2, 1}))), Code::kConflict);
  catalog_.expect_sound();
}

TEST_P(HealingRowsTest, ReportsCountOnlyWhereTheCatalogStillExpectsTheShard) {
  const Extent extent = put_damaged("a", 0);
  EXPECT_EQ(report({{2, extent.shard(1)}, {4, extent.shard(3)}}, true), 2u);
  EXPECT_EQ(row_of(extent).missing, 0b1010u);
  EXPECT_THAT(queue(), ElementsAre(Pair(0, extent.id)));
  EXPECT_EQ(report({{2, extent.shard(1)},
                    {9, extent.shard(2)},
                    {3, extent.shard(1)},
                    {1, {catalog_.new_id<ExtentId>(), 0}},
                    {1, extent.shard(7)}},
                   true),
            0u);
  EXPECT_EQ(report({{2, extent.shard(1)}, {1, extent.shard(0)}}, false), 1u);
  EXPECT_THAT(queue(), ElementsAre(Pair(1, extent.id)));
  catalog_.expect_sound();
  enqueue(extent.id, 0);  // its node is away as well
  EXPECT_EQ(report({{4, extent.shard(3)}}, false), 1u);
  EXPECT_THAT(queue(), ElementsAre(Pair(0, extent.id)));
  enqueue(extent.id, kNoRank);

  const Extent wide = reencoded(row_of(extent), {4, 2});
  ASSERT_TRUE(update(row_of(extent), wide));
  EXPECT_EQ(report({{1, extent.shard(0)}}, true), 0u);
  EXPECT_EQ(report({{10, wide.shard(0)}}, true), 1u);
  EXPECT_EQ(row_of(extent).missing, 1u);
  ASSERT_TRUE(catalog_.erase(bucket_, "a"));
  EXPECT_EQ(report({{11, wide.shard(1)}}, true), 0u);
  catalog_.expect_sound();
}

TEST_P(HealingRowsTest, AWalkVisitsEveryLiveExtentInPages) {
  EXPECT_THAT(catalog_->walk_extents(std::nullopt, 10)->items, IsEmpty());
  std::vector<ExtentId> live;
  for (int i = 0; i < 7; ++i) {
    const std::string key(1, static_cast<char>('a' + i));
    const Extent extent = put_damaged(key, i == 3 ? 1 : 0);
    if (i == 0 || i == 5)
      ASSERT_TRUE(catalog_.erase(bucket_, key));
    else
      live.push_back(extent.id);
  }
  for (const std::size_t limit : {1, 2, 7, 100}) {
    std::vector<ExtentId> seen;
    std::size_t queued = 0;
    std::optional<ExtentId> after;
    do {
      const auto page = catalog_->walk_extents(after, limit);
      ASSERT_TRUE(page);
      ASSERT_LE(page->items.size(), limit);
      for (const auto& item : page->items) {
        seen.push_back(item.extent.id);
        queued += item.rank != kNoRank;
      }
      after = page->next;
    } while (after);
    EXPECT_EQ(seen, live);
    EXPECT_EQ(queued, 1u);
  }
}

TEST_P(HealingRowsTest, DeadExtentsCanBePagedThrough) {
  for (const char* key : {"a", "b", "c"}) put_damaged(key, 0);
  for (const char* key : {"c", "a", "b"}) {
    pass(kSecond);
    ASSERT_TRUE(catalog_.erase(bucket_, key));
  }
  const auto all = catalog_->dead_extents(INT64_MAX, 10);
  ASSERT_THAT(*all, SizeIs(3));
  const DeadName first{(*all)[0].died_ms, (*all)[0].extent.id};
  const auto rest = catalog_->dead_extents(INT64_MAX, 1, first);
  ASSERT_THAT(*rest, SizeIs(1));
  EXPECT_EQ((*rest)[0].extent.id, (*all)[1].extent.id);
}

TEST_P(HealingRowsTest, ALeaseHasOneHolderAtATime) {
  const auto acquire = [&](std::string holder) {
    return catalog_
        .wait([&](Loop& loop) { return catalog_->acquire_lease(loop, "healer", holder, 1000); })
        ->holder;
  };
  EXPECT_FALSE(*catalog_->lease("healer"));
  EXPECT_EQ(acquire("one"), "one");
  EXPECT_EQ(acquire("two"), "one");
  catalog_.reopen();
  pass(600 * kMillisecond);
  EXPECT_EQ(acquire("one"), "one");
  pass(600 * kMillisecond);
  EXPECT_EQ(acquire("two"), "one");
  pass(600 * kMillisecond);
  EXPECT_EQ(acquire("two"), "two");
  const auto release = [&](std::string holder) {
    return catalog_.wait(
        [&](Loop& loop) { return catalog_->release_lease(loop, "healer", holder); });
  };
  EXPECT_TRUE(release("one"));  // not its own
  EXPECT_EQ((*catalog_->lease("healer"))->holder, "two");
  EXPECT_TRUE(release("two"));
  EXPECT_EQ(acquire("one"), "one");
}

}  // namespace
}  // namespace hydra::catalog
