#include <gmock/gmock.h>

#include "gateway/catalog/catalog_harness.h"

namespace hydra::catalog {
namespace {

class SnapshotsTest : public CatalogTest {
 protected:
  SnapshotRow put(std::uint64_t sequence, std::uint64_t bytes = 1000) {
    auto sealed = catalog_.seal(bytes);
    SnapshotRow row{.sequence = sequence,
                    .made_ms = 5,
                    .journal_bytes = 77,
                    .plain_bytes = bytes,
                    .slice = sealed.slice};
    EXPECT_TRUE(
        catalog_.wait([&](Loop& loop) { return catalog_->put_snapshot(loop, row, sealed.data); }));
    return row;
  }
  Status root(std::uint64_t sequence) {
    return catalog_.wait([&](Loop& loop) { return catalog_->root_snapshot(loop, sequence); });
  }
};
INSTANTIATE_TEST_SUITE_P(Stores, SnapshotsTest, testing::ValuesIn(kv::kBackends), kv::backend_name);

TEST_P(SnapshotsTest, ARootReleasesOlderSnapshotsAndNoYoungerOnes) {
  put(10);
  put(20);
  SnapshotRow middle = put(30);
  const SnapshotRow youngest = put(40);
  catalog_.expect_sound();
  EXPECT_EQ(catalog_.totals().extents, 4u);
  ASSERT_TRUE(root(30));
  catalog_.expect_sound();
  middle.rooted = true;
  EXPECT_THAT(*catalog_->snapshots(), testing::ElementsAre(middle, youngest));
  EXPECT_EQ(catalog_.totals().extents, 2u);
  EXPECT_EQ(catalog_.totals().dead_extents, 2u);
  catalog_.reopen();
  EXPECT_THAT(*catalog_->snapshots(), testing::ElementsAre(middle, youngest));
}

TEST_P(SnapshotsTest, UnknownOnesCannotBeRootedAndKnownOnesNotReplaced) {
  EXPECT_EQ(code_of(root(10)), Code::kNotFound);
  const SnapshotRow row = put(10);
  auto sealed = catalog_.seal(10);
  EXPECT_EQ(code_of(catalog_.wait([&](Loop& loop) {
              return catalog_->put_snapshot(loop, {.sequence = 10, .slice = sealed.slice},
                                            sealed.data);
            })),
            Code::kAlreadyExists);
  EXPECT_THAT(*catalog_->snapshots(), testing::ElementsAre(row));
  catalog_.expect_sound();
}

TEST_P(SnapshotsTest, AllRowsAreOneView) {
  const auto before = catalog_->rows();
  ASSERT_TRUE(before);
  catalog_.make_bucket("b");
  const auto cursor = (*before)->cursor();
  std::size_t rows = 0;
  for (auto more = cursor->seek({}); more && *more; more = cursor->next()) ++rows;
  EXPECT_EQ(rows, 2u);  // meta and state
}

}  // namespace
}  // namespace hydra::catalog
