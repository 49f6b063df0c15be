#include "gateway/s3/auth/aws_chunked.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "base/digest.h"
#include "gateway/s3/auth/test_requests.h"

namespace hydra::s3 {
namespace {

using namespace testing_support;

constexpr std::string_view kSeed =
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
constexpr std::string_view kTrailerSeed =
    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";

// The body of the published example, and the same with a trailer.
std::string example_body() {
  return "10000;chunk-signature="
         "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" +
         std::string(65536, 'a') +
         "\r\n400;chunk-signature="
         "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" +
         std::string(1024, 'a') +
         "\r\n0;chunk-signature="
         "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n";
}
std::string trailer_example(std::string_view behind_last_chunk = "",
                            std::string_view line_end = "\r\n") {
  return "10000;chunk-signature="
         "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" +
         std::string(65536, 'a') +
         "\r\n400;chunk-signature="
         "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" +
         std::string(1024, 'a') +
         "\r\n0;chunk-signature="
         "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
         std::string(behind_last_chunk) + "x-amz-checksum-crc32c:sOO8/Q==" + std::string(line_end) +
         "x-amz-trailer-signature:"
         "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";
}

ChunkSigning signing(std::string_view seed) {
  const auto scope = *parse_credential(std::string(kAccessKey) + "/" + std::string(kScope));
  return {std::string(seed), derive_signing_key(kSecretKey, scope), std::string(kTime),
          std::string(kScope)};
}
AwsChunkedDecoder signed_decoder(std::uint64_t length = 66560) {
  return {PayloadMode::kStreamingSigned, signing(kSeed), length, {}};
}
AwsChunkedDecoder trailer_decoder(std::vector<std::string> trailers = {"x-amz-checksum-crc32c"}) {
  return {PayloadMode::kStreamingSignedTrailer, signing(kTrailerSeed), 66560, std::move(trailers)};
}
AwsChunkedDecoder unsigned_decoder(std::uint64_t length,
                                   std::vector<std::string> trailers = {"x-amz-checksum-crc32"}) {
  return {PayloadMode::kStreamingUnsignedTrailer, {}, length, std::move(trailers)};
}

struct Outcome {
  std::string data;
  std::size_t used = 0;
  bool done = false;
  std::optional<Code> error;
  std::vector<std::pair<std::string, std::string>> trailers;
};

// Feeds the text in pieces of the given sizes (the last one repeats), then its end.
Outcome decode(AwsChunkedDecoder decoder, std::string_view text,
               std::vector<std::size_t> pieces = {1 << 20}) {
  Outcome out;
  std::size_t turn = 0;
  while (out.used < text.size() && !decoder.done()) {
    std::string_view rest = text.substr(out.used, pieces[std::min(turn++, pieces.size() - 1)]);
    while (!rest.empty() && !decoder.done()) {
      std::size_t used = 0;
      Status status;
      if (decoder.data_left() > 0) {
        used = static_cast<std::size_t>(std::min<std::uint64_t>(decoder.data_left(), rest.size()));
        out.data += rest.substr(0, used);
        status = decoder.take(as_bytes(rest.substr(0, used)));
      } else if (auto fed = decoder.feed(as_bytes(rest))) {
        used = *fed;
      } else {
        status = fail(fed.error());
      }
      if (!status) {
        out.error = status.error().code;
        return out;
      }
      rest.remove_prefix(used);
      out.used += used;
    }
  }
  if (auto end = decoder.end_of_input(); !end) out.error = end.error().code;
  out.done = decoder.done();
  out.trailers = decoder.trailers();
  return out;
}

TEST(AwsChunked, PublishedExampleDecodesAndVerifies) {
  const std::string body = example_body();
  EXPECT_EQ(body.size(), 66824u) << "the Content-Length of the example";
  const auto out = decode(signed_decoder(), body);
  EXPECT_EQ(out.error, std::nullopt);
  EXPECT_TRUE(out.done);
  EXPECT_EQ(out.used, body.size());
  EXPECT_EQ(out.data, std::string(66560, 'a'));
}

TEST(AwsChunked, PublishedExampleWithTrailerDecodesAndVerifies) {
  // As documented; with an empty line behind the last chunk; with a bare LF and an empty line
  // behind the trailer.
  for (const std::string& body :
       {trailer_example(), trailer_example("\r\n"), trailer_example("", "\n\r\n")}) {
    const auto out = decode(trailer_decoder(), body);
    EXPECT_EQ(out.error, std::nullopt);
    EXPECT_TRUE(out.done);
    EXPECT_EQ(out.used, body.size());
    EXPECT_EQ(out.data.size(), 66560u);
    ASSERT_EQ(out.trailers.size(), 1u);
    EXPECT_EQ(out.trailers[0].first, "x-amz-checksum-crc32c");
    EXPECT_EQ(out.trailers[0].second, "sOO8/Q==");
  }
}

TEST(AwsChunked, AnyChangeOfSignedBytesIsNoticed) {
  const std::string body = example_body();
  for (const std::size_t at : {100ul, 65600ul, 66000ul}) {  // data of both chunks
    std::string changed = body;
    changed[at] = 'b';
    EXPECT_EQ(decode(signed_decoder(), changed).error, Code::kSignatureDoesNotMatch) << at;
  }
  for (const char* signature : {"ad80c730", "0055627c", "b6c6ea8a"}) {
    std::string changed = body;
    changed[changed.find(signature)] ^= 1;
    EXPECT_EQ(decode(signed_decoder(), changed).error, Code::kSignatureDoesNotMatch) << signature;
  }
  for (const char* part : {"sOO8", "d81f82fc"}) {
    std::string changed = trailer_example();
    changed[changed.find(part)] ^= 1;
    EXPECT_EQ(decode(trailer_decoder(), changed).error, Code::kSignatureDoesNotMatch) << part;
  }
}

TEST(AwsChunked, ChunksCannotBeReorderedOrDropped) {
  const std::string body = example_body();
  const std::size_t second = body.find("400;");
  const std::size_t last = body.find("0;chunk", second + 10);
  EXPECT_EQ(decode(signed_decoder(),
                   body.substr(second, last - second) + body.substr(0, second) + body.substr(last))
                .error,
            Code::kSignatureDoesNotMatch);
  EXPECT_EQ(decode(signed_decoder(65536), body.substr(0, second) + body.substr(last)).error,
            Code::kSignatureDoesNotMatch);
  EXPECT_EQ(decode(signed_decoder(1024), body.substr(second)).error, Code::kSignatureDoesNotMatch);
}

TEST(AwsChunked, DecodedLengthMustBeTheRealOne) {
  EXPECT_EQ(decode(signed_decoder(66559), example_body()).error, Code::kInvalidRequest);
  EXPECT_EQ(decode(signed_decoder(66561), example_body()).error, Code::kIncompleteBody);
  EXPECT_EQ(decode(unsigned_decoder(3, {}), "5\r\nhello\r\n0\r\n\r\n").error,
            Code::kInvalidRequest);
}

TEST(AwsChunked, AnEarlyEndIsIncomplete) {
  const std::string body = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
  for (std::size_t end = 0; end < body.size(); ++end) {
    const auto out = decode(unsigned_decoder(5), body.substr(0, end));
    if (end == body.size() - 2) {
      EXPECT_TRUE(out.done) << "only the last empty line is missing";
    } else if (end == body.find("x-amz")) {
      EXPECT_EQ(out.error, Code::kInvalidRequest) << "the declared trailer is missing";
    } else {
      EXPECT_EQ(out.error, Code::kIncompleteBody) << end;
    }
  }
}

TEST(AwsChunked, DeclaredTrailersAndNothingElseMustArrive) {
  const std::string chunk = "5\r\nhello\r\n0\r\n";
  const std::string trailer = "x-amz-checksum-crc32:NhCmhg==\r\n";
  EXPECT_TRUE(decode(unsigned_decoder(5), chunk + trailer + "\r\n").done);
  EXPECT_TRUE(decode(unsigned_decoder(5), chunk + "X-Amz-Checksum-CRC32: NhCmhg==\r\n\r\n").done);
  EXPECT_TRUE(decode(unsigned_decoder(5, {}), chunk + "\r\n").done);
  for (const std::string& trailers :
       {std::string("\r\n"), trailer + trailer + "\r\n",
        "x-amz-checksum-sha1:NhCmhg==\r\n\r\n" + trailer, trailer + "x-amz-meta-a:b\r\n\r\n",
        std::string("x-amz-checksum-crc32\r\n\r\n"),
        "x-amz-trailer-signature:00\r\n" + trailer + "\r\n",
        trailer.substr(0, trailer.size() - 2) + "\n" + trailer})
    EXPECT_EQ(decode(unsigned_decoder(5), chunk + trailers).error, Code::kInvalidRequest)
        << trailers;
  EXPECT_EQ(decode(unsigned_decoder(5, {}), chunk + trailer + "\r\n").error, Code::kInvalidRequest);
  EXPECT_EQ(decode(trailer_decoder({}), trailer_example()).error, Code::kInvalidRequest);
  EXPECT_EQ(decode(unsigned_decoder(5, {"x-amz-checksum-crc32", "x-amz-checksum-sha1"}),
                   chunk + trailer + trailer + "\r\n")
                .error,
            Code::kInvalidRequest)
      << "one twice does not make up for the other";
}

TEST(AwsChunked, SignedTrailersNeedTheirSignature) {
  const std::string body = trailer_example();
  const std::size_t at = body.find("x-amz-trailer-signature");
  EXPECT_EQ(decode(trailer_decoder(), body.substr(0, at) + "\r\n").error, Code::kInvalidRequest);
  EXPECT_EQ(
      decode(trailer_decoder(), body.substr(0, body.size() - 2) + "x-amz-meta-a:b\r\n\r\n").error,
      Code::kInvalidRequest);
}

TEST(AwsChunked, BrokenFramingIsRefused) {
  for (const char* text :
       {"x\r\n", "\r\n", "-5\r\n", "5 \r\n", "0x5\r\n", "5\nhello", "5;a=b\r\n", "5\r\nhelloX\r\n",
        "5\r\nhello\n", "1000000000000000\r\n", "5\r\r\n", "0\r\n\n"})
    EXPECT_EQ(decode(unsigned_decoder(text[0] == '0' && text[1] == '\r' ? 0 : 5, {}), text).error,
              Code::kInvalidRequest)
        << text;
  EXPECT_EQ(decode(signed_decoder(), "10000\r\n").error, Code::kInvalidRequest);
  EXPECT_EQ(decode(signed_decoder(), "10000;signature=00\r\n").error, Code::kInvalidRequest);
  EXPECT_EQ(decode(unsigned_decoder(5), std::string(AwsChunkedDecoder::kLineBytes + 1, '0')).error,
            Code::kInvalidRequest);
}

RC_GTEST_PROP(AwsChunked, AnySplitGivesTheSameData, ()) {
  const auto chunks = *rc::gen::container<std::vector<std::string>>(rc::gen::nonEmpty(
      rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab\r\n0;")))));
  const bool with_signatures = *rc::gen::arbitrary<bool>();
  std::string text;
  std::string data;
  std::string previous(kSeed);
  const ChunkSigning keys = signing(kSeed);
  const auto add = [&](const std::string& chunk) {
    previous = sign(keys.key, chunk_string_to_sign(
                                  kTime, kScope, previous,
                                  hex_encode(digest_of(DigestKind::kSha256, as_bytes(chunk)))));
    text += fmt::format("{:x}{}\r\n", chunk.size(),
                        with_signatures ? ";chunk-signature=" + previous : "");
    text += chunk.empty() ? "" : chunk + "\r\n";
    data += chunk;
  };
  for (const auto& chunk : chunks) add(chunk);
  add("");
  text += with_signatures ? "\r\n" : "x-amz-checksum-crc32:AAAAAA==\r\n\r\n";
  const auto pieces = *rc::gen::nonEmpty(
      rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(1, 90)));
  const auto out = decode(
      with_signatures ? signed_decoder(data.size()) : unsigned_decoder(data.size()), text, pieces);
  RC_ASSERT(out.error == std::nullopt);
  RC_ASSERT(out.done);
  RC_ASSERT(out.data == data);
  RC_ASSERT(out.used == text.size());
}

}  // namespace
}  // namespace hydra::s3
