#include "gateway/admin/errors.h"

#include <gtest/gtest.h>

namespace hydra::admin {
namespace {

TEST(AdminErrors, CallersTellApartWhatTheyMust) {
  for (const Code code : {Code::kInvalidArgument, Code::kNotFound, Code::kConflict,
                          Code::kUnavailable, Code::kTimeout, Code::kInternal}) {
    const Error error{code, "why \"it\" failed\n"};
    const Error read = parse_error(http_status(code), to_json(error));
    EXPECT_EQ(read.code, code);
    EXPECT_EQ(read.message, error.message);
  }
}

TEST(AdminErrors, BodyIsJsonWithCodeAndMessage) {
  EXPECT_EQ(
      to_json(Error{Code::kConflict, "it is so"}),
      "{\n  \"error\": {\n    \"code\": \"Conflict\",\n    \"message\": \"it is so\"\n  }\n}\n");
}

TEST(AdminErrors, BodyOfAnotherKindBecomesTheMessage) {
  for (const char* body : {"busy", "", "[]", "{\"error\": 1}", "{\"error\": {\"message\": 2}}"})
    EXPECT_EQ(parse_error(503, body).message, body);
}

}  // namespace
}  // namespace hydra::admin
