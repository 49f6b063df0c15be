#include "gateway/s3/auth/payload.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "gateway/http/connection.h"
#include "gateway/http/memory_stream.h"
#include "gateway/s3/auth/test_requests.h"

namespace hydra::s3 {
namespace {

using namespace testing_support;

std::string base64_of(DigestKind kind, std::string_view text) {
  return base64_encode(digest_of(kind, as_bytes(text)));
}

struct Outcome {
  std::optional<Code> error;  // of opening or reading
  bool opened = false;
  std::string data;
  std::uint64_t length = 0;
  std::string md5;
  std::optional<Checksum> checksum;
};

struct Job {
  Authenticated who;
  PayloadChecks checks;
  std::size_t step = 64 * 1024;
  Outcome out;
};

Task<void> receive(http::Exchange& exchange, Job& job) {
  auto payload = open_payload(exchange, job.who, job.checks);
  if (!payload) {
    job.out.error = payload.error().code;
  } else {
    job.out.opened = true;
    job.out.length = (*payload)->length();
    std::string piece(job.step, '\0');
    while (true) {
      auto count = co_await (*payload)->read(std::as_writable_bytes(std::span(piece)));
      if (!count) {
        job.out.error = count.error().code;
        break;
      }
      job.out.data.append(piece, 0, *count);
      if (*count == piece.size()) continue;
      job.out.md5 = (*payload)->md5();
      job.out.checksum = (*payload)->checksum();
      break;
    }
  }
  (void)co_await exchange.respond({}, "");
}

// Sends the request with that body over a connection, in pieces of at most `max_read` bytes.
Outcome run(const TestRequest& request, std::string_view body, Job job = {},
            std::size_t max_read = SIZE_MAX) {
  http::ManualLoop loop;
  auto wire = std::make_shared<http::Wire>();
  auto server = http::Server::create(
      loop, {.handler = [&job](http::Exchange& exchange) { return receive(exchange, job); }});
  server->serve(std::make_unique<http::MemoryStream>(loop, wire));
  wire->max_read = max_read;
  std::string text = request.method() + " " + request.target() + " HTTP/1.1\r\n";
  for (const auto& [name, value] : request.headers()) text += name + ": " + value + "\r\n";
  wire->send(text + "\r\n" + std::string(body));
  wire->end();
  loop.settle();
  return job.out;
}

TestRequest put(std::size_t content_length) {
  return TestRequest("PUT", "/b/k")
      .header("Host", "h")
      .header("Content-Length", std::to_string(content_length));
}
Job signed_job(std::string_view body) {
  Job job;
  job.who.payload = PayloadMode::kSigned;
  job.who.payload_sha256 = digest_of(DigestKind::kSha256, as_bytes(body));
  return job;
}
Job unsigned_trailer_job() {
  Job job;
  job.who.payload = PayloadMode::kStreamingUnsignedTrailer;
  return job;
}

TEST(Payload, DeliversThePlainBodyAndItsMd5) {
  const std::string body(300'000, 'x');
  const auto out = run(put(body.size()), body);
  EXPECT_EQ(out.error, std::nullopt);
  EXPECT_EQ(out.length, body.size());
  EXPECT_EQ(out.data, body);
  EXPECT_EQ(out.md5, digest_of(DigestKind::kMd5, as_bytes(body)));
  EXPECT_EQ(out.checksum, std::nullopt);
}

TEST(Payload, EmptyBodyIsChecked) {
  EXPECT_EQ(run(put(0), "", signed_job("")).md5, digest_of(DigestKind::kMd5, {}));
  EXPECT_EQ(run(put(0), "", signed_job("x")).error, Code::kXAmzContentSha256Mismatch);
}

TEST(Payload, Sha256OfTheSignatureIsChecked) {
  EXPECT_EQ(run(put(5), "hello", signed_job("hello")).data, "hello");
  EXPECT_EQ(run(put(5), "hellO", signed_job("hello")).error, Code::kXAmzContentSha256Mismatch);
}

TEST(Payload, TheReadOfTheLastByteReportsTheFailure) {
  Job job = signed_job("other");
  job.step = 5;  // exactly the body: no short read comes before the error
  const auto out = run(put(5), "hello", job);
  EXPECT_EQ(out.error, Code::kXAmzContentSha256Mismatch);
  EXPECT_EQ(out.data, "");
}

TEST(Payload, ContentMd5IsChecked) {
  EXPECT_EQ(run(put(5).header("Content-MD5", base64_of(DigestKind::kMd5, "hello")), "hello").data,
            "hello");
  EXPECT_EQ(run(put(5).header("Content-MD5", base64_of(DigestKind::kMd5, "hallo")), "hello").error,
            Code::kBadDigest);
  for (const char* bad : {"", "YWJyYWNhZGFicmE=", "not base64!", "rL0Y20zC+Fzt72VPzMSk2A"})
    EXPECT_EQ(run(put(5).header("Content-MD5", bad), "hello").error, Code::kInvalidDigest) << bad;
}

TEST(Payload, EachChecksumHeaderIsChecked) {
  for (const ChecksumName& name : kChecksumNames) {
    const std::string header(name.header);
    const auto good = run(put(5).header(header, base64_of(name.kind, "hello")), "hello");
    EXPECT_EQ(good.error, std::nullopt) << header;
    EXPECT_EQ(good.checksum, (Checksum{name.kind, digest_of(name.kind, as_bytes("hello"))}));
    EXPECT_EQ(run(put(5).header(header, base64_of(name.kind, "hallo")), "hello").error,
              Code::kBadDigest);
    EXPECT_EQ(run(put(5).header(header, "bm8="), "hello").error, Code::kBadDigest);
    EXPECT_EQ(run(put(5).header(header, "!"), "hello").error, Code::kBadDigest);
  }
}

TEST(Payload, ChecksumsMustNotContradictEachOther) {
  const std::string crc = base64_of(DigestKind::kCrc32, "hello");
  const std::string sha = base64_of(DigestKind::kSha256, "hello");
  EXPECT_EQ(
      run(put(5).header("x-amz-checksum-crc32", crc).header("x-amz-checksum-sha256", sha), "hello")
          .error,
      Code::kInvalidRequest);
  EXPECT_EQ(run(put(5)
                    .header("x-amz-checksum-crc32", crc)
                    .header("x-amz-sdk-checksum-algorithm", "SHA256"),
                "hello")
                .error,
            Code::kInvalidRequest);
  EXPECT_EQ(run(put(5).header("x-amz-sdk-checksum-algorithm", "MD4"), "hello").error,
            Code::kInvalidRequest);
  EXPECT_EQ(run(put(5)
                    .header("x-amz-checksum-crc32", crc)
                    .header("x-amz-sdk-checksum-algorithm", "crc32"),
                "hello")
                .error,
            std::nullopt);
}

TEST(Payload, AskedForChecksumIsComputed) {
  const Checksum crc32c{DigestKind::kCrc32c, digest_of(DigestKind::kCrc32c, as_bytes("hello"))};
  EXPECT_EQ(run(put(5).header("x-amz-checksum-algorithm", "CRC32C"), "hello").checksum, crc32c);
  Job job;
  job.checks.compute = DigestKind::kCrc32c;
  EXPECT_EQ(run(put(5), "hello", job).checksum, crc32c);
  const auto named = run(
      put(5).header("x-amz-checksum-sha1", base64_of(DigestKind::kSha1, "hello")), "hello", job);
  EXPECT_EQ(named.checksum->kind, DigestKind::kSha1) << "what the client names goes first";
}

TEST(Payload, ChecksumHeadersOfSomethingElseAreLeftAlone) {
  Job job;
  job.checks.checksum_headers = false;
  const auto out = run(put(5).header("x-amz-checksum-crc32", "AAAAAA=="), "hello", job);
  EXPECT_EQ(out.error, std::nullopt);
  EXPECT_EQ(out.checksum, std::nullopt);
}

TEST(Payload, LengthIsRequired) {
  const auto bare = TestRequest("PUT", "/b/k").header("Host", "h");
  EXPECT_EQ(run(bare, "").error, Code::kMissingContentLength);
  EXPECT_EQ(run(TestRequest(bare).header("Transfer-Encoding", "chunked"), "0\r\n\r\n").error,
            Code::kMissingContentLength);
  EXPECT_EQ(run(put(5), "5\r\nhello\r\n0\r\n\r\n", unsigned_trailer_job()).error,
            Code::kMissingContentLength);
  EXPECT_EQ(
      run(put(5).header("x-amz-decoded-content-length", "5x"), "", unsigned_trailer_job()).error,
      Code::kInvalidRequest);
  Job job;
  job.checks.length_required = false;
  const auto out = run(bare, "", job);
  EXPECT_EQ(out.error, std::nullopt);
  EXPECT_EQ(out.length, 0u);
}

TEST(Payload, TooLargeIsRefusedBeforeReading) {
  auto out = run(put(kMaxPutBytes + 1), "");
  EXPECT_EQ(out.error, Code::kEntityTooLarge);
  EXPECT_FALSE(out.opened);
  EXPECT_TRUE(run(put(kMaxPutBytes), "").opened);
  Job job = unsigned_trailer_job();
  job.checks.max_bytes = 4;
  out = run(put(15).header("x-amz-decoded-content-length", "5"), "5\r\nhello\r\n0\r\n\r\n", job);
  EXPECT_EQ(out.error, Code::kEntityTooLarge);
}

TEST(Payload, HttpChunksMustHoldTheDecodedLength) {
  const auto request = [](const char* length) {
    return TestRequest("PUT", "/b/k")
        .header("Host", "h")
        .header("Transfer-Encoding", "chunked")
        .header("x-amz-decoded-content-length", length);
  };
  const std::string body = "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
  EXPECT_EQ(run(request("5"), body).data, "hello");
  EXPECT_EQ(run(request("6"), body).error, Code::kIncompleteBody);
  EXPECT_EQ(run(request("4"), body).error, Code::kInvalidRequest);
}

TEST(Payload, EarlyEndIsIncomplete) {
  EXPECT_EQ(run(put(6), "hello").error, Code::kIncompleteBody);
  EXPECT_EQ(
      run(put(15).header("x-amz-decoded-content-length", "5"), "5\r\nhel", unsigned_trailer_job())
          .error,
      Code::kIncompleteBody);
  // A body that ends where HTTP says, but in the middle of aws-chunked.
  for (const char* body : {"5\r\nhel", "5\r\nhello\r\n", "5\r\nhello\r\n0"})
    EXPECT_EQ(run(put(std::string_view(body).size()).header("x-amz-decoded-content-length", "5"),
                  body, unsigned_trailer_job())
                  .error,
              Code::kIncompleteBody)
        << body;
}

TEST(Payload, UnsignedTrailerBringsTheChecksum) {
  const auto request = [](std::string_view body, std::string trailer = "x-amz-checksum-crc32") {
    return put(body.size())
        .header("x-amz-decoded-content-length", "5")
        .header("x-amz-trailer", std::move(trailer));
  };
  const std::string start = "3\r\nhel\r\n2\r\nlo\r\n0\r\nx-amz-checksum-crc32:";
  const std::string good = start + base64_of(DigestKind::kCrc32, "hello") + "\r\n\r\n";
  const auto out = run(request(good), good, unsigned_trailer_job());
  EXPECT_EQ(out.error, std::nullopt);
  EXPECT_EQ(out.data, "hello");
  EXPECT_EQ(out.checksum,
            (Checksum{DigestKind::kCrc32, digest_of(DigestKind::kCrc32, as_bytes("hello"))}));
  EXPECT_EQ(out.md5, digest_of(DigestKind::kMd5, as_bytes("hello")));
  const std::string wrong = start + base64_of(DigestKind::kCrc32, "hallo") + "\r\n\r\n";
  EXPECT_EQ(run(request(wrong), wrong, unsigned_trailer_job()).error, Code::kBadDigest);
  const std::string broken = start + "AAA=\r\n\r\n";
  EXPECT_EQ(run(request(broken), broken, unsigned_trailer_job()).error, Code::kInvalidRequest);
  const std::string longer = good + "X";
  EXPECT_EQ(run(request(longer), longer, unsigned_trailer_job()).error, Code::kInvalidRequest);
  EXPECT_EQ(run(request(good, "x-amz-meta-a"), good, unsigned_trailer_job()).error,
            Code::kInvalidRequest);
  EXPECT_EQ(run(request(good), good, signed_job(good)).error, Code::kInvalidRequest)
      << "no trailers in this mode";
  EXPECT_EQ(run(request(good).header("x-amz-checksum-sha1", base64_of(DigestKind::kSha1, "hello")),
                good, unsigned_trailer_job())
                .error,
            Code::kInvalidRequest);
}

// The whole way of the published chunked upload with a trailer: verified head, chunk signatures,
// trailer, CRC32C.
TEST(Payload, PublishedTrailerExamplePassesFromEndToEnd) {
  std::string body =
      "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" +
      std::string(65536, 'a') +
      "\r\n400;chunk-signature="
      "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" +
      std::string(1024, 'a') +
      "\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
      "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:"
      "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";
  auto request = TestRequest("PUT", "/examplebucket/chunkObject.txt")
                     .header("Host", "s3.amazonaws.com")
                     .header("x-amz-date", std::string(kTime))
                     .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
                     .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
                     .header("Content-Encoding", "aws-chunked")
                     .header("x-amz-decoded-content-length", "66560")
                     .header("x-amz-trailer", "x-amz-checksum-crc32c")
                     .header("Content-Length", std::to_string(body.size()))
                     .authorization(
                         "content-encoding;host;x-amz-content-sha256;x-amz-date;"
                         "x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
                         "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e");
  Job job;
  job.who = *Verifier(example_credentials()).verify(request.view(), example_time());
  for (const std::size_t max_read : {std::size_t{1}, std::size_t{1000}, SIZE_MAX}) {
    const auto out = run(request, body, job, max_read);
    EXPECT_EQ(out.error, std::nullopt);
    EXPECT_EQ(out.data, std::string(66560, 'a'));
    EXPECT_EQ(base64_encode(out.checksum->value), "sOO8/Q==");
  }
  body[200] = 'b';
  EXPECT_EQ(run(request, body, job).error, Code::kSignatureDoesNotMatch);
}

RC_GTEST_PROP(Payload, AnyReadSizeAndSplitGivesTheSameData, ()) {
  const auto chunks = *rc::gen::container<std::vector<std::string>>(rc::gen::nonEmpty(
      rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab\r\n0;")))));
  std::string body;
  std::string data;
  for (const auto& chunk : chunks) {
    body += fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk);
    data += chunk;
  }
  body += "0\r\nx-amz-checksum-crc64nvme:" + base64_of(DigestKind::kCrc64Nvme, data) + "\r\n\r\n";
  Job job = unsigned_trailer_job();
  job.step = *rc::gen::inRange<std::size_t>(1, 40);
  const auto out = run(put(body.size())
                           .header("x-amz-decoded-content-length", std::to_string(data.size()))
                           .header("x-amz-trailer", "x-amz-checksum-crc64nvme"),
                       body, job, *rc::gen::inRange<std::size_t>(1, 700));
  RC_ASSERT(out.error == std::nullopt);
  RC_ASSERT(out.data == data);
  RC_ASSERT(out.md5 == digest_of(DigestKind::kMd5, as_bytes(data)));
}

}  // namespace
}  // namespace hydra::s3
