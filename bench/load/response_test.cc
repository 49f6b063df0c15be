#include "bench/load/response.h"

#include <gtest/gtest.h>

namespace hydra::bench {
namespace {

struct Parsed {
  std::string body;
  std::size_t taken = 0;
  bool failed = false;
};

// Feeds `text` in pieces of `step` bytes, and stops at the end of the response.
Parsed feed(ResponseReader& reader, std::string_view text, std::size_t step, bool to_head = false) {
  Parsed parsed;
  reader.begin(to_head);
  while (parsed.taken < text.size() && !reader.done()) {
    const auto taken = reader.feed(text.substr(parsed.taken, step),
                                   [&](std::string_view piece) { parsed.body += piece; });
    if (!taken) {
      parsed.failed = true;
      break;
    }
    parsed.taken += *taken;
  }
  return parsed;
}

constexpr std::string_view kSized = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
constexpr std::string_view kChunked =
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n "
    "world\r\n0\r\nA: b\r\n\r\n";

TEST(ResponseReader, ReadsBodiesHoweverTheBytesArrive) {
  for (std::size_t step = 1; step <= kChunked.size(); ++step) {
    ResponseReader reader;
    EXPECT_EQ(feed(reader, kSized, step).body, "hello");
    EXPECT_TRUE(reader.done());
    EXPECT_EQ(feed(reader, kChunked, step).body, "hello world");
    EXPECT_TRUE(reader.done());
    EXPECT_EQ(reader.status(), 200);
    EXPECT_TRUE(reader.keep_alive());
  }
}

TEST(ResponseReader, LeavesWhatComesBehindTheResponse) {
  ResponseReader reader;
  EXPECT_EQ(feed(reader, std::string(kSized) + "HTTP", 1000).taken, kSized.size());
}

TEST(ResponseReader, ResponseToHeadEndsWithItsHead) {
  ResponseReader reader;
  const auto parsed = feed(reader, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 7, true);
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(parsed.body, "");
}

TEST(ResponseReader, PassesOverInterimResponses) {
  ResponseReader reader;
  EXPECT_EQ(feed(reader, "HTTP/1.1 100 Continue\r\n\r\n" + std::string(kSized), 9).body, "hello");
  EXPECT_EQ(reader.status(), 200);
}

TEST(ResponseReader, NoContentHasNoBody) {
  ResponseReader reader;
  feed(reader, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", 100);
  EXPECT_TRUE(reader.done());
  EXPECT_FALSE(reader.keep_alive());
}

TEST(ResponseReader, RefusesWhatIsNoResponse) {
  for (const std::string_view text :
       {"SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"}) {
    ResponseReader reader;
    EXPECT_TRUE(feed(reader, text, 1000).failed) << text;
  }
}

}  // namespace
}  // namespace hydra::bench
