#include <gmock/gmock.h>

#include "gateway/catalog/catalog_harness.h"

namespace hydra::catalog {
namespace {

using testing::SizeIs;

class ObjectsTest : public CatalogTest {
 protected:
  BucketId bucket_ = catalog_.make_bucket("photos").id;
};
INSTANTIATE_TEST_SUITE_P(Stores, ObjectsTest, testing::ValuesIn(kv::kBackends), kv::backend_name);

TEST_P(ObjectsTest, BucketsAreFoundByNameAndOwner) {
  catalog_.make_bucket("zebra");
  catalog_.make_bucket("apple", "someone");
  const auto own = catalog_->buckets("owner");
  ASSERT_TRUE(own);
  ASSERT_THAT(*own, SizeIs(2));
  EXPECT_EQ((*own)[0].name, "photos");
  EXPECT_EQ((*own)[1].name, "zebra");
  EXPECT_EQ(catalog_->bucket("photos")->id, bucket_);
  EXPECT_EQ(code_of(catalog_->bucket("nope")), Code::kNoSuchBucket);
  EXPECT_EQ(code_of(catalog_->bucket(std::string(9000, 'x'))), Code::kNoSuchBucket);
}

TEST_P(ObjectsTest, CreatingOnesOwnBucketAgainReturnsIt) {
  EXPECT_EQ(catalog_.make_bucket("photos").id, bucket_);
  const auto taken = catalog_.wait([&](Loop& loop) {
    return catalog_->create_bucket(loop, {.name = "photos", .owner = {"thief", ""}});
  });
  EXPECT_EQ(code_of(taken), Code::kBucketAlreadyExists);
  EXPECT_EQ(catalog_.totals().buckets, 1u);
}

TEST_P(ObjectsTest, OnlyEmptyBucketsCanBeDeletedAndIdsAreNeverReused) {
  const auto remove = [&] {
    return catalog_.wait([&](Loop& loop) { return catalog_->delete_bucket(loop, "photos"); });
  };
  catalog_.put(bucket_, "a");
  EXPECT_EQ(code_of(remove()), Code::kBucketNotEmpty);
  ASSERT_TRUE(catalog_.erase(bucket_, "a"));
  EXPECT_TRUE(remove());
  EXPECT_EQ(code_of(remove()), Code::kNoSuchBucket);
  EXPECT_EQ(code_of(catalog_.try_put(bucket_, "a")), Code::kNoSuchBucket);
  EXPECT_EQ(code_of(catalog_.erase(bucket_, "a")), Code::kNoSuchBucket);
  EXPECT_NE(catalog_.make_bucket("photos").id, bucket_);
  catalog_.expect_sound();
}

TEST_P(ObjectsTest, WhatWasPutIsReadBack) {
  auto sealed = catalog_.seal(5000);
  sealed.slice.key.kek_id = 7;
  sealed.slice.key.sealed.fill(std::byte{0xab});
  Version version = catalog_.new_version("a/b", {sealed.slice});
  version.fields = {{"content-type", "text/plain"}, {"x-amz-meta-color", "red"}};
  version.checksum = Checksum{DigestKind::kCrc32c, ChecksumType::kFullObject, "abcd"};
  ASSERT_TRUE(catalog_.put_version(bucket_, version, sealed.data));

  const auto read = catalog_->object(bucket_, "a/b");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->key, "a/b");
  EXPECT_EQ(read->version_id, "null");
  EXPECT_EQ(read->etag, version.etag);
  EXPECT_EQ(read->bytes, 5000u);
  EXPECT_EQ(read->fields, version.fields);
  EXPECT_EQ(read->checksum, version.checksum);
  EXPECT_EQ(read->slices, version.slices);
  const auto head = catalog_->head(bucket_, "a/b");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->etag, version.etag);
  EXPECT_TRUE(head->slices.empty());
  EXPECT_EQ(code_of(catalog_->object(bucket_, "a")), Code::kNoSuchKey);
  EXPECT_EQ(code_of(catalog_->head(bucket_, std::string(5000, 'a'))), Code::kNoSuchKey);
  EXPECT_EQ(code_of(catalog_->object(bucket_ + 1, "a/b")), Code::kNoSuchKey);
  catalog_.expect_sound();
}

TEST_P(ObjectsTest, AnyKeyOfUpTo1024BytesWorks) {
  const std::vector<std::string> keys = {std::string(1, '\0'),          std::string(1024, '\0'),
                                         std::string(1024, '\xff'),     std::string(1023, '\xff'),
                                         std::string("a\0\xff\x01", 4), "a"};
  for (const std::string& key : keys) catalog_.put(bucket_, key);
  for (const std::string& key : keys) EXPECT_EQ(catalog_->object(bucket_, key)->key, key);
  EXPECT_EQ(code_of(catalog_.try_put(bucket_, std::string(1025, 'k'))), Code::kKeyTooLong);
  EXPECT_EQ(catalog_.totals().objects, keys.size());
  catalog_.expect_sound();
  for (const std::string& key : keys) EXPECT_TRUE(catalog_.erase(bucket_, key)->existed);
  EXPECT_EQ(catalog_.totals().objects, 0u);
  catalog_.expect_sound();
}

TEST_P(ObjectsTest, ReplacingAnObjectFreesWhatItHeld) {
  catalog_.put(bucket_, "a", 1000);
  const Version second = catalog_.put(bucket_, "a", 300);
  EXPECT_EQ(catalog_->object(bucket_, "a")->etag, second.etag);
  const auto totals = catalog_.totals();
  EXPECT_EQ(totals.objects, 1u);
  EXPECT_EQ(totals.object_bytes, 300u);
  EXPECT_EQ(totals.extents, 1u);
  EXPECT_EQ(totals.extent_bytes, 316u);
  EXPECT_EQ(totals.dead_extents, 1u);
  catalog_.expect_sound();
}

TEST_P(ObjectsTest, DeletingTellsWhetherItExisted) {
  catalog_.put(bucket_, "a");
  EXPECT_TRUE(catalog_.erase(bucket_, "a")->existed);
  EXPECT_FALSE(catalog_.erase(bucket_, "a")->existed);
  EXPECT_EQ(code_of(catalog_->object(bucket_, "a")), Code::kNoSuchKey);
}

TEST_P(ObjectsTest, DeletingManyDecidesEachKeyByItself) {
  const Version kept = catalog_.put(bucket_, "kept");
  const Version gone = catalog_.put(bucket_, "gone");
  std::vector<DeleteItem> items = {{"gone", {.if_match = gone.etag}},
                                   {"kept", {.if_match = "other"}},
                                   {"absent", {}},
                                   {"absent", {.if_match = "*"}},
                                   {"gone", {}}};
  const auto results = catalog_.wait(
      [&](Loop& loop) { return catalog_->delete_objects(loop, bucket_, items, loop.wall_ms()); });
  ASSERT_TRUE(results);
  ASSERT_THAT(*results, SizeIs(5));
  EXPECT_TRUE((*results)[0]->existed);
  EXPECT_EQ(code_of((*results)[1]), Code::kPreconditionFailed);
  EXPECT_FALSE((*results)[2]->existed);
  EXPECT_EQ(code_of((*results)[3]), Code::kNoSuchKey);
  EXPECT_FALSE((*results)[4]->existed);  // the same key twice in one request
  EXPECT_EQ(catalog_.totals().objects, 1u);
  catalog_.expect_sound();
}

TEST_P(ObjectsTest, PutPreconditions) {
  EXPECT_EQ(code_of(catalog_.try_put(bucket_, "a", 1, {.if_match = "*"})), Code::kNoSuchKey);
  EXPECT_EQ(code_of(catalog_.try_put(bucket_, "a", 1, {.if_match = "etag"})), Code::kNoSuchKey);
  const Version first = catalog_.put(bucket_, "a", 1, {.if_none_match = "*"});
  EXPECT_EQ(code_of(catalog_.try_put(bucket_, "a", 1, {.if_none_match = "*"})),
            Code::kPreconditionFailed);
  EXPECT_EQ(code_of(catalog_.try_put(bucket_, "a", 1, {.if_none_match = first.etag})),
            Code::kPreconditionFailed);
  EXPECT_EQ(code_of(catalog_.try_put(bucket_, "a", 1, {.if_match = "other"})),
            Code::kPreconditionFailed);
  const Version second = catalog_.put(bucket_, "a", 1, {.if_match = first.etag});
  const Version third = catalog_.put(bucket_, "a", 1, {.if_match = "*"});
  catalog_.put(bucket_, "a", 1, {.if_none_match = second.etag});
  EXPECT_NE(third.etag, second.etag);
  catalog_.expect_sound();
}

TEST_P(ObjectsTest, DeletePreconditions) {
  const Version version = catalog_.put(bucket_, "a", 10);
  const std::int64_t modified = version.modified_ms;
  EXPECT_EQ(code_of(catalog_.erase(bucket_, "a", {.if_match = "x"})), Code::kPreconditionFailed);
  EXPECT_EQ(code_of(catalog_.erase(bucket_, "a", {.if_match_bytes = 11})),
            Code::kPreconditionFailed);
  EXPECT_EQ(code_of(catalog_.erase(bucket_, "a", {.if_match_modified_ms = modified + 1000})),
            Code::kPreconditionFailed);
  EXPECT_EQ(code_of(catalog_.erase(bucket_, "b", {.if_match = "*"})), Code::kNoSuchKey);
  EXPECT_EQ(code_of(catalog_.erase(bucket_, "b", {.if_match_bytes = 11})), Code::kNoSuchKey);
  EXPECT_TRUE(catalog_.erase(bucket_, "a",
                             {.if_match = version.etag,
                              .if_match_modified_ms = modified / 1000 * 1000,
                              .if_match_bytes = 10}));
  EXPECT_EQ(catalog_.totals().objects, 0u);
}

TEST_P(ObjectsTest, OfFiftyRacersForANewKeyExactlyOneWins) {
  std::vector<Task<Result<std::string>>> racers;
  for (int i = 0; i < 50; ++i) {
    auto sealed = catalog_.seal(10);
    racers.push_back(catalog_->put_object(catalog_.loop(), bucket_,
                                          catalog_.new_version("prize", {sealed.slice}),
                                          sealed.data, {.if_none_match = "*"}));
  }
  int won = 0;
  for (const auto& status : catalog_.wait_all(std::move(racers))) {
    if (status)
      ++won;
    else
      EXPECT_EQ(status.error().code, Code::kPreconditionFailed);
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(catalog_.totals().extents, 1u);
  catalog_.expect_sound();
}

TEST_P(ObjectsTest, AFailingPutLeavesNothing) {
  catalog_.put(bucket_, "a");
  const auto before = catalog_.rows();
  EXPECT_FALSE(catalog_.try_put(bucket_, "a", 100, {.if_none_match = "*"}));
  EXPECT_FALSE(catalog_.try_put(bucket_, "b", 100, {.if_match = "*"}));
  EXPECT_FALSE(catalog_.put_version(bucket_, catalog_.new_version("c", {catalog_.seal(5).slice})));
  EXPECT_EQ(catalog_.rows(), before);
}

TEST_P(ObjectsTest, CopiesShareABodyUntilTheLastIsGone) {
  const Version source = catalog_.put(bucket_, "source", 1000);
  Slice part = source.slices[0];
  part.offset = 100;
  part.length = 50;
  ASSERT_TRUE(catalog_.put_version(bucket_, catalog_.new_version("whole", source.slices)));
  ASSERT_TRUE(catalog_.put_version(bucket_, catalog_.new_version("twice", {part, part})));
  EXPECT_EQ(catalog_.totals().extents, 1u);
  catalog_.expect_sound();
  ASSERT_TRUE(catalog_.erase(bucket_, "source"));
  ASSERT_TRUE(catalog_.erase(bucket_, "whole"));
  EXPECT_EQ(catalog_.totals().dead_extents, 0u);
  ASSERT_TRUE(catalog_.erase(bucket_, "twice"));
  EXPECT_EQ(catalog_.totals().dead_extents, 1u);
  catalog_.expect_sound();
}

TEST_P(ObjectsTest, AnObjectMayBeCopiedOntoItself) {
  const Version source = catalog_.put(bucket_, "a", 1000);
  ASSERT_TRUE(catalog_.put_version(bucket_, catalog_.new_version("a", source.slices)));
  EXPECT_EQ(catalog_.totals().extents, 1u);
  EXPECT_EQ(catalog_.totals().dead_extents, 0u);
  catalog_.expect_sound();
}

TEST_P(ObjectsTest, CopyingABodyThatIsGoneIsAConflict) {
  const Version source = catalog_.put(bucket_, "source");
  ASSERT_TRUE(catalog_.erase(bucket_, "source"));
  EXPECT_EQ(code_of(catalog_.put_version(bucket_, catalog_.new_version("copy", source.slices))),
            Code::kConflict);
}

TEST_P(ObjectsTest, BodiesOfOneExtentAreCountedTogether) {
  const Extent shared = catalog_.new_extent(300);
  std::vector<Version> versions;
  for (std::uint32_t i = 0; i < 3; ++i) {
    Body body{
        .id = catalog_.new_id<BodyId>(), .plain_bytes = 84, .pieces = {{shared.id, i * 100, 100}}};
    versions.push_back(catalog_.new_version("k" + std::to_string(i), {{body.id, 0, 84}}));
    // Each brings the extent, as none knows which of them commits first.
    ASSERT_TRUE(catalog_.put_version(bucket_, versions.back(), {{shared}, {body}}));
    EXPECT_EQ(catalog_->extent(shared.id)->live_bytes, (i + 1) * 100);
  }
  EXPECT_EQ(catalog_.totals().extents, 1u);
  ASSERT_TRUE(catalog_.erase(bucket_, "k1"));
  EXPECT_EQ(catalog_->extent(shared.id)->live_bytes, 200u);
  ASSERT_TRUE(catalog_.erase(bucket_, "k0"));
  catalog_.expect_sound();
  ASSERT_TRUE(catalog_.erase(bucket_, "k2"));
  EXPECT_EQ(code_of(catalog_->extent(shared.id)), Code::kNotFound);
  EXPECT_EQ(catalog_.totals().dead_extents, 1u);
  catalog_.expect_sound();

  // Its shards may be freed at any moment, so nothing may be hung on it any more.
  Body late{.id = catalog_.new_id<BodyId>(), .plain_bytes = 84, .pieces = {{shared.id, 0, 100}}};
  EXPECT_EQ(code_of(catalog_.put_version(bucket_, catalog_.new_version("late", {{late.id, 0, 84}}),
                                         {{shared}, {late}})),
            Code::kConflict);
}

TEST_P(ObjectsTest, DataThatDoesNotFitTogetherIsRefused) {
  const auto refused = [&](auto spoil) {
    auto sealed = catalog_.seal(1000);
    spoil(sealed);
    return code_of(
        catalog_.put_version(bucket_, catalog_.new_version("a", {sealed.slice}), sealed.data));
  };
  using Sealed = CatalogHarness::Sealed;
  EXPECT_EQ(refused([](Sealed& s) { s.slice.length = 1001; }), Code::kInvalidArgument);
  EXPECT_EQ(refused([](Sealed& s) { s.slice.offset = UINT64_MAX; }), Code::kInvalidArgument);
  EXPECT_EQ(refused([](Sealed& s) { s.data.bodies[0].pieces[0].offset = 1; }),
            Code::kInvalidArgument);
  EXPECT_EQ(refused([](Sealed& s) { s.data.extents[0].nodes.pop_back(); }), Code::kInvalidArgument);
  EXPECT_EQ(refused([](Sealed& s) { s.data.extents[0].missing = 8; }), Code::kInvalidArgument);
  EXPECT_EQ(refused([&](Sealed& s) { s.data.bodies.push_back(catalog_.seal(9).data.bodies[0]); }),
            Code::kInvalidArgument);
  EXPECT_EQ(refused([](Sealed& s) { s.data.extents.clear(); }), Code::kConflict);
  EXPECT_EQ(catalog_.totals().objects, 0u);
  catalog_.expect_sound();
}

TEST_P(ObjectsTest, PlansCutRunsAndNameOnlyTheExtentsTheyTouch) {
  // Extents of 1 MiB; the first body spans three of them.
  auto first = catalog_.seal(5u << 19, 1u << 20);
  auto second = catalog_.seal(1000);
  NewData data = first.data;
  data.extents.push_back(second.data.extents[0]);
  data.bodies.push_back(second.data.bodies[0]);
  Version version = catalog_.new_version("a", {first.slice, second.slice});
  ASSERT_TRUE(catalog_.put_version(bucket_, version, data));

  const auto plan = catalog_->plan(version.slices, (5u << 19) - 10, 30);
  ASSERT_TRUE(plan);
  ASSERT_THAT(plan->runs, SizeIs(2));
  EXPECT_EQ(plan->runs[0].slice.offset, (5u << 19) - 10);
  EXPECT_EQ(plan->runs[0].slice.length, 10u);
  EXPECT_EQ(plan->runs[0].body_plain_bytes, 5u << 19);
  EXPECT_EQ(plan->runs[0].pieces, first.data.bodies[0].pieces);
  EXPECT_EQ(plan->runs[1].slice.offset, 0u);
  EXPECT_EQ(plan->runs[1].slice.length, 20u);
  ASSERT_THAT(plan->extents, SizeIs(2));
  EXPECT_EQ(plan->extents[0].id, first.data.extents[2].id);
  EXPECT_EQ(plan->extents[1].id, second.data.extents[0].id);
  EXPECT_EQ(plan->extents[0].nodes, (std::vector<NodeId>{1, 2, 3}));

  EXPECT_THAT(catalog_->plan(version.slices, 0, version.bytes)->extents, SizeIs(4));
  EXPECT_THAT(catalog_->plan(version.slices, 0, 0)->runs, SizeIs(0));
  EXPECT_EQ(code_of(catalog_->plan(version.slices, 1, version.bytes)), Code::kInvalidArgument);

  const auto both = catalog_->object_and_plan(bucket_, "a", [](const Version& found) {
    return std::optional(std::pair(found.bytes - 5, std::uint64_t{5}));
  });
  ASSERT_TRUE(both);
  EXPECT_EQ(both->first.etag, version.etag);
  ASSERT_THAT(both->second.runs, SizeIs(1));
  EXPECT_EQ(both->second.runs[0].slice.offset, 995u);
  EXPECT_EQ(
      code_of(catalog_->object_and_plan(bucket_, "b", [](const Version&) { return std::nullopt; })),
      Code::kNoSuchKey);
}

TEST_P(ObjectsTest, EverythingIsStillThereAfterReopening) {
  const ClusterId cluster = catalog_->cluster();
  EXPECT_NE(cluster, ClusterId());
  catalog_.put(bucket_, "a", 1000);
  catalog_.put(bucket_, "a", 2000);
  const auto before = catalog_.totals();
  catalog_.reopen();
  EXPECT_EQ(catalog_->cluster(), cluster);
  EXPECT_EQ(catalog_->object(bucket_, "a")->bytes, 2000u);
  EXPECT_EQ(catalog_.totals().dead_extents, before.dead_extents);
  EXPECT_NE(catalog_.make_bucket("more").id, bucket_);
  catalog_.put(bucket_, "b");
  catalog_.expect_sound();
}

TEST(CatalogOpen, RefusesAStoreThatIsNotACatalog) {
  auto image = std::make_shared<kv::MemoryImage>();
  {
    auto store = kv::open_memory(image, {});
    auto transaction = store->begin();
    ASSERT_TRUE((*transaction)->put(as_bytes("x"), as_bytes("y")));
    ASSERT_TRUE((*transaction)->commit());
  }
  sim::run_sim(1, [&](Loop& loop) -> Task<void> {
    EXPECT_EQ(code_of(Catalog::open(loop, kv::open_memory(image, {}))), Code::kCorrupt);
    co_return;
  });
}

}  // namespace
}  // namespace hydra::catalog
