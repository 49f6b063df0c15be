// The examples that the Amazon S3 API Reference works through.
#include "bench/load/signer.h"

#include <gmock/gmock.h>

namespace hydra::bench {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kEmptySha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

Signer example() {
  return Signer({"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}, "us-east-1",
                "examplebucket.s3.amazonaws.com", "20130524T000000Z");
}

// "Authenticating Requests: Using Query Parameters".
TEST(Signer, PresignsThePublishedExample) {
  EXPECT_EQ(example().presign("GET", "/test.txt", {}, 86400),
            "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F"
            "20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires="
            "86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

// "Signature Calculations for the Authorization Header", GET Bucket Lifecycle and List Objects.
TEST(Signer, SignsTheHeadersOfThePublishedExamples) {
  const std::string lifecycle =
      example().sign_headers("GET", "/", {{"lifecycle", ""}}, kEmptySha256);
  EXPECT_THAT(lifecycle, HasSubstr("Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a2"
                                   "00a0136783543\r\n"));
  const std::string listing =
      example().sign_headers("GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}, kEmptySha256);
  EXPECT_THAT(listing, HasSubstr("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed571"
                                 "1ef69dc6f7\r\n"));
}

TEST(Signer, OtherQueryIsSignedBesideItsOwn) {
  const std::string target = example().presign("GET", "/", {{"prefix", "a b/"}}, 60);
  EXPECT_THAT(target, StartsWith("/?X-Amz-Algorithm="));
  EXPECT_THAT(target, HasSubstr("&prefix=a%20b%2F&X-Amz-Signature="));
  EXPECT_NE(target, example().presign("GET", "/", {{"prefix", "a b"}}, 60));
}

}  // namespace
}  // namespace hydra::bench
