// Bodies that are needed in part, trimming them, and extents whose live bytes move into new ones.
#include <gmock/gmock.h>

#include "gateway/catalog/catalog_harness.h"
#include "gateway/catalog/lookups.h"

namespace hydra::catalog {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kPlain = kSegmentBytes;
constexpr std::uint32_t kSealed = kSealedSegmentBytes;

class SpaceTest : public CatalogTest {
 protected:
  // An object of so many segments, in extents of so many.
  Version put(std::string key, std::uint64_t segments, std::uint32_t extent_segments) {
    auto sealed = catalog_.seal(segments * kPlain, extent_segments * kSealed);
    Version version = catalog_.new_version(std::move(key), {sealed.slice});
    EXPECT_TRUE(catalog_.put_version(bucket_, version, sealed.data));
    for (const Extent& extent : sealed.data.extents) extents_.push_back(extent.id);
    return version;
  }
  // A copy of a range of an object's only slice.
  Status copy(std::string key, const Version& of, std::uint64_t offset, std::uint64_t length) {
    Slice slice = of.slices.front();
    slice.offset += offset;
    slice.length = length;
    return catalog_.put_version(bucket_, catalog_.new_version(std::move(key), {slice}));
  }
  void erase(std::string key) {
    EXPECT_TRUE(catalog_.erase(bucket_, std::move(key)));
    catalog_.expect_sound();
  }
  Trimmed trim(std::size_t limit = 100) {
    const auto trimmed =
        catalog_.wait([limit, this](Loop& loop) { return catalog_->trim_bodies(loop, limit); });
    EXPECT_TRUE(trimmed) << trimmed.error().to_string();
    catalog_.expect_sound();
    return trimmed.value_or(Trimmed());
  }
  Body body_of(const Version& version) {
    const auto snapshot = catalog_.store().snapshot();
    return *load_body(**snapshot, version.slices.front().body);
  }
  std::uint32_t live(std::size_t extent) {
    const auto found = catalog_->extent(extents_[extent]);
    return found ? found->live_bytes : 0;
  }
  bool readable(const std::string& key) {
    const auto version = catalog_->object(bucket_, key);
    return version && catalog_->plan(version->slices, 0, version->bytes).has_value();
  }
  // What the healer would write for an extent.
  Extent successor(const LiveExtent& of) {
    Extent into = catalog_.new_extent(0);
    for (const ExtentRange& range : of.ranges) into.length += range.length;
    return into;
  }
  Status compact(const LiveExtent& of, const Extent& into) {
    const Status status = catalog_.wait(
        [&](Loop& loop) { return catalog_->compact_extent(loop, of.extent.id, of.ranges, into); });
    catalog_.expect_sound();
    return status;
  }

  BucketId bucket_ = catalog_.make_bucket("b").id;
  std::vector<ExtentId> extents_;  // of put(), in order
};
INSTANTIATE_TEST_SUITE_P(Stores, SpaceTest, testing::ValuesIn(kv::kBackends), kv::backend_name);

TEST_P(SpaceTest, OnlyTheSegmentsOfTheSliceThatIsLeftStay) {
  // Ten segments in extents of two and a half, so that one segment lies in two of them.
  auto sealed = catalog_.seal(10 * kPlain, 5 * kSealed / 2);
  const Version source = catalog_.new_version("source", {sealed.slice});
  ASSERT_TRUE(catalog_.put_version(bucket_, source, sealed.data));
  for (const Extent& extent : sealed.data.extents) extents_.push_back(extent.id);
  // The last byte of segment 1 and the first of segment 2, which lies in the first two extents.
  ASSERT_TRUE(copy("copy", source, 2 * kPlain - 1, 2));
  EXPECT_EQ(trim().bodies, 0u);  // the whole is still needed
  EXPECT_EQ(body_of(source).whole, 1u);
  erase("source");
  EXPECT_EQ(catalog_.totals().trims, 1u);
  EXPECT_EQ(live(0), 5 * kSealed / 2);  // not yet

  const Trimmed trimmed = trim();
  EXPECT_EQ(trimmed.bodies, 1u);
  EXPECT_EQ(trimmed.bytes, 8 * kSealed);
  EXPECT_THAT(
      body_of(source).pieces,
      ElementsAre(BodyPiece{.length = kSealed}, BodyPiece{extents_[0], kSealed, 3 * kSealed / 2},
                  BodyPiece{extents_[1], 0, kSealed / 2}, BodyPiece{.length = 7 * kSealed}));
  EXPECT_EQ(live(0), 3 * kSealed / 2);
  EXPECT_EQ(live(1), kSealed / 2);
  EXPECT_EQ(live(2) + live(3), 0u);
  EXPECT_EQ(catalog_.totals().dead_extents, 2u);
  EXPECT_EQ(catalog_.totals().trims, 0u);
  EXPECT_EQ(catalog_.totals().half_dead, 1u);
  EXPECT_EQ(catalog_.totals().half_dead_bytes, 2 * kSealed);
  EXPECT_TRUE(readable("copy"));

  erase("copy");
  EXPECT_EQ(catalog_.totals().extents, 0u);
  EXPECT_EQ(catalog_.totals().half_dead, 0u);
  EXPECT_EQ(trim().bodies, 0u);
}

TEST_P(SpaceTest, DisjointAndOverlappingSlicesAreUnited) {
  const Version source = put("source", 10, 10);
  ASSERT_TRUE(copy("first", source, 0, kPlain));
  ASSERT_TRUE(copy("second", source, 4 * kPlain, 2 * kPlain));
  ASSERT_TRUE(copy("third", source, 5 * kPlain + 7, kPlain));
  ASSERT_TRUE(copy("again", source, 0, kPlain));
  erase("source");
  EXPECT_EQ(trim().bytes, 6 * kSealed);
  EXPECT_THAT(body_of(source).pieces,
              ElementsAre(BodyPiece{extents_[0], 0, kSealed}, BodyPiece{.length = 3 * kSealed},
                          BodyPiece{extents_[0], 4 * kSealed, 3 * kSealed},
                          BodyPiece{.length = 3 * kSealed}));
  for (const char* key : {"first", "second", "third", "again"}) EXPECT_TRUE(readable(key)) << key;

  // The same slice is still held by another, so nothing changes.
  erase("again");
  EXPECT_EQ(trim().bytes, 0u);
  EXPECT_TRUE(readable("first"));
  // What two slices needed goes with the second of them.
  erase("third");
  EXPECT_EQ(trim().bytes, kSealed);
  erase("first");
  EXPECT_EQ(trim().bytes, kSealed);
  EXPECT_EQ(live(0), 2 * kSealed);
  EXPECT_TRUE(readable("second"));
}

TEST_P(SpaceTest, TheLastSegmentIsShort) {
  auto sealed = catalog_.seal(3 * kPlain + 100);
  const Version source = catalog_.new_version("source", {sealed.slice});
  ASSERT_TRUE(catalog_.put_version(bucket_, source, sealed.data));
  ASSERT_TRUE(copy("copy", source, 3 * kPlain + 99, 1));
  erase("source");
  EXPECT_EQ(trim().bytes, 3 * kSealed);
  const ExtentId extent = sealed.data.extents[0].id;
  EXPECT_THAT(body_of(source).pieces,
              ElementsAre(BodyPiece{.length = 3 * kSealed}, BodyPiece{extent, 3 * kSealed, 116}));
  EXPECT_TRUE(readable("copy"));
}

TEST_P(SpaceTest, SlicesThatTogetherAreTheWholeKeepIt) {
  const Version source = put("source", 4, 2);
  ASSERT_TRUE(copy("left", source, 0, 2 * kPlain));
  ASSERT_TRUE(copy("right", source, 2 * kPlain, 2 * kPlain));
  erase("source");
  EXPECT_EQ(trim().bytes, 0u);
  EXPECT_EQ(body_of(source).pieces.size(), 2u);
  erase("left");
  EXPECT_EQ(trim().bytes, 2 * kSealed);
  EXPECT_EQ(live(0), 0u);
  EXPECT_TRUE(readable("right"));
}

TEST_P(SpaceTest, ABodyThatIsWantedWholeAgainIsNotTrimmed) {
  const Version source = put("source", 4, 4);
  ASSERT_TRUE(copy("part", source, 0, 10));
  erase("source");
  EXPECT_EQ(catalog_.totals().trims, 1u);
  // The slice of a reader that had it before.
  ASSERT_TRUE(copy("whole", source, 0, 4 * kPlain));
  catalog_.expect_sound();
  EXPECT_EQ(trim().bytes, 0u);
  EXPECT_EQ(catalog_.totals().trims, 0u);
  EXPECT_EQ(live(0), 4 * kSealed);
  erase("whole");
  EXPECT_EQ(trim().bytes, 3 * kSealed);
  // Now it is too late; what is still there may be copied.
  EXPECT_EQ(code_of(copy("late", source, 0, 4 * kPlain)), Code::kConflict);
  EXPECT_EQ(code_of(copy("late", source, kPlain - 1, 2)), Code::kConflict);
  EXPECT_TRUE(copy("in time", source, 5, kPlain - 5));
  catalog_.expect_sound();
}

TEST_P(SpaceTest, TheLastReferenceMayGoWhileTheBodyIsQueued) {
  const Version source = put("source", 4, 4);
  ASSERT_TRUE(copy("part", source, 0, 10));
  erase("source");
  EXPECT_EQ(catalog_.totals().trims, 1u);
  erase("part");
  EXPECT_EQ(catalog_.totals().trims, 0u);
  EXPECT_EQ(catalog_.totals().dead_extents, 1u);
  EXPECT_EQ(trim().bodies, 0u);
}

TEST_P(SpaceTest, TrimsAreDoneInBatches) {
  for (int i = 0; i < 5; ++i) {
    const Version source = put("source" + std::to_string(i), 2, 2);
    ASSERT_TRUE(copy("part" + std::to_string(i), source, 0, 10));
    erase("source" + std::to_string(i));
  }
  EXPECT_EQ(trim(2).bodies, 2u);
  EXPECT_EQ(catalog_.totals().trims, 3u);
  EXPECT_EQ(trim(100).bodies, 3u);
  EXPECT_EQ(catalog_.totals().half_dead, 5u);
  EXPECT_EQ(catalog_.totals().half_dead_bytes, 5 * kSealed);
}

TEST_P(SpaceTest, PartsMayBeOfRangesToo) {
  const Version source = put("source", 6, 3);
  const Upload upload{.bucket = bucket_, .key = "copy", .upload_id = "u"};
  ASSERT_TRUE(catalog_.wait([&](Loop& loop) { return catalog_->create_upload(loop, upload); }));
  Slice slice = source.slices.front();
  slice.offset = kPlain;
  slice.length = kPlain;
  const Part part{.number = 1, .etag = std::string(32, 'a'), .bytes = kPlain, .slices = {slice}};
  ASSERT_TRUE(
      catalog_.wait([&](Loop& loop) { return catalog_->put_part(loop, upload, part, {}); }));
  erase("source");
  EXPECT_EQ(trim().bytes, 5 * kSealed);
  ASSERT_TRUE(catalog_.wait([&](Loop& loop) {
    return catalog_->complete_upload(loop, bucket_, "copy", "u", {.parts = {{1, part.etag, {}}}});
  }));
  catalog_.expect_sound();
  EXPECT_TRUE(readable("copy"));
  erase("copy");
  EXPECT_EQ(catalog_.totals().extents, 0u);
}

TEST_P(SpaceTest, HalfDeadExtentsAreQueuedBehindDrainAndRebalance) {
  const Version source = put("source", 10, 4);
  ASSERT_TRUE(copy("a", source, 0, 2 * kPlain));           // just half of the first extent
  ASSERT_TRUE(copy("b", source, 4 * kPlain, 3 * kPlain));  // more than half of the second
  erase("source");
  trim();
  const auto queue = catalog_->repairs(10);
  ASSERT_THAT(*queue, SizeIs(1));
  EXPECT_EQ(queue->front().extent, extents_[0]);
  EXPECT_EQ(queue->front().rank, kRankCompact);
  EXPECT_GT(kRankCompact, kRankRebalance);
  // Nobody can talk it out of that.
  ASSERT_TRUE(catalog_.wait([&](Loop& loop) {
    return catalog_->enqueue(loop, {{extents_[0], kNoRank}});
  }));
  EXPECT_EQ(catalog_->repairs(10)->front().rank, kRankCompact);
  catalog_.expect_sound();
}

TEST_P(SpaceTest, WhatLivesMovesIntoANewExtent) {
  const Version source = put("source", 10, 10);
  ASSERT_TRUE(copy("a", source, 0, kPlain));
  ASSERT_TRUE(copy("b", source, 8 * kPlain, 2 * kPlain));
  erase("source");
  trim();
  const auto of = catalog_->live_extent(extents_[0]);
  ASSERT_TRUE(of);
  EXPECT_THAT(of->ranges,
              ElementsAre(ExtentRange{0, kSealed}, ExtentRange{8 * kSealed, 2 * kSealed}));
  const Extent into = successor(*of);
  EXPECT_EQ(into.length, 3 * kSealed);
  ASSERT_TRUE(compact(*of, into));
  EXPECT_THAT(body_of(source).pieces,
              ElementsAre(BodyPiece{into.id, 0, kSealed}, BodyPiece{.length = 7 * kSealed},
                          BodyPiece{into.id, kSealed, 2 * kSealed}));
  EXPECT_EQ(catalog_->extent(into.id)->live_bytes, 3 * kSealed);
  EXPECT_EQ(live(0), 0u);
  EXPECT_THAT(*catalog_->dead_extents(INT64_MAX, 10), SizeIs(1));
  EXPECT_THAT(*catalog_->repairs(10), IsEmpty());
  EXPECT_TRUE(readable("a"));
  EXPECT_TRUE(readable("b"));
  // The new one is counted like any other.
  erase("b");
  EXPECT_EQ(trim().bytes, 2 * kSealed);
  EXPECT_EQ(catalog_.totals().half_dead, 1u);
  erase("a");
  EXPECT_EQ(catalog_.totals().extents, 0u);
}

TEST_P(SpaceTest, ExtentsOfSeveralBodiesMoveTogether) {
  // Six small bodies in one extent; four of them go.
  Extent shared = catalog_.new_extent(600);
  NewData data{{shared}, {}};
  std::vector<Version> versions;
  for (std::uint32_t i = 0; i < 6; ++i) {
    data.bodies.push_back({.id = catalog_.new_id<BodyId>(),
                           .plain_bytes = 84,
                           .pieces = {{shared.id, i * 100, 100}}});
    versions.push_back(
        catalog_.new_version("k" + std::to_string(i), {{data.bodies.back().id, 0, 84, {}}}));
  }
  // One commit each, after the first all find their extent.
  for (std::size_t i = 0; i < 6; ++i)
    ASSERT_TRUE(catalog_.put_version(bucket_, versions[i], {{shared}, {data.bodies[i]}}));
  EXPECT_THAT(*catalog_->repairs(10), IsEmpty());  // it only looked half dead when it was begun
  for (const char* key : {"k0", "k2", "k4", "k5"}) erase(key);
  const auto of = catalog_->live_extent(shared.id);
  ASSERT_TRUE(of);
  EXPECT_THAT(of->ranges, ElementsAre(ExtentRange{100, 100}, ExtentRange{300, 100}));
  const Extent into = successor(*of);
  ASSERT_TRUE(compact(*of, into));
  EXPECT_THAT(body_of(versions[3]).pieces, ElementsAre(BodyPiece{into.id, 100, 100}));
  EXPECT_TRUE(readable("k1"));
  EXPECT_TRUE(readable("k3"));
}

TEST_P(SpaceTest, WhatChangedWhileTheBytesWereCopiedIsSeen) {
  const Version source = put("source", 10, 10);
  ASSERT_TRUE(copy("a", source, 0, kPlain));
  ASSERT_TRUE(copy("b", source, 9 * kPlain, kPlain));
  erase("source");
  trim();
  const auto of = catalog_->live_extent(extents_[0]);
  ASSERT_TRUE(of);
  const Extent into = successor(*of);
  // A copy of the copy, and one slice less: what is kept is more than enough.
  const Version a = *catalog_->object(bucket_, "a");
  ASSERT_TRUE(copy("copy of the copy", a, 10, 20));
  erase("b");
  EXPECT_EQ(trim().bytes, kSealed);
  ASSERT_TRUE(compact(*of, into));
  EXPECT_TRUE(readable("a"));
  EXPECT_TRUE(readable("copy of the copy"));
  EXPECT_EQ(catalog_->extent(into.id)->live_bytes, kSealed);
  EXPECT_EQ(catalog_->extent(into.id)->length, 2 * kSealed);
  // Somebody else was first.
  EXPECT_EQ(code_of(compact(*of, successor(*of))), Code::kNotFound);
}

TEST_P(SpaceTest, AMoveThatWouldLoseBytesIsRefused) {
  const Version source = put("source", 10, 10);
  ASSERT_TRUE(copy("a", source, 0, kPlain));
  ASSERT_TRUE(copy("b", source, 9 * kPlain, kPlain));
  erase("source");
  trim();
  const auto of = catalog_->live_extent(extents_[0]);
  ASSERT_TRUE(of);
  const auto before = catalog_.rows();
  LiveExtent less = *of;
  less.ranges.pop_back();
  EXPECT_EQ(code_of(compact(less, successor(less))), Code::kConflict);
  less = *of;
  less.ranges[1].length -= 1;
  EXPECT_EQ(code_of(compact(less, successor(less))), Code::kConflict);
  Extent other = successor(*of);
  other.length += 1;
  EXPECT_EQ(code_of(compact(*of, other)), Code::kInvalidArgument);
  other = successor(*of);
  other.stored_as = catalog_.new_id<ExtentId>();
  EXPECT_EQ(code_of(compact(*of, other)), Code::kInvalidArgument);
  other = of->extent;  // not a new one
  other.length = 2 * kSealed;
  EXPECT_EQ(code_of(compact(*of, other)), Code::kInvalidArgument);
  EXPECT_EQ(catalog_.rows(), before);

  erase("a");
  erase("b");
  EXPECT_EQ(code_of(compact(*of, successor(*of))), Code::kNotFound);
  EXPECT_EQ(code_of(catalog_->live_extent(extents_[0])), Code::kNotFound);
}

TEST_P(SpaceTest, AnExtentThatIsAliveFromEndToEndHasNothingToMove) {
  put("source", 2, 2);
  const auto of = catalog_->live_extent(extents_[0]);
  ASSERT_TRUE(of);
  EXPECT_THAT(of->ranges, ElementsAre(ExtentRange{0, 2 * kSealed}));
  EXPECT_EQ(code_of(compact(*of, successor(*of))), Code::kConflict);
}

TEST_P(SpaceTest, HolesAreNotRead) {
  const Version source = put("source", 3, 3);
  ASSERT_TRUE(copy("a", source, kPlain, kPlain));
  erase("source");
  trim();
  const auto plan = [&](std::uint64_t offset, std::uint64_t length) {
    Slice slice = source.slices.front();
    return code_of(catalog_->plan({&slice, 1}, offset, length));
  };
  EXPECT_EQ(plan(kPlain, kPlain), Code{});
  EXPECT_EQ(plan(kPlain - 1, 2), Code::kCorrupt);
  EXPECT_EQ(plan(2 * kPlain - 1, 2), Code::kCorrupt);
  EXPECT_EQ(plan(0, 1), Code::kCorrupt);
}

TEST_P(SpaceTest, BodiesBringExactlyTheirBytes) {
  const auto refused = [&](auto spoil) {
    auto sealed = catalog_.seal(1000);
    spoil(sealed.data.bodies[0]);
    return code_of(
        catalog_.put_version(bucket_, catalog_.new_version("a", {sealed.slice}), sealed.data));
  };
  EXPECT_EQ(refused([](Body& body) { body.pieces[0].length -= 1; }), Code::kInvalidArgument);
  EXPECT_EQ(refused([](Body& body) { body.plain_bytes -= 1; }), Code::kInvalidArgument);
  EXPECT_EQ(refused([](Body& body) { body.pieces[0].extent = {}; }), Code::kInvalidArgument);
  EXPECT_EQ(refused([](Body&) {}), Code{});
}

// Rows that only a bug could leave: each is seen by the audit.
TEST_P(SpaceTest, TheAuditSeesWhatDoesNotFit) {
  const Version source = put("source", 4, 4);
  const BodyId body = source.slices.front().body;
  ASSERT_TRUE(copy("a", source, 0, kPlain));
  erase("source");
  trim();
  const auto damaged = [&](std::string key, std::optional<std::string> value) {
    const auto store = kv::open_memory(std::make_shared<kv::MemoryImage>(), {});
    auto rows = catalog_.rows();
    if (value)
      rows[key] = *value;
    else
      rows.erase(key);
    const auto transaction = store->begin();
    for (const auto& [name, row] : rows)
      EXPECT_TRUE((*transaction)->put(as_bytes(name), as_bytes(row)));
    EXPECT_TRUE((*transaction)->commit());
    return !audit(**store->snapshot()).empty();
  };
  EXPECT_FALSE(damaged("\x7f", ""));  // no table of the catalog's
  EXPECT_TRUE(damaged(partial_key(body, 0, kPlain), std::nullopt));
  EXPECT_TRUE(damaged(partial_key(body, 0, kPlain), encode_count(2)));
  EXPECT_TRUE(damaged(partial_key(body, 0, 1), encode_count(1)));
  EXPECT_TRUE(damaged(trim_key(body), ""));
  EXPECT_TRUE(damaged(resident_key(extents_[0], body), std::nullopt));
  EXPECT_TRUE(damaged(resident_key(extents_[0], catalog_.new_id<BodyId>()), ""));
  Body row = body_of(source);
  row.to_trim = true;
  EXPECT_TRUE(damaged(body_key(body), encode(row)));
  row = body_of(source);
  row.whole = 1;
  EXPECT_TRUE(damaged(body_key(body), encode(row)));
  row = body_of(source);
  row.pieces = {{extents_[0], 0, 4 * kSealed}};
  EXPECT_TRUE(damaged(body_key(body), encode(row)));
  row.pieces = {{extents_[0], 1, kSealed}, {.length = 3 * kSealed - 1}};
  EXPECT_TRUE(damaged(body_key(body), encode(row)));
}

}  // namespace
}  // namespace hydra::catalog
