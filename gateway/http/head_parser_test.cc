#include "gateway/http/head_parser.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace hydra::http {
namespace {

Code code_of(std::string_view text, const Limits& limits = {}) {
  Request request;
  const auto result = HeadParser(limits).feed(text, request);
  if (result) ADD_FAILURE() << (*result ? "accepted: " : "wants more: ") << text;
  return result ? Code::kInternal : result.error().code;
}

Request accepted(std::string_view text) {
  Request request;
  const auto result = HeadParser(Limits()).feed(text, request);
  EXPECT_TRUE(result && *result) << text << (result ? "" : result.error().to_string());
  return request;
}

TEST(HeadParser, ReadsATypicalHead) {
  const std::string text =
      "PUT /bucket/a%20key?partNumber=1&uploadId=x HTTP/1.1\r\n"
      "Host: s3.example:9000\r\n"
      "content-LENGTH: 42\r\n"
      "X-Amz-Meta-Name: \t inner  spaces stay \t\r\n"
      "Empty:\r\n"
      "Expect: 100-Continue\r\n"
      "\r\nbody";
  Request request;
  const auto result = HeadParser(Limits()).feed(text, request);
  ASSERT_TRUE(result && *result);
  EXPECT_EQ(**result, text.size() - 4);
  EXPECT_EQ(request.method, "PUT");
  EXPECT_EQ(request.target, "/bucket/a%20key?partNumber=1&uploadId=x");
  EXPECT_EQ(request.path, "/bucket/a%20key");
  EXPECT_EQ(request.query, "partNumber=1&uploadId=x");
  EXPECT_EQ(request.content_length, 42u);
  EXPECT_EQ(request.field("x-amz-meta-name"), "inner  spaces stay");
  EXPECT_EQ(request.field("empty"), "");
  EXPECT_EQ(request.field("absent"), std::nullopt);
  EXPECT_TRUE(request.expects_continue);
  EXPECT_TRUE(request.keep_alive);
  EXPECT_FALSE(request.chunked);
  EXPECT_EQ(request.fields.size(), 5u);
}

TEST(HeadParser, EveryViewPointsIntoTheInputOfTheLastCall) {
  const std::string text = "GET /k HTTP/1.1\r\nHost: h\r\n\r\n";
  HeadParser parser{Limits()};
  Request request;
  for (std::size_t end = 0; end < text.size(); ++end) {
    const std::string moved = text.substr(0, end);  // at another address each time
    const auto result = parser.feed(moved, request);
    ASSERT_TRUE(result && !*result);
  }
  ASSERT_TRUE(*parser.feed(text, request));
  EXPECT_EQ(request.path.data(), text.data() + 4);
  EXPECT_EQ(request.fields[0].value.data(), text.data() + text.find("h\r\n\r\n"));
}

TEST(HeadParser, OneEmptyLineBeforeTheRequestIsIgnored) {
  EXPECT_EQ(accepted("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").path, "/");
  EXPECT_EQ(code_of("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), Code::kBadRequest);
}

TEST(HeadParser, KeepAliveFollowsVersionAndConnection) {
  EXPECT_TRUE(accepted("GET / HTTP/1.1\r\nHost: h\r\n\r\n").keep_alive);
  EXPECT_FALSE(accepted("GET / HTTP/1.1\r\nHost: h\r\nConnection: TE, Close\r\n\r\n").keep_alive);
  EXPECT_FALSE(accepted("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(accepted("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
  EXPECT_FALSE(
      accepted("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n")
          .keep_alive);
}

TEST(HeadParser, AbsoluteTargetOverridesHost) {
  const auto request = accepted("GET HTTP://real.example:80?list HTTP/1.1\r\nHost: other\r\n\r\n");
  EXPECT_EQ(request.field("host"), "real.example:80");
  EXPECT_EQ(request.path, "/");
  EXPECT_EQ(request.query, "list");
  EXPECT_EQ(accepted("GET https://h/a/b HTTP/1.0\r\n\r\n").field("Host"), "h");
}

TEST(HeadParser, ChunkedIsTheOnlyTransferCoding) {
  EXPECT_TRUE(accepted("PUT /k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n").chunked);
  const std::string head = "PUT /k HTTP/1.1\r\nHost: h\r\n";
  for (const char* fields :
       {"Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding:\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"})
    EXPECT_EQ(code_of(head + fields + "\r\n"), Code::kBadRequest) << fields;
  EXPECT_EQ(code_of("PUT /k HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Code::kBadRequest);
}

TEST(HeadParser, ContentLengthLeavesNoDoubt) {
  const std::string head = "PUT /k HTTP/1.1\r\nHost: h\r\n";
  for (const char* fields :
       {"Content-Length: 4\r\nContent-Length: 4\r\n", "Content-Length: 4, 4\r\n",
        "Content-Length: +4\r\n", "Content-Length: -4\r\n", "Content-Length: 0x4\r\n",
        "Content-Length: 4 4\r\n", "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n"})
    EXPECT_EQ(code_of(head + fields + "\r\n"), Code::kBadRequest) << fields;
  EXPECT_EQ(accepted(head + "Content-Length: 999999999999999999\r\n\r\n").content_length,
            999999999999999999u);
}

TEST(HeadParser, MalformedHeadsAreRefused) {
  using namespace std::string_literals;
  for (const std::string& text : {
           "GET / HTTP/1.1\nHost: h\n\n"s,
           "GET / HTTP/1.1\r\nHost: h\n\r\n"s,
           "GET / HTTP/1.1\r\nHost: h\r\n\n"s,
           "GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n"s,
           "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n folded\r\n\r\n"s,
           "GET / HTTP/1.1\r\n Host: h\r\n\r\n"s,
           "GET / HTTP/1.1\r\nHost : h\r\n\r\n"s,
           "GET / HTTP/1.1\r\nHost: h\r\nA\r\n\r\n"s,
           "GET / HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n"s,
           "GET / HTTP/1.1\r\nHost: h\r\nA(b: c\r\n\r\n"s,
           "GET / HTTP/1.1\r\nHost: h\r\nA: \0\r\n\r\n"s,
           "GET / HTTP/1.1\r\nHost: h\r\nA: \x7f\r\n\r\n"s,
           "GET / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\n\r\n"s,
           "GET / HTTP/1.1\r\n\r\n"s,
           "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"s,
           "GET / HTTP/1.1\r\nHost:\r\n\r\n"s,
           "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"s,
           "GET / HTTP/1.1\r\nHost: user@h\r\n\r\n"s,
           "GET / HTTP/1.2\r\nHost: h\r\n\r\n"s,
           "GET / HTTP/2.0\r\nHost: h\r\n\r\n"s,
           "GET / http/1.1\r\nHost: h\r\n\r\n"s,
           "GET /\r\nHost: h\r\n\r\n"s,
           "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"s,
           "GET / a HTTP/1.1\r\nHost: h\r\n\r\n"s,
           "GET /\t HTTP/1.1\r\nHost: h\r\n\r\n"s,
           "GET /#f HTTP/1.1\r\nHost: h\r\n\r\n"s,
           "GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n"s,
           "GET k HTTP/1.1\r\nHost: h\r\n\r\n"s,
           "GET h:80 HTTP/1.1\r\nHost: h\r\n\r\n"s,
           "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"s,
           "GET http:///k HTTP/1.1\r\nHost: h\r\n\r\n"s,
           "GET http://u@h/k HTTP/1.1\r\nHost: h\r\n\r\n"s,
           "BREW / HTTP/1.1\r\nHost: h\r\n\r\n"s,
           "get / HTTP/1.1\r\nHost: h\r\n\r\n"s,
       })
    EXPECT_EQ(code_of(text), Code::kBadRequest) << text;
}

TEST(HeadParser, LimitsHold) {
  const std::string head = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
  const std::size_t room = Limits().head_bytes - head.size() - 4;
  accepted(head + std::string(room, 'x') + "\r\n\r\n");
  EXPECT_EQ(code_of(head + std::string(room + 1, 'x') + "\r\n\r\n"), Code::kHeadersTooLarge);
  EXPECT_EQ(code_of(std::string(Limits().head_bytes, 'G')), Code::kHeadersTooLarge);

  const auto with_fields = [](std::size_t count) {
    std::string text = "GET / HTTP/1.1\r\nHost: h\r\n";
    for (std::size_t i = 1; i < count; ++i) text += "A: b\r\n";
    return text + "\r\n";
  };
  EXPECT_EQ(accepted(with_fields(100)).fields.size(), 100u);
  EXPECT_EQ(code_of(with_fields(101)), Code::kHeadersTooLarge);
  const std::string target(Limits().target_bytes, '/');
  accepted("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(code_of("GET " + target + "/ HTTP/1.1\r\nHost: h\r\n\r\n"), Code::kHeadersTooLarge);
}

// Heads from a grammar that is mostly right, so that both outcomes occur.
rc::Gen<std::string> head_like() {
  const auto piece = rc::gen::elementOf(std::vector<std::string>{
      "Host: h\r\n", "A: b\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "\r\n",
      "\n", "\r", "Expect: 100-continue\r\n", " x\r\n", "Connection: close\r\n"});
  const auto line = rc::gen::elementOf(std::vector<std::string>{
      "GET / HTTP/1.1\r\n", "PUT /a?b HTTP/1.0\r\n", "GET http://h/ HTTP/1.1\r\n", "\r\n"});
  return rc::gen::apply(
      [](std::string first, std::vector<std::string> pieces) {
        for (const auto& piece : pieces) first += piece;
        return first + "\r\n";
      },
      line, rc::gen::container<std::vector<std::string>>(piece));
}

RC_GTEST_PROP(HeadParser, AnySplitGivesTheSameResult, ()) {
  const std::string text = *head_like();
  const auto cuts = *rc::gen::container<std::vector<std::size_t>>(
      rc::gen::inRange<std::size_t>(0, text.size() + 1));
  Request whole;
  const auto expected = HeadParser(Limits()).feed(text, whole);

  HeadParser parser{Limits()};
  Request request;
  std::size_t end = 0;
  Result<std::optional<std::size_t>> result = std::optional<std::size_t>();
  auto sorted = cuts;
  sorted.push_back(text.size());
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t cut : sorted) {
    if (!result || *result) break;
    end = cut;
    result = parser.feed(std::string_view(text).substr(0, end), request);
  }
  RC_ASSERT(result.has_value() == expected.has_value());
  if (!result) {
    RC_ASSERT(result.error().message == expected.error().message);
  } else {
    RC_ASSERT(*result == *expected);
    if (*result) RC_ASSERT(request.fields.size() == whole.fields.size());
  }
}

TEST(HeadParser, IsReusedForTheNextHead) {
  HeadParser parser{Limits()};
  Request request;
  ASSERT_TRUE(*parser.feed("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", request));
  parser.reset();
  ASSERT_TRUE(*parser.feed("GET /b?c HTTP/1.1\r\nHost: h\r\n\r\n", request));
  EXPECT_EQ(request.path, "/b");
  EXPECT_EQ(request.content_length, std::nullopt);
  EXPECT_EQ(request.fields.size(), 1u);
}

}  // namespace
}  // namespace hydra::http
