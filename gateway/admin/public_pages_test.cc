#include "gateway/admin/public_pages.h"

#include <gtest/gtest.h>

namespace hydra::admin {
namespace {

Page page(std::string_view method, std::string_view path, std::string_view query = {},
          std::vector<http::Field> fields = {}) {
  http::Request request;
  request.method = method;
  request.path = path;
  request.query = query;
  request.fields = std::move(fields);
  return page_of(request);
}

TEST(PublicPages, AreExactPaths) {
  EXPECT_EQ(page("GET", "/health/live"), Page::kLive);
  EXPECT_EQ(page("GET", "/health/ready"), Page::kReady);
  EXPECT_EQ(page("GET", "/health/cluster"), Page::kCluster);
  EXPECT_EQ(page("GET", "/metrics"), Page::kMetrics);
  for (const char* path :
       {"/", "/health", "/health/", "/health/live/", "/health/live2", "/Health/live",
        "/health%2Flive", "//health/live", "/metrics/", "/metrics/a"})
    EXPECT_EQ(page("GET", path), Page::kNone) << path;
}

TEST(PublicPages, AreForGetAndHead) {
  EXPECT_EQ(page("HEAD", "/health/ready"), Page::kReady);
  for (const char* method : {"PUT", "POST", "DELETE", "OPTIONS", "get"})
    EXPECT_EQ(page(method, "/health/ready"), Page::kNone) << method;
}

TEST(PublicPages, LeaveRequestsWithCredentialsToTheBucketOfThatName) {
  EXPECT_EQ(page("GET", "/metrics", "", {{"AUTHORIZATION", "AWS4-HMAC-SHA256 x"}}), Page::kNone);
  EXPECT_EQ(page("GET", "/health/live", "X-Amz-Signature=0"), Page::kNone);
  EXPECT_EQ(page("GET", "/health/live", "a=b&x-amz-algorithm=AWS4-HMAC-SHA256"), Page::kNone);
  EXPECT_EQ(page("GET", "/health/live", "t=1&&verbose"), Page::kLive);
  EXPECT_EQ(page("GET", "/health/live", "q=x-amz-", {{"Host", "x"}}), Page::kLive);
}

}  // namespace
}  // namespace hydra::admin
