#include "gateway/http/chunked_decoder.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace hydra::http {
namespace {

struct Outcome {
  std::string data;
  std::size_t used = 0;
  bool done = false;
  std::string error;
};

// Feeds the text in pieces of the given sizes (the last one repeats).
Outcome decode(std::string_view text, const std::vector<std::size_t>& pieces = {1 << 20}) {
  ChunkedDecoder decoder;
  Outcome out;
  std::size_t turn = 0;
  while (out.used < text.size() && !decoder.done()) {
    std::string_view rest = text.substr(out.used, pieces[std::min(turn++, pieces.size() - 1)]);
    while (!rest.empty() && !decoder.done()) {
      std::size_t used = 0;
      if (decoder.data_left() > 0) {
        used = static_cast<std::size_t>(std::min<std::uint64_t>(decoder.data_left(), rest.size()));
        out.data += rest.substr(0, used);
        decoder.take(used);
      } else {
        const auto fed = decoder.feed(as_bytes(rest));
        if (!fed) {
          out.error = fed.error().message;
          return out;
        }
        used = *fed;
      }
      rest.remove_prefix(used);
      out.used += used;
    }
  }
  out.done = decoder.done();
  return out;
}

TEST(ChunkedDecoder, JoinsChunksAndStopsBehindTheLast) {
  const auto out =
      decode("4\r\nWiki\r\n6;name=\"v\"\r\npedia \r\nA \t; x\r\n0123456789\r\n0\r\n\r\nGET");
  EXPECT_EQ(out.data, "Wikipedia 0123456789");
  EXPECT_TRUE(out.done) << out.error;
}

TEST(ChunkedDecoder, LeavesTheNextRequestAlone) {
  const std::string body = "1\r\nx\r\n0\r\nTrailer: dropped\r\n\r\n";
  EXPECT_EQ(decode(body + "GET / HTTP/1.1").used, body.size());
}

TEST(ChunkedDecoder, BrokenFramingIsRefused) {
  using namespace std::string_literals;
  for (const std::string& text : {
           "\r\n"s,
           "x\r\n"s,
           "-1\r\n"s,
           "0x4\r\n"s,
           " 4\r\n"s,
           "4 \r\n"s,
           "4 4\r\n"s,
           "4\nWiki"s,
           "4\r\r\n"s,
           "4\r\nWikiX\r\n"s,
           "4\r\nWiki\n"s,
           "4\r\nWiki0\r\n\r\n"s,
           "1000000000000000\r\n"s,
           "4;a\rb\r\n"s,
           "4;a\0b\r\n"s,
           "0\r\nbad trailer\r\n\r\n"s,
           "0\r\nA: b\n\r\n"s,
           "0\r\n A: b\r\n\r\n"s,
       })
    EXPECT_NE(decode(text).error, "") << text;
}

TEST(ChunkedDecoder, LinesAndTrailersAreBounded) {
  EXPECT_NE(decode("1;" + std::string(ChunkedDecoder::kLineBytes, 'x')).error, "");
  std::string trailers = "0\r\n";
  while (trailers.size() < ChunkedDecoder::kTrailerBytes + 1024)
    trailers += "A: " + std::string(500, 'x') + "\r\n";
  EXPECT_NE(decode(trailers + "\r\n").error, "");
}

TEST(ChunkedDecoder, AnEarlyEndIsNotDone) {
  const std::string text = "4\r\nWiki\r\n0\r\n\r\n";
  for (std::size_t end = 0; end < text.size(); ++end) {
    const auto out = decode(text.substr(0, end));
    EXPECT_FALSE(out.done) << end;
    EXPECT_EQ(out.error, "");
  }
}

RC_GTEST_PROP(ChunkedDecoder, AnySplitGivesTheSameData, ()) {
  const auto chunks = *rc::gen::container<std::vector<std::string>>(rc::gen::nonEmpty(
      rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab\r\n0;")))));
  std::string text;
  std::string data;
  for (const auto& chunk : chunks) {
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", chunk.size());
    text += size + chunk + "\r\n";
    data += chunk;
  }
  text += "0\r\n\r\n";
  const auto pieces = *rc::gen::nonEmpty(
      rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(1, 9)));
  const auto out = decode(text, pieces);
  RC_ASSERT(out.error == "");
  RC_ASSERT(out.done);
  RC_ASSERT(out.data == data);
  RC_ASSERT(out.used == text.size());
}

}  // namespace
}  // namespace hydra::http
