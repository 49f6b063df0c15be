// Versioning of buckets: what each write and deletion makes of the versions of a key.

#include <gmock/gmock.h>

#include "gateway/catalog/catalog_harness.h"
#include "gateway/catalog/version_id.h"

namespace hydra::catalog {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// "KEY@ID", with a star behind the latest and "marker" where it is a delete marker; ids that are
// not null are named by the test.
class Versions final : public VersionVisitor {
 public:
  explicit Versions(std::map<std::string, std::string> names = {}) : names_(std::move(names)) {}
  void version(const VersionEntry& entry) override {
    const std::string id(entry.version_id);
    const auto named = names_.find(id);
    seen.push_back(std::string(entry.object.key) + "@" +
                   (named == names_.end() ? id : named->second) +
                   (entry.delete_marker ? " marker" : "") + (entry.latest ? " *" : ""));
  }
  void common_prefix(std::string_view prefix) override { seen.emplace_back(prefix); }

  std::vector<std::string> seen;

 private:
  const std::map<std::string, std::string> names_;
};

class VersionsTest : public CatalogTest {
 protected:
  void set(Versioning versioning) {
    const auto status = catalog_.wait(
        [&](Loop& loop) { return catalog_->set_versioning(loop, bucket_, versioning); });
    EXPECT_TRUE(status);
  }
  // Puts an object of as many bytes as its name is long; its version is called so from now on.
  std::string put(std::string key, std::string name, Preconditions preconditions = {}) {
    auto sealed = catalog_.seal(name.size());
    Version version = catalog_.new_version(std::move(key), {sealed.slice});
    version.etag = name;
    const auto id = catalog_.wait([&](Loop& loop) {
      return catalog_->put_object(loop, bucket_, version, sealed.data, preconditions);
    });
    EXPECT_TRUE(id);
    return remember(*id, name);
  }
  // Deletes a key by a marker of that name.
  std::string mark(std::string key, std::string name) {
    const auto result = catalog_.erase(bucket_, std::move(key));
    EXPECT_TRUE(result && result->delete_marker);
    return remember(result->version_id, name);
  }
  DeleteResult erase(std::string key, std::string version_id, Preconditions preconditions = {}) {
    const auto result = catalog_.erase(bucket_, std::move(key), preconditions, version_id);
    EXPECT_TRUE(result);
    return *result;
  }
  std::string remember(std::string id, std::string name) {
    if (id != kNullVersionId) names_[id] = std::move(name);
    return id;
  }

  std::vector<std::string> list(VersionListRequest request = {}) {
    Versions versions(names_);
    const auto end = catalog_->list_versions(bucket_, request, versions);
    EXPECT_TRUE(end);
    end_ = *end;
    return versions.seen;
  }
  // The etag of what a GET finds, or the code of its error.
  std::string get(std::string key, std::string version_id = {}) {
    const auto object = catalog_->object(bucket_, key, version_id);
    const auto head = catalog_->head(bucket_, key, version_id);
    EXPECT_EQ(code_of(object), code_of(head));
    return object ? object->etag : std::string(code_name(object.error().code));
  }

  BucketId bucket_ = catalog_.make_bucket("photos").id;
  std::map<std::string, std::string> names_;
  VersionListEnd end_;
};
INSTANTIATE_TEST_SUITE_P(Stores, VersionsTest, testing::ValuesIn(kv::kBackends), kv::backend_name);

TEST_P(VersionsTest, IsOffUntilEnabledAndNeverOffAgain) {
  EXPECT_EQ(catalog_->bucket("photos")->versioning, Versioning::kOff);
  set(Versioning::kSuspended);
  EXPECT_EQ(catalog_->bucket("photos")->versioning, Versioning::kSuspended);
  set(Versioning::kEnabled);
  catalog_.make_bucket("photos");  // again, as an owner may
  catalog_.reopen();
  EXPECT_EQ(catalog_->bucket("photos")->versioning, Versioning::kEnabled);
  const auto change = [&](BucketId bucket, Versioning versioning) {
    return code_of(catalog_.wait(
        [&](Loop& loop) { return catalog_->set_versioning(loop, bucket, versioning); }));
  };
  EXPECT_EQ(change(bucket_, Versioning::kOff), Code::kInvalidArgument);
  EXPECT_EQ(change(bucket_ + 1, Versioning::kEnabled), Code::kNoSuchBucket);
}

TEST_P(VersionsTest, EachPutMakesAVersionAndTheNewestIsCurrent) {
  EXPECT_EQ(put("a", "zero"), "null");
  set(Versioning::kEnabled);
  const std::string one = put("a", "one");
  const std::string two = put("a", "two");
  EXPECT_TRUE(is_version_id(one));
  EXPECT_NE(one, two);
  EXPECT_THAT(list(), ElementsAre("a@two *", "a@one", "a@null"));
  EXPECT_EQ(get("a"), "two");
  EXPECT_EQ(get("a", two), "two");
  EXPECT_EQ(get("a", one), "one");
  EXPECT_EQ(get("a", "null"), "zero");
  EXPECT_EQ(get("a", std::string(32, '0')), "NoSuchVersion");
  EXPECT_EQ(get("a", "no id"), "NoSuchVersion");
  EXPECT_EQ(get("b", one), "NoSuchVersion");
  std::string guessed = one;
  guessed.back() = guessed.back() == '0' ? '1' : '0';
  EXPECT_EQ(get("a", guessed), "NoSuchVersion");
  EXPECT_EQ(catalog_.totals().objects, 1u);
  EXPECT_EQ(catalog_.totals().object_bytes, 3u);
  EXPECT_EQ(catalog_.totals().extents, 3u);
  catalog_.expect_sound();
}

TEST_P(VersionsTest, DeletingMakesAMarkerEachTime) {
  set(Versioning::kEnabled);
  const std::string one = put("a", "one");
  const std::string first = mark("a", "first");
  const std::string second = mark("a", "second");
  mark("never", "third");
  EXPECT_THAT(list(),
              ElementsAre("a@second marker *", "a@first marker", "a@one", "never@third marker *"));
  EXPECT_EQ(get("a"), "NoSuchKey");
  EXPECT_EQ(get("a", one), "one");
  EXPECT_EQ(get("a", second), "MethodNotAllowed");
  EXPECT_EQ((*catalog_->delete_marker(bucket_, "a"))->version_id, second);
  EXPECT_EQ((*catalog_->delete_marker(bucket_, "a", first))->version_id, first);
  EXPECT_EQ((*catalog_->delete_marker(bucket_, "a"))->owner.id, "owner");
  EXPECT_FALSE(*catalog_->delete_marker(bucket_, "a", one));
  EXPECT_FALSE(*catalog_->delete_marker(bucket_, "b"));
  EXPECT_EQ(catalog_.totals().objects, 0u);
  EXPECT_EQ(catalog_.totals().extents, 1u);
  catalog_.expect_sound();
}

TEST_P(VersionsTest, RemovingTheNewestMakesTheNextOneCurrent) {
  put("a", "zero");
  set(Versioning::kEnabled);
  const std::string one = put("a", "one");
  const std::string marker = mark("a", "marker");
  const std::string two = put("a", "two");

  DeleteResult result = erase("a", two);
  EXPECT_TRUE(result.existed);
  EXPECT_FALSE(result.delete_marker);
  EXPECT_EQ(result.version_id, two);
  EXPECT_EQ(get("a"), "NoSuchKey");
  catalog_.expect_sound();
  result = erase("a", marker);
  EXPECT_TRUE(result.delete_marker);
  EXPECT_EQ(get("a"), "one");
  catalog_.expect_sound();
  erase("a", one);
  EXPECT_EQ(get("a"), "zero");
  EXPECT_THAT(list(), ElementsAre("a@null *"));
  catalog_.expect_sound();
  result = erase("a", two);  // long gone
  EXPECT_FALSE(result.existed);
  EXPECT_EQ(result.version_id, two);
  erase("a", "null");
  EXPECT_THAT(list(), IsEmpty());
  EXPECT_EQ(catalog_.totals().objects, 0u);
  EXPECT_EQ(catalog_.totals().extents, 0u);
  catalog_.expect_sound();
}

TEST_P(VersionsTest, RemovingAnOlderVersionLeavesTheCurrentOne) {
  put("a", "zero");
  set(Versioning::kEnabled);
  const std::string one = put("a", "one");
  put("a", "two");
  erase("a", one);
  erase("a", "null");
  EXPECT_THAT(list(), ElementsAre("a@two *"));
  EXPECT_EQ(get("a"), "two");
  EXPECT_EQ(get("a", "null"), "NoSuchVersion");
  EXPECT_EQ(catalog_.totals().extents, 1u);
  catalog_.expect_sound();
}

TEST_P(VersionsTest, SuspendedBucketsReplaceTheNullVersionOnly) {
  set(Versioning::kEnabled);
  put("a", "one");
  set(Versioning::kSuspended);
  EXPECT_EQ(put("a", "null-1"), "null");
  EXPECT_THAT(list(), ElementsAre("a@null *", "a@one"));
  put("a", "null-2");
  EXPECT_THAT(list(), ElementsAre("a@null *", "a@one"));
  EXPECT_EQ(get("a"), "null-2");
  set(Versioning::kEnabled);
  put("a", "two");
  EXPECT_EQ(get("a", "null"), "null-2");
  set(Versioning::kSuspended);
  put("a", "null-3");  // the old null version was in the middle
  EXPECT_THAT(list(), ElementsAre("a@null *", "a@two", "a@one"));
  EXPECT_EQ(catalog_.totals().extents, 3u);
  catalog_.expect_sound();

  EXPECT_EQ(mark("a", ""), "null");  // replaces it, too
  EXPECT_THAT(list(), ElementsAre("a@null marker *", "a@two", "a@one"));
  EXPECT_EQ(get("a"), "NoSuchKey");
  EXPECT_EQ(get("a", "null"), "MethodNotAllowed");
  EXPECT_EQ(catalog_.totals().extents, 2u);
  catalog_.expect_sound();
  mark("a", "");  // and a marker replaces a marker
  EXPECT_THAT(list(), SizeIs(3));
  put("a", "null-4");
  EXPECT_THAT(list(), ElementsAre("a@null *", "a@two", "a@one"));
  mark("a", "");
  EXPECT_TRUE(erase("a", "null").delete_marker);
  EXPECT_EQ(get("a"), "two");
  catalog_.expect_sound();
}

TEST_P(VersionsTest, BucketsThatNeverKeptVersionsKnowTheNullOne) {
  put("a", "one");
  EXPECT_EQ(get("a", "null"), "one");
  EXPECT_FALSE(erase("a", std::string(32, 'a')).existed);
  const DeleteResult result = erase("a", "null");
  EXPECT_TRUE(result.existed);
  EXPECT_FALSE(result.delete_marker);
  EXPECT_THAT(list(), IsEmpty());
  EXPECT_FALSE(catalog_.erase(bucket_, "a")->delete_marker);
  catalog_.expect_sound();
}

TEST_P(VersionsTest, WritesTakeADeleteMarkerForNothingAndDeletionsDoNot) {
  set(Versioning::kEnabled);
  EXPECT_EQ(code_of(catalog_.erase(bucket_, "a", {.if_match = "*"})), Code::kNoSuchKey);
  EXPECT_THAT(list(), IsEmpty());
  put("a", "one", {.if_none_match = "*"});
  put("a", "two", {.if_match = "one"});
  EXPECT_EQ(code_of(catalog_.try_put(bucket_, "a", 1, {.if_match = "one"})),
            Code::kPreconditionFailed);
  mark("a", "marker");
  EXPECT_EQ(code_of(catalog_.try_put(bucket_, "a", 1, {.if_match = "*"})), Code::kNoSuchKey);
  EXPECT_EQ(code_of(catalog_.erase(bucket_, "a", {.if_match = "two"})), Code::kPreconditionFailed);
  EXPECT_EQ(code_of(catalog_.erase(bucket_, "a", {.if_match_bytes = 3})),
            Code::kPreconditionFailed);
  EXPECT_TRUE(catalog_.erase(bucket_, "a", {.if_match = "*"})->delete_marker);
  put("a", "three", {.if_none_match = "*"});
  EXPECT_EQ(get("a"), "three");
  catalog_.expect_sound();
}

TEST_P(VersionsTest, PreconditionsOfARemovalSpeakOfTheNamedVersion) {
  set(Versioning::kEnabled);
  const std::string one = put("a", "one");
  put("a", "twotwo");
  EXPECT_EQ(code_of(catalog_.erase(bucket_, "a", {.if_match = "twotwo"}, one)),
            Code::kPreconditionFailed);
  EXPECT_EQ(code_of(catalog_.erase(bucket_, "a", {.if_match_bytes = 6}, one)),
            Code::kPreconditionFailed);
  EXPECT_EQ(code_of(catalog_.erase(bucket_, "a", {.if_match_modified_ms = 1}, one)),
            Code::kPreconditionFailed);
  EXPECT_TRUE(catalog_.erase(bucket_, "a", {.if_match = "one", .if_match_bytes = 3}, one)->existed);
  EXPECT_EQ(code_of(catalog_.erase(bucket_, "a", {.if_match = "*"}, one)), Code::kNoSuchKey);
  EXPECT_THAT(list(), ElementsAre("a@twotwo *"));
}

TEST_P(VersionsTest, OneRequestMayDeleteAKeyAgainAndAgain) {
  put("a", "zero");
  set(Versioning::kEnabled);
  const std::string one = put("a", "one");
  const std::vector<DeleteItem> items = {{"a", {}, one},
                                         {"a", {}},
                                         {"a", {}, "null"},
                                         {"a", {}, "null"},
                                         {"b", {.if_match = "*"}},
                                         {std::string(1025, 'x'), {}},
                                         {"a", {}}};
  const auto results = catalog_.wait(
      [&](Loop& loop) { return catalog_->delete_objects(loop, bucket_, items, loop.wall_ms()); });
  ASSERT_TRUE(results);
  ASSERT_THAT(*results, SizeIs(7));
  EXPECT_TRUE((*results)[0]->existed);
  EXPECT_TRUE((*results)[1]->existed);  // the null version was current by then
  EXPECT_TRUE((*results)[2]->existed);
  EXPECT_FALSE((*results)[3]->existed);
  EXPECT_EQ(code_of((*results)[4]), Code::kNoSuchKey);
  EXPECT_EQ(code_of((*results)[5]), Code::kKeyTooLong);
  remember((*results)[1]->version_id, "older");
  remember((*results)[6]->version_id, "newer");
  EXPECT_THAT(list(), ElementsAre("a@newer marker *", "a@older marker"));
  EXPECT_EQ(catalog_.totals().extents, 0u);
  catalog_.expect_sound();
}

TEST_P(VersionsTest, CompletedUploadsAreVersionsAndRepeatingSaysWhich) {
  set(Versioning::kEnabled);
  put("a", "one");
  const Upload upload{.bucket = bucket_, .key = "a", .upload_id = "u"};
  ASSERT_TRUE(catalog_.wait([&](Loop& loop) { return catalog_->create_upload(loop, upload); }));
  auto sealed = catalog_.seal(7);
  const Part part{.number = 1, .etag = std::string(32, 'e'), .bytes = 7, .slices = {sealed.slice}};
  ASSERT_TRUE(catalog_.wait(
      [&](Loop& loop) { return catalog_->put_part(loop, upload, part, sealed.data); }));
  const auto complete = [&] {
    return catalog_.wait([&](Loop& loop) {
      return catalog_->complete_upload(loop, bucket_, "a", "u",
                                       {.parts = {{1, part.etag, {}}}, .now_ms = loop.wall_ms()});
    });
  };
  const auto version = complete();
  ASSERT_TRUE(version);
  remember(version->version_id, "uploaded");
  EXPECT_THAT(list(), ElementsAre("a@uploaded *", "a@one"));
  EXPECT_EQ(complete()->version_id, version->version_id);
  EXPECT_THAT(list(), SizeIs(2));
  catalog_.expect_sound();
}

TEST_P(VersionsTest, AnOldVersionSharesItsDataWithItsCopy) {
  set(Versioning::kEnabled);
  const std::string one = put("a", "one");
  put("a", "two");
  Version copy = *catalog_->object(bucket_, "a", one);
  copy.key = "b";
  ASSERT_TRUE(catalog_.put_version(bucket_, copy));
  erase("a", one);
  catalog_.expect_sound();
  const auto plan = catalog_->object_and_plan(
      bucket_, "b",
      [](const Version& version) {
        return std::pair<std::uint64_t, std::uint64_t>(0, version.bytes);
      },
      copy.version_id);
  EXPECT_EQ(code_of(plan), Code::kNoSuchVersion);  // the copy has an id of its own
  EXPECT_EQ(get("b"), "one");
  EXPECT_EQ(catalog_.totals().extents, 2u);
}

TEST_P(VersionsTest, BucketsWithAnyVersionOrMarkerAreNotEmpty) {
  const auto remove = [&] {
    return code_of(
        catalog_.wait([&](Loop& loop) { return catalog_->delete_bucket(loop, "photos"); }));
  };
  set(Versioning::kEnabled);
  const std::string one = put("a", "one");
  const std::string marker = mark("a", "marker");
  EXPECT_EQ(remove(), Code::kBucketNotEmpty);
  erase("a", one);
  EXPECT_EQ(remove(), Code::kBucketNotEmpty);
  erase("a", marker);
  EXPECT_EQ(remove(), Code{});
  catalog_.expect_sound();
}

TEST_P(VersionsTest, PagesOfAnySizeMakeTheWholeListing) {
  for (const std::string key : {"a", "a/b", "a/c", "b"}) {
    put(key, key + "-zero");
    set(Versioning::kEnabled);
    for (int i = 0; i < 3; ++i) put(key, key + std::to_string(i));
  }
  mark("a", "marker");
  for (const std::string delimiter : {"", "/"})
    for (const std::string prefix : {"", "a"}) {
      const auto whole = list({.prefix = prefix, .delimiter = delimiter});
      EXPECT_FALSE(end_.truncated);
      for (std::size_t limit = 1; limit < 4; ++limit) {
        std::vector<std::string> pages;
        VersionListEnd marker;
        do {
          const auto page =
              list({prefix, delimiter, marker.last_key, marker.last_version_id, limit});
          pages.insert(pages.end(), page.begin(), page.end());
          marker = end_;
        } while (marker.truncated);
        EXPECT_EQ(pages, whole);
      }
    }
  EXPECT_THAT(list({.delimiter = "/"}), SizeIs(5 + 1 + 4));
}

TEST_P(VersionsTest, ListingsGoOnBehindVersionsThatAreGone) {
  put("a", "zero");
  set(Versioning::kEnabled);
  const std::string one = put("a", "one");
  const std::string two = put("a", "two");
  put("b", "three");
  EXPECT_THAT(list({.key_marker = "a"}), ElementsAre("b@three *"));
  EXPECT_THAT(list({.key_marker = "a", .version_id_marker = two}),
              ElementsAre("a@one", "a@null", "b@three *"));
  EXPECT_THAT(list({.key_marker = "a", .version_id_marker = "null"}), ElementsAre("b@three *"));
  erase("a", two);
  EXPECT_THAT(list({.key_marker = "a", .version_id_marker = two}),
              ElementsAre("a@one *", "a@null", "b@three *"));
  erase("a", "null");
  EXPECT_THAT(list({.key_marker = "a", .version_id_marker = "null"}),
              ElementsAre("a@one *", "b@three *"));
  EXPECT_THAT(list({.limit = 0}), IsEmpty());
  Versions versions;
  EXPECT_EQ(code_of(catalog_->list_versions(
                bucket_, {.key_marker = "a", .version_id_marker = "bad"}, versions)),
            Code::kInvalidArgument);
}

TEST(VersionId, IdsAreParsedOnlyAsTheyWereMade) {
  const std::string id = make_version_id(5, 0xabcdef);
  EXPECT_EQ(id, "00000000000000050000000000abcdef");
  EXPECT_EQ(sequence_of_version_id(id), 5u);
  EXPECT_TRUE(is_version_id("null"));
  EXPECT_FALSE(sequence_of_version_id("null"));
  EXPECT_FALSE(is_version_id("00000000000000050000000000ABCDEF"));
  EXPECT_FALSE(is_version_id(id + "0"));
  EXPECT_FALSE(is_version_id(""));
}

}  // namespace
}  // namespace hydra::catalog
