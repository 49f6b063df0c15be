#include "gateway/ctl/admin_client.h"

#include <gtest/gtest.h>

namespace hydra::ctl {
namespace {

TEST(AdminClient, AnswersAreTakenWhole) {
  const auto answer =
      parse_answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->body, "busy");
}

TEST(AdminClient, TruncatedAnswerIsRefused) {
  const std::string whole = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 4\r\n\r\nbusy";
  ASSERT_TRUE(parse_answer(whole));
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_EQ(parse_answer(whole.substr(0, length)).error().code, Code::kCorrupt) << length;
}

TEST(AdminClient, WhatIsNoGatewayIsRefused) {
  for (const char* text :
       {"", "220 mail ready\r\n\r\n", "HTTP/1.1 2000\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"})
    EXPECT_EQ(parse_answer(text).error().code, Code::kCorrupt) << text;
}

TEST(AdminClient, AbsentSocketIsUnreachable) {
  EXPECT_EQ(get("/nonexistent/admin.sock", "/v1/status").error().code, Code::kUnavailable);
  EXPECT_EQ(get("unix:/nonexistent/admin.sock", "/").error().code, Code::kUnavailable);
  EXPECT_EQ(get(std::string(200, 'a'), "/").error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace hydra::ctl
