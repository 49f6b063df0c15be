#include "gateway/admin/routes.h"

#include <gtest/gtest.h>

namespace hydra::admin {
namespace {

Task<Result<Json>> nothing(const Call&) { co_return Json(); }

class RoutesTest : public testing::Test {
 protected:
  RoutesTest() {
    routes.add("GET", "/v1/nodes", nothing);
    routes.add("GET", "/v1/nodes/{id}", nothing, 1);
    routes.add("GET", "/v1/nodes/token", nothing, 2);
    routes.add("POST", "/v1/nodes/{id}/drain", nothing, 3);
  }
  Code error(std::string_view method, std::string_view path) {
    const auto found = routes.find(method, path);
    return found ? Code::kInternal : found.error().code;
  }
  Routes routes;
};

TEST_F(RoutesTest, NamesTakeDecodedSegments) {
  const auto found = routes.find("GET", "/v1/nodes/a%2Fb%20c");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, (Parameters{{"id", "a/b c"}}));
  EXPECT_EQ(found->body_bytes, 1u);
}

TEST_F(RoutesTest, WordsWinOverNames) {
  EXPECT_EQ(routes.find("GET", "/v1/nodes/token")->body_bytes, 2u);
}

TEST_F(RoutesTest, HeadFindsWhatGetFinds) { EXPECT_TRUE(routes.find("HEAD", "/v1/nodes")); }

TEST_F(RoutesTest, UnknownPathsAreNotFound) {
  for (const char* path : {"/", "/v1", "/v1/nodes/", "/v1/nodes/1/2", "/v1/nodes/1/drain/", "v1x"})
    EXPECT_EQ(error("GET", path), Code::kNotFound) << path;
}

TEST_F(RoutesTest, WrongMethodIsToldTheRightOnes) {
  const auto found = routes.find("GET", "/v1/nodes/1/drain");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::kMethodNotAllowed);
  EXPECT_NE(found.error().message.find("takes POST"), std::string::npos);
}

TEST_F(RoutesTest, BrokenEscapeIsRefused) {
  EXPECT_EQ(error("GET", "/v1/nodes/%2"), Code::kInvalidArgument);
}

TEST(RouteInput, QueryIsDecoded) {
  EXPECT_EQ(*parse_query("bucket=b&key=a%2Fb+c&flag&"),
            (Parameters{{"bucket", "b"}, {"key", "a/b c"}, {"flag", ""}}));
  EXPECT_TRUE(parse_query("")->empty());
  for (const char* wrong : {"a=%", "a=1&a=2"})
    EXPECT_EQ(parse_query(wrong).error().code, Code::kInvalidArgument) << wrong;
}

TEST(RouteInput, BodyIsAnObjectOrNothing) {
  EXPECT_EQ(*parse_body(""), Json::object());
  EXPECT_EQ((*parse_body("{\"a\": 1}"))["a"], 1);
  for (const char* wrong : {"[1]", "1", "{", "{} x", "null"})
    EXPECT_EQ(parse_body(wrong).error().code, Code::kInvalidArgument) << wrong;
}

}  // namespace
}  // namespace hydra::admin
