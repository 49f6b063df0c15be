// How far walks have come, and the strays that they find.
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "gateway/catalog/arbitrary_rows.h"
#include "gateway/catalog/catalog_harness.h"

namespace hydra::catalog {
namespace {

using testing::ElementsAre;

WalkCounts any_counts() {
  WalkCounts counts;
  for (std::uint64_t* count : {&counts.shards, &counts.bytes, &counts.broken, &counts.unreachable,
                               &counts.returned, &counts.strays, &counts.orphans})
    *count = *rc::gen::arbitrary<std::uint64_t>();
  return counts;
}

RC_GTEST_PROP(WalkRows, DecodeGivesWhatWasEncodedAndNoPrefixOfIt, ()) {
  WalkRow row;
  if (*rc::gen::arbitrary<bool>()) row.cursor = any_id<ExtentId>();
  row.hurried = *rc::gen::arbitrary<bool>();
  row.started_ms = *rc::gen::arbitrary<std::int64_t>();
  row.planned_bytes = *rc::gen::arbitrary<std::uint64_t>();
  row.done_bytes = *rc::gen::arbitrary<std::uint64_t>();
  row.counts = any_counts();
  row.last_started_ms = *rc::gen::arbitrary<std::int64_t>();
  row.last_finished_ms = *rc::gen::arbitrary<std::int64_t>();
  row.last_counts = any_counts();
  const std::string encoded = encode(row);
  const auto decoded = decode_walk(as_bytes(encoded));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == row);
  const auto cut = *rc::gen::inRange<std::size_t>(0, encoded.size());
  RC_ASSERT(!decode_walk(as_bytes(encoded).first(cut)).has_value());
  RC_ASSERT(!decode_walk(as_bytes(encoded + '\0')).has_value());
}

class WalksTest : public CatalogTest {};
INSTANTIATE_TEST_SUITE_P(Stores, WalksTest, testing::ValuesIn(kv::kBackends), kv::backend_name);

TEST_P(WalksTest, AWalkIsRememberedByItsName) {
  EXPECT_EQ(*catalog_->walk("scrub"), std::nullopt);
  WalkRow row{.cursor = catalog_.new_id<ExtentId>(), .started_ms = 17, .planned_bytes = 1000};
  row.counts.broken = 3;
  const auto put = [&](std::string name) {
    return catalog_.wait([&](Loop& loop) { return catalog_->put_walk(loop, name, row); });
  };
  ASSERT_TRUE(put("scrub"));
  catalog_.reopen();
  EXPECT_EQ(*catalog_->walk("scrub"), row);
  EXPECT_EQ(*catalog_->walk("inventory"), std::nullopt);
  row.cursor.reset();
  ASSERT_TRUE(put("scrub"));
  EXPECT_EQ(*catalog_->walk("scrub"), row);
  EXPECT_EQ(code_of(put("")), Code::kInvalidArgument);
  catalog_.expect_sound();
}

TEST_P(WalksTest, AStrayThatIsFoundTwiceIsOne) {
  const Stray stray{5000, 3, {catalog_.new_id<ExtentId>(), 2}};
  const Stray later{6000, 4, stray.shard};
  for (int i = 0; i < 2; ++i)
    ASSERT_TRUE(catalog_.wait([&](Loop& loop) {
      return catalog_->add_strays(loop, {stray, later, stray});
    }));
  EXPECT_EQ(catalog_.totals().strays, 2u);
  EXPECT_THAT(*catalog_->strays(INT64_MAX, 10), ElementsAre(stray, later));
  catalog_.expect_sound();
}

}  // namespace
}  // namespace hydra::catalog
