#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "gateway/catalog/catalog_harness.h"

namespace hydra::catalog {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// What a listing shows: keys as they are, common prefixes behind "P:".
class Collector final : public ListVisitor {
 public:
  void object(const ListEntry& entry) override { seen.emplace_back(entry.key); }
  void common_prefix(std::string_view prefix) override {
    seen.push_back("P:" + std::string(prefix));
  }
  std::vector<std::string> seen;
};

struct Page {
  std::vector<std::string> seen;
  bool truncated = false;
  std::string last;
  bool operator==(const Page&) const = default;
};
void PrintTo(const Page& page, std::ostream* out) {
  *out << testing::PrintToString(page.seen) << (page.truncated ? " truncated after " : " to ")
       << testing::PrintToString(page.last);
}

Page list(Catalog& catalog, BucketId bucket, const ListRequest& request) {
  Collector collector;
  const auto end = catalog.list(bucket, request, collector);
  EXPECT_TRUE(end);
  return {collector.seen, end->truncated, end->last};
}

// The plain meaning of a listing, without seeks.
Page model_list(const std::vector<std::string>& sorted_keys, const ListRequest& request) {
  Page page;
  if (request.limit == 0) return page;
  std::string rolled_up_last;
  const std::string_view marker = request.start_after;
  for (const std::string& key : sorted_keys) {
    if (!key.starts_with(request.prefix) || key <= marker) continue;
    std::string item = key;
    bool is_prefix = false;
    if (!request.delimiter.empty()) {
      const std::size_t at = key.find(request.delimiter, request.prefix.size());
      if (at != std::string::npos) {
        item = key.substr(0, at + request.delimiter.size());
        is_prefix = true;
      }
    }
    if (is_prefix && (item == marker || item == rolled_up_last)) continue;
    if (page.seen.size() == request.limit) {
      page.truncated = true;
      break;
    }
    if (is_prefix) rolled_up_last = item;
    page.seen.push_back((is_prefix ? "P:" : "") + item);
    page.last = item;
  }
  return page;
}

class ListingTest : public CatalogTest {
 protected:
  void put_all(const std::vector<std::string>& keys) {
    for (const std::string& key : keys) catalog_.put(bucket_, key, 0);
  }
  std::vector<std::string> seen(const ListRequest& request) {
    return list(*catalog_, bucket_, request).seen;
  }
  BucketId bucket_ = catalog_.make_bucket("b").id;
};
INSTANTIATE_TEST_SUITE_P(Stores, ListingTest, testing::ValuesIn(kv::kBackends), kv::backend_name);

TEST_P(ListingTest, KeysBelowADelimiterRollUp) {
  put_all({"a", "a/", "a/b", "a/c/d", "b", "c/d"});
  EXPECT_THAT(seen({.delimiter = "/"}), ElementsAre("a", "P:a/", "b", "P:c/"));
  EXPECT_THAT(seen({.prefix = "a/", .delimiter = "/"}), ElementsAre("a/", "a/b", "P:a/c/"));
  EXPECT_THAT(seen({.prefix = "a", .delimiter = "/"}), ElementsAre("a", "P:a/"));
  EXPECT_THAT(seen({.delimiter = "b"}), ElementsAre("a", "a/", "P:a/b", "a/c/d", "P:b", "c/d"));
  EXPECT_THAT(seen({.delimiter = "c/"}), ElementsAre("a", "a/", "a/b", "P:a/c/", "b", "P:c/"));
  EXPECT_THAT(seen({.prefix = "nothing"}), IsEmpty());
  EXPECT_THAT(seen({.prefix = std::string(3000, 'a')}), IsEmpty());
}

TEST_P(ListingTest, PagesContinueAfterKeysAndCommonPrefixes) {
  put_all({"a", "a/1", "a/2", "b"});
  Page page = list(*catalog_, bucket_, {.delimiter = "/", .limit = 2});
  EXPECT_EQ(page, (Page{{"a", "P:a/"}, true, "a/"}));
  page = list(*catalog_, bucket_, {.delimiter = "/", .start_after = page.last});
  EXPECT_EQ(page, (Page{{"b"}, false, "b"}));
  EXPECT_FALSE(list(*catalog_, bucket_, {.limit = 4}).truncated);
  EXPECT_TRUE(list(*catalog_, bucket_, {.limit = 3}).truncated);
  EXPECT_EQ(list(*catalog_, bucket_, {.limit = 0}), Page());
  // A marker inside a common prefix does not hide what is left of it.
  EXPECT_THAT(seen({.delimiter = "/", .start_after = "a/1"}), ElementsAre("P:a/", "b"));
}

TEST_P(ListingTest, EntriesShowWhatListObjectsShows) {
  Version version = catalog_.new_version("k");
  version.bytes = 0;
  version.storage_class = "REDUCED_REDUNDANCY";
  version.checksum = Checksum{DigestKind::kSha256, ChecksumType::kComposite, "x"};
  ASSERT_TRUE(catalog_.put_version(bucket_, version));
  struct : ListVisitor {
    void object(const ListEntry& entry) override {
      etag = entry.etag;
      storage_class = entry.storage_class;
      owner = std::string(entry.owner_id) + "," + std::string(entry.owner_name);
      kind = entry.checksum_kind;
      type = entry.checksum_type;
      modified_ms = entry.modified_ms;
    }
    void common_prefix(std::string_view) override {}
    std::string etag, storage_class, owner;
    std::optional<DigestKind> kind;
    ChecksumType type{};
    std::int64_t modified_ms = 0;
  } visitor;
  ASSERT_TRUE(catalog_->list(bucket_, {}, visitor));
  EXPECT_EQ(visitor.etag, version.etag);
  EXPECT_EQ(visitor.storage_class, "REDUCED_REDUNDANCY");
  EXPECT_EQ(visitor.owner, "owner,Owner");
  EXPECT_EQ(visitor.kind, DigestKind::kSha256);
  EXPECT_EQ(visitor.type, ChecksumType::kComposite);
  EXPECT_EQ(visitor.modified_ms, version.modified_ms);
}

TEST_P(ListingTest, BucketsDoNotSeeEachOthersKeys) {
  const BucketId other = catalog_.make_bucket("other").id;
  put_all({std::string(1024, '\xff'), "a"});
  catalog_.put(other, "b", 0);
  EXPECT_THAT(seen({.start_after = "a"}), ElementsAre(std::string(1024, '\xff')));
  EXPECT_THAT(list(*catalog_, other, {}).seen, ElementsAre("b"));
}

TEST_P(ListingTest, MarkersMayBeLongerThanAnyKey) {
  const std::string longest(1024, 'k');
  put_all({longest, "z"});
  const std::string beyond = longest + "k";
  EXPECT_THAT(seen({.start_after = beyond}), ElementsAre("z"));
  const std::string before = longest.substr(0, 1023) + "a" + longest;
  EXPECT_THAT(seen({.start_after = before}), ElementsAre(longest, "z"));
}

std::string any_key(std::size_t max_size) {
  const auto size = *rc::gen::inRange<std::size_t>(0, max_size + 1);
  std::string key;
  for (std::size_t i = 0; i < size; ++i)
    key += *rc::gen::element('/', 'a', 'b', '\x00', '\x01', '\xff');
  return key;
}

TEST(ListingModel, AnyListingIsThatOfTheModel) {
  for (const kv::Backend& backend : kv::kBackends)
    EXPECT_TRUE(rc::check(backend.name, [&backend] {
      CatalogHarness catalog(backend.make());
      const BucketId bucket = catalog.make_bucket("b").id;
      std::set<std::string> keys;
      for (int n = *rc::gen::inRange(0, 30); n > 0; --n) {
        std::string key = any_key(5);
        // Some share a long beginning, so that they continue in another namespace of the store.
        if (*rc::gen::inRange(0, 8) == 0) key = std::string(600, 'a') + key;
        if (key.empty() || !keys.insert(key).second) continue;
        catalog.put(bucket, key, 0);
      }
      const std::vector<std::string> sorted(keys.begin(), keys.end());
      for (int n = 0; n < 30; ++n) {
        const std::string prefix = any_key(2);
        const std::string delimiter = any_key(2);
        std::string marker = any_key(3);
        if (!sorted.empty() && *rc::gen::arbitrary<bool>()) marker = *rc::gen::elementOf(sorted);
        ListRequest request{prefix, delimiter, marker, *rc::gen::inRange<std::size_t>(0, 8)};
        // Page by page to the end.
        for (int page = 0; page < 50; ++page) {
          const Page got = list(*catalog, bucket, request);
          RC_ASSERT(got == model_list(sorted, request));
          if (!got.truncated) break;
          marker = got.last;
          request.start_after = marker;
        }
      }
    }));
}

}  // namespace
}  // namespace hydra::catalog
