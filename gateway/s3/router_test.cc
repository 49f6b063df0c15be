#include "gateway/s3/router.h"

#include <gtest/gtest.h>

namespace hydra::s3 {
namespace {

Result<Target> target(std::string_view path, std::string_view host,
                      const std::vector<std::string>& domains = {}) {
  http::Request request;
  request.path = path;
  request.fields.push_back({"Host", host});
  return find_target(request, domains);
}

TEST(Router, PathStyle) {
  EXPECT_EQ(target("/", "h")->bucket, "");
  EXPECT_EQ(target("/bucket", "h")->bucket, "bucket");
  EXPECT_EQ(target("/bucket/", "h")->key, "");
  EXPECT_EQ(target("/bucket/a/b%20c", "h")->key, "a/b c");
  EXPECT_EQ(target("/bucket//a", "h")->key, "/a");
  EXPECT_EQ(target("/bucket/a+b", "h")->key, "a+b");
}

TEST(Router, VirtualHostStyle) {
  const std::vector<std::string> domains = {"s3.example.com"};
  const auto found = target("/a/b", "photos.s3.example.com:9000", domains);
  EXPECT_EQ(found->bucket, "photos");
  EXPECT_EQ(found->key, "a/b");
  EXPECT_EQ(target("/photos/a", "s3.example.com", domains)->bucket, "photos");
  EXPECT_EQ(target("/photos/a", "evils3.example.com", domains)->bucket, "photos");
}

TEST(Router, BadKeysAreRefused) {
  EXPECT_EQ(target("/b/%zz", "h").error().code, Code::kInvalidUri);
  EXPECT_EQ(target("/b/%ff", "h").error().code, Code::kInvalidUri);
  EXPECT_TRUE(target("/b/" + std::string(1024, 'k'), "h"));
  EXPECT_EQ(target("/b/" + std::string(1025, 'k'), "h").error().code, Code::kKeyTooLong);
}

TEST(Router, NamesOfNewBuckets) {
  for (const char* good : {"abc", "a-b.c", "0bucket9", "my.bucket-1"})
    EXPECT_TRUE(is_valid_bucket_name(good)) << good;
  EXPECT_TRUE(is_valid_bucket_name(std::string(63, 'a')));
  for (const char* bad : {"", "ab", "Abc", "a_b", "-abc", "abc-", "a..b", "192.168.1.1", "xn--abc",
                          "abc-s3alias", "a b", "abc/"})
    EXPECT_FALSE(is_valid_bucket_name(bad)) << bad;
  EXPECT_FALSE(is_valid_bucket_name(std::string(64, 'a')));
}

TEST(Router, QueriesAreDecodedInOrder) {
  const auto query = Query::parse("prefix=a%2Fb&delimiter=%2F&empty=&flag&plus=a+b");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->get("prefix"), "a/b");
  EXPECT_EQ(query->get("plus"), "a b");
  EXPECT_TRUE(query->has("flag"));
  EXPECT_FALSE(query->has("other"));
  EXPECT_FALSE(Query::parse("a=%2"));
  const auto presigned = Query::parse("X-Amz-Signature=ab&x-id=GetObject&X%2DAmz-Date=1");
  ASSERT_TRUE(presigned);  // its signature is the verifier's
  EXPECT_EQ(presigned->all().size(), 1u);
  EXPECT_EQ(presigned->get("x-id"), "GetObject");
}

}  // namespace
}  // namespace hydra::s3
