#include "gateway/s3/auth/verifier.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "base/digest.h"
#include "gateway/s3/auth/test_requests.h"

namespace hydra::s3 {
namespace {

using namespace testing_support;

constexpr std::string_view kThree = "host;x-amz-content-sha256;x-amz-date";

Result<Authenticated> verify(const TestRequest& request, std::int64_t at_ms = example_time()) {
  return Verifier(example_credentials()).verify(request.view(), at_ms);
}
Code code_of(const TestRequest& request, std::int64_t at_ms = example_time()) {
  const auto result = verify(request, at_ms);
  EXPECT_FALSE(result) << request.target();
  return result ? Code::kInternal : result.error().code;
}
TestRequest signed_get() {
  return example_request("GET", "/test.txt", kEmptySha256).sign_with(kThree);
}

// The examples of "Signature Calculations for the Authorization Header" and "Using Query
// Parameters".
TEST(AwsExamples, GetObject) {
  auto request = example_request("GET", "/test.txt", kEmptySha256).header("Range", "bytes=0-9");
  request.authorization("host;range;x-amz-content-sha256;x-amz-date",
                        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  const auto result = verify(request);
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->principal.user_id, "canonical-id");
  EXPECT_EQ(result->principal.access_key, kAccessKey);
  EXPECT_FALSE(result->principal.anonymous);
  EXPECT_EQ(result->payload, PayloadMode::kSigned);
  EXPECT_EQ(hex_encode(result->payload_sha256), kEmptySha256);
  EXPECT_EQ(result->region, "us-east-1");
  EXPECT_FALSE(result->presigned);
}

TEST(AwsExamples, PutObject) {
  auto request =
      example_request("PUT", "/test%24file.text",
                      "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")
          .header("Date", "Fri, 24 May 2013 00:00:00 GMT")
          .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
          .authorization("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  EXPECT_TRUE(verify(request));
  request.set_target("/test$file.text");  // the same path, less escaped
  EXPECT_TRUE(verify(request));
}

TEST(AwsExamples, GetBucketLifecycle) {
  EXPECT_TRUE(
      verify(example_request("GET", "/?lifecycle", kEmptySha256)
                 .authorization(
                     kThree, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")));
}

TEST(AwsExamples, ListObjects) {
  auto request =
      example_request("GET", "/?max-keys=2&prefix=J", kEmptySha256)
          .authorization(kThree,
                         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
  EXPECT_TRUE(verify(request));
  request.set_target("/?prefix=J&&max-keys=2");
  EXPECT_TRUE(verify(request));
  request.set_target("/?prefix=J&max-keys=3");
  EXPECT_EQ(code_of(request), Code::kSignatureDoesNotMatch);
}

constexpr std::string_view kPresigned =
    "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

TestRequest presigned(std::string_view from = "", std::string_view to = "") {
  std::string target(kPresigned);
  if (!from.empty()) target.replace(target.find(from), from.size(), to);
  return TestRequest("GET", target).header("Host", "examplebucket.s3.amazonaws.com");
}

TEST(AwsExamples, PresignedUrl) {
  const auto result = verify(presigned());
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_TRUE(result->presigned);
  EXPECT_EQ(result->payload, PayloadMode::kUnsigned);
}

TEST(AwsExamples, SeedOfTheChunkedUpload) {
  const auto result = verify(
      TestRequest("PUT", "/examplebucket/chunkObject.txt")
          .header("Host", "s3.amazonaws.com")
          .header("x-amz-date", std::string(kTime))
          .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
          .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
          .header("Content-Encoding", "aws-chunked")
          .header("x-amz-decoded-content-length", "66560")
          .header("Content-Length", "66824")
          .authorization("content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
                         "x-amz-decoded-content-length;x-amz-storage-class",
                         "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"));
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->payload, PayloadMode::kStreamingSigned);
  EXPECT_EQ(result->chunks.seed_signature,
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
  EXPECT_EQ(result->chunks.scope, kScope);
}

TEST(AwsExamples, SeedOfTheChunkedUploadWithTrailer) {
  const auto result = verify(
      TestRequest("PUT", "/examplebucket/chunkObject.txt")
          .header("Host", "s3.amazonaws.com")
          .header("x-amz-date", std::string(kTime))
          .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
          .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
          .header("Content-Encoding", "aws-chunked")
          .header("x-amz-decoded-content-length", "66560")
          .header("x-amz-trailer", "x-amz-checksum-crc32c")
          .authorization("content-encoding;host;x-amz-content-sha256;x-amz-date;"
                         "x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
                         "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"));
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->payload, PayloadMode::kStreamingSignedTrailer);
}

TEST(Verifier, NoCredentialsMakeAnAnonymousPrincipal) {
  for (const auto& request : {TestRequest("GET", "/b/k?list-type=2"),
                              TestRequest("GET", "/").header("Authorization", "")}) {
    const auto result = verify(request);
    ASSERT_TRUE(result);
    EXPECT_TRUE(result->principal.anonymous);
    EXPECT_EQ(result->principal.user_id, "");
    EXPECT_EQ(result->payload, PayloadMode::kUnsigned);
  }
  const auto hashed =
      verify(TestRequest("PUT", "/b/k").header("x-amz-content-sha256", std::string(kEmptySha256)));
  ASSERT_TRUE(hashed);
  EXPECT_EQ(hashed->payload, PayloadMode::kSigned);
  EXPECT_EQ(code_of(TestRequest("PUT", "/b/k")
                        .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")),
            Code::kInvalidRequest);
}

TEST(Verifier, EveryPartOfTheRequestIsBound) {
  const auto good =
      example_request("PUT", "/b/k?a=1", kEmptySha256)
          .header("x-amz-meta-a", "one")
          .header("Content-Type", "text/plain")
          .sign_with("content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a");
  ASSERT_TRUE(verify(good));
  auto other = good;
  other.set_target("/b/K?a=1");
  EXPECT_EQ(code_of(other), Code::kSignatureDoesNotMatch);
  other = good;
  other.set_target("/b/k?a=2");
  EXPECT_EQ(code_of(other), Code::kSignatureDoesNotMatch);
  other = good;
  other.set_target("/b/k?a=1&b");
  EXPECT_EQ(code_of(other), Code::kSignatureDoesNotMatch);
  other = good;
  EXPECT_EQ(code_of(other.replace("x-amz-meta-a", "two")), Code::kSignatureDoesNotMatch);
  other = good;
  EXPECT_EQ(code_of(other.header("x-amz-meta-a", "one")), Code::kSignatureDoesNotMatch);
  other = good;
  EXPECT_EQ(code_of(other.drop("x-amz-meta-a")), Code::kSignatureDoesNotMatch);
  other = good;
  EXPECT_EQ(code_of(other.replace("Host", "other")), Code::kSignatureDoesNotMatch);
  other = good;
  EXPECT_EQ(code_of(other.replace("x-amz-content-sha256", "UNSIGNED-PAYLOAD")),
            Code::kSignatureDoesNotMatch);
}

TEST(Verifier, PathsAreEncodedOnceAndNeverNormalised) {
  EXPECT_EQ(*canonical_path("/a%20b//./../c+d~%7E%2f%C3%A4"), "/a%20b//./../c%2Bd~~/%C3%A4");
  EXPECT_EQ(canonical_path("/%zz").error().code, Code::kInvalidUri);
  EXPECT_EQ(code_of(example_request("GET", "/a%", kEmptySha256).authorization(kThree, "0")),
            Code::kInvalidUri);
}

TEST(Verifier, QueriesAreSortedByEncodedNameThenValue) {
  EXPECT_EQ(*canonical_query("b=2&a=2&a=1&A&a-b=x&a%2Bb=%7e&c=a+b&X-Amz-Signature=f"),
            "A=&a=1&a=2&a%2Bb=~&a-b=x&b=2&c=a%2Bb");
  EXPECT_EQ(*canonical_query(""), "");
  EXPECT_EQ(*canonical_query("a=b=c"), "a=b%3Dc");
  EXPECT_EQ(canonical_query("a=%1").error().code, Code::kInvalidUri);
}

TEST(Verifier, HeaderValuesAreFoldedAndJoined) {
  const auto request = TestRequest("GET", "/")
                           .header("Host", "h")
                           .header("X-Amz-Meta-A", "a   b \t c")
                           .header("x-amz-meta-a", "d");
  EXPECT_EQ(*canonical_request(request.view(), {"host", "x-amz-meta-a"}, "host;x-amz-meta-a", "H"),
            "GET\n/\n\nhost:h\nx-amz-meta-a:a b c,d\n\nhost;x-amz-meta-a\nH");
}

TEST(Verifier, ExpectThatWasConsumedOnTheWayStillVerifies) {
  auto request = example_request("PUT", "/k", kEmptySha256)
                     .header("expect", "100-continue")
                     .sign_with("expect;host;x-amz-content-sha256;x-amz-date");
  EXPECT_TRUE(verify(request));
  EXPECT_TRUE(verify(request.drop("expect")));
}

TEST(Verifier, UnknownKeyAndWrongSecretDifferInCodeOnly) {
  EXPECT_EQ(code_of(example_request("GET", "/k", kEmptySha256).sign_with(kThree, "wrong")),
            Code::kSignatureDoesNotMatch);
  auto request = signed_get();
  std::string value = request.headers().back().second;
  value.replace(value.find("AKIA"), 4, "XKIA");
  EXPECT_EQ(code_of(request.replace("Authorization", value)), Code::kInvalidAccessKeyId);
  // A key that does not exist is not opened by the secret that stands in for it either.
  const std::string dummy(40, '0');
  auto forged = example_request("GET", "/k", kEmptySha256).sign_with(kThree, dummy);
  value = forged.headers().back().second;
  value.replace(value.find("AKIA"), 4, "XKIA");
  EXPECT_EQ(code_of(forged.replace("Authorization", value)), Code::kInvalidAccessKeyId);
}

TEST(Verifier, ClockSkewOfFifteenMinutesIsAllowed) {
  const auto request = signed_get();
  for (const std::int64_t sign : {-1, 1}) {
    EXPECT_TRUE(verify(request, example_time() + sign * kMaxClockSkewMs));
    EXPECT_EQ(code_of(request, example_time() + sign * (kMaxClockSkewMs + 1)),
              Code::kRequestTimeTooSkewed);
  }
}

TEST(Verifier, DateHeaderServesWhereXAmzDateIsMissing) {
  auto request = TestRequest("GET", "/k")
                     .header("Host", "h")
                     .header("Date", "Fri, 24 May 2013 00:00:00 GMT")
                     .header("x-amz-content-sha256", std::string(kEmptySha256))
                     .sign_with("date;host;x-amz-content-sha256");
  EXPECT_TRUE(verify(request));
  EXPECT_EQ(code_of(request.drop("Date")), Code::kAccessDenied);
  EXPECT_EQ(code_of(request.header("Date", "yesterday")), Code::kAccessDenied);
}

TEST(Verifier, OnlySignatureVersion4IsSpoken) {
  EXPECT_EQ(code_of(TestRequest("GET", "/").header("Authorization", "AWS AKIA:abc=")),
            Code::kInvalidRequest);
  EXPECT_EQ(code_of(TestRequest("GET", "/k?AWSAccessKeyId=AKIA&Expires=1&Signature=abc")),
            Code::kInvalidRequest);
  EXPECT_EQ(code_of(TestRequest("GET", "/").header("Authorization", "AWS4-ECDSA-P256-SHA256 x")),
            Code::kInvalidRequest);
  EXPECT_EQ(code_of(TestRequest("GET", "/").header("Authorization", "Bearer x")),
            Code::kInvalidArgument);
}

TEST(Verifier, MalformedAuthorizationIsNamedSo) {
  const std::string scope = std::string(kAccessKey) + "/" + std::string(kScope);
  for (const std::string& parameters : {
           std::string(),
           "Credential=" + scope,
           "Credential=" + scope + ",SignedHeaders=host",
           "Credential=" + scope + ",SignedHeaders=host,Signature=a,Signature=b",
           "Credential=" + scope + ",SignedHeaders=host,Signature=a,More=b",
           "Credential=" + scope + ",SignedHeaders=Host,Signature=a",
           "Credential=" + scope + ",SignedHeaders=host;;x,Signature=a",
           std::string("Credential=AKIA/20130524/us-east-1/s3,SignedHeaders=host,Signature=a"),
           std::string("Credential=AKIA/20130524/r/s3/aws5_request,SignedHeaders=host,Signature=a"),
           std::string("Credential=AKIA/2013052x/r/s3/aws4_request,SignedHeaders=host,Signature=a"),
           std::string("Credential=AKIA/20130525/r/s3/aws4_request,SignedHeaders=host,Signature=a"),
           std::string(
               "Credential=AKIA/20130524/r/ec2/aws4_request,SignedHeaders=host,Signature=a"),
       })
    EXPECT_EQ(code_of(example_request("GET", "/k", kEmptySha256)
                          .header("Authorization", "AWS4-HMAC-SHA256 " + parameters)),
              Code::kAuthorizationHeaderMalformed)
        << parameters;
}

TEST(Verifier, EmptyRegionAndSpacesBetweenPartsAreAccepted) {
  auto request = example_request("GET", "/k", kEmptySha256);
  const auto scope = *parse_credential("AKIAIOSFODNN7EXAMPLE/20130524//s3/aws4_request");
  EXPECT_EQ(scope.region, "");
  const auto canonical =
      *canonical_request(request.view(), *parse_signed_headers(kThree), kThree, kEmptySha256);
  const auto signature =
      sign(derive_signing_key(kSecretKey, scope), string_to_sign(kTime, scope.text(), canonical));
  request.header("Authorization",
                 "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524//s3/aws4_request, "
                 "SignedHeaders=" +
                     std::string(kThree) + ",  Signature=" + signature);
  EXPECT_TRUE(verify(request));
}

TEST(Verifier, HostAndEveryAmzHeaderMustBeSigned) {
  EXPECT_EQ(code_of(signed_get().header("x-amz-acl", "public-read")), Code::kAccessDenied);
  EXPECT_EQ(code_of(signed_get().header("X-AMZ-Meta-A", "b")), Code::kAccessDenied);
  EXPECT_TRUE(verify(signed_get().header("X-Amzn-Trace-Id", "b")));
  EXPECT_TRUE(verify(signed_get().header("X-Forwarded-For", "b")));
  EXPECT_EQ(
      code_of(
          example_request("GET", "/k", kEmptySha256).sign_with("x-amz-content-sha256;x-amz-date")),
      Code::kAccessDenied);
  EXPECT_EQ(code_of(presigned().header("x-amz-acl", "public-read")), Code::kAccessDenied);
  EXPECT_EQ(code_of(presigned().header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")),
            Code::kAccessDenied);
}

TEST(Verifier, PayloadHashMustMakeSense) {
  EXPECT_EQ(code_of(example_request("PUT", "/k", "abc").sign_with(kThree)), Code::kInvalidArgument);
  EXPECT_EQ(code_of(signed_get().drop("x-amz-content-sha256")), Code::kInvalidRequest);
  EXPECT_EQ(code_of(signed_get().header("x-amz-content-sha256", std::string(kEmptySha256))),
            Code::kInvalidRequest);
  const auto mode = [](std::string_view value) {
    return verify(example_request("PUT", "/k", value).sign_with(kThree))->payload;
  };
  EXPECT_EQ(mode("UNSIGNED-PAYLOAD"), PayloadMode::kUnsigned);
  EXPECT_EQ(mode("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), PayloadMode::kStreamingUnsignedTrailer);
  EXPECT_EQ(mode("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
            PayloadMode::kStreamingSignedTrailer);
}

TEST(Verifier, OnlyOneCredentialIsAllowed) {
  auto request = presigned();
  EXPECT_EQ(code_of(request.header("Authorization", "AWS4-HMAC-SHA256 x")), Code::kInvalidArgument);
  EXPECT_EQ(code_of(TestRequest("GET", "/k?AWSAccessKeyId=AKIA&Expires=1&Signature=abc")
                        .header("Authorization", "AWS4-HMAC-SHA256 x")),
            Code::kInvalidArgument);
  EXPECT_EQ(code_of(signed_get().header("Authorization", "AWS4-HMAC-SHA256 Credential=a")),
            Code::kAuthorizationHeaderMalformed);
}

TEST(Presigned, LivesAsLongAsItSays) {
  EXPECT_TRUE(verify(presigned(), example_time() + 86'400'000));
  EXPECT_EQ(code_of(presigned(), example_time() + 86'400'001), Code::kRequestExpired);
  EXPECT_TRUE(verify(presigned(), example_time() - kMaxClockSkewMs));
  EXPECT_EQ(code_of(presigned(), example_time() - kMaxClockSkewMs - 1), Code::kAccessDenied);
}

TEST(Presigned, ParametersAreChecked) {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"Expires=86400", "Expires=0"},
           {"Expires=86400", "Expires=-7"},
           {"Expires=86400", "Expires=604801"},
           {"Expires=86400", "Expires=1h"},
           {"Expires=86400", "Expires="},
           {"&X-Amz-Expires=86400", ""},
           {"&X-Amz-SignedHeaders=host", ""},
           {"&X-Amz-Date=20130524T000000Z", ""},
           {"&X-Amz-Signature=", "&Nothing="},
           {"X-Amz-Algorithm=AWS4-HMAC-SHA256&", ""},
           {"AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"},
           {"%2Faws4_request", ""},
           {"Date=20130524T000000Z", "Date=20130525T000000Z"},
           {"Date=20130524T000000Z", "Date=2013-05-24"},
           {"X-Amz-Expires=86400", "X-Amz-Expires=86400&X-Amz-Expires=1"},
           {"SignedHeaders=host", "SignedHeaders=Host"},
       })
    EXPECT_EQ(code_of(presigned(from, to)), Code::kAuthorizationQueryParametersError) << to;
}

TEST(Presigned, EveryPartIsBound) {
  EXPECT_EQ(code_of(presigned("/test.txt", "/test2.txt")), Code::kSignatureDoesNotMatch);
  EXPECT_EQ(code_of(presigned("Expires=86400", "Expires=86401")), Code::kSignatureDoesNotMatch);
  EXPECT_EQ(code_of(presigned("us-east-1", "us-east-2")), Code::kSignatureDoesNotMatch);
  EXPECT_EQ(code_of(presigned("?X", "?versionId=1&X")), Code::kSignatureDoesNotMatch);
  EXPECT_EQ(code_of(presigned("AKIA", "XKIA")), Code::kInvalidAccessKeyId);
  EXPECT_EQ(code_of(presigned("=aeeed", "=beeed")), Code::kSignatureDoesNotMatch);
}

TEST(Verifier, IamCallsAreSignedWithTheHashOfTheirBody) {
  const std::string body = "Action=ListUsers&Version=2010-05-08";
  const std::string hash = hex_encode(digest_of(DigestKind::kSha256, as_bytes(body)));
  auto request =
      TestRequest("POST", "/").header("Host", "h").header("x-amz-date", std::string(kTime));
  const auto scope = *parse_credential("AKIAIOSFODNN7EXAMPLE/20130524//iam/aws4_request");
  const auto canonical =
      *canonical_request(request.view(), {"host", "x-amz-date"}, "host;x-amz-date", hash);
  const auto signature =
      sign(derive_signing_key(kSecretKey, scope), string_to_sign(kTime, scope.text(), canonical));
  request.header("Authorization",
                 "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524//iam/aws4_request, "
                 "SignedHeaders=host;x-amz-date, Signature=" +
                     signature);
  EXPECT_TRUE(Verifier::needs_body(request.view()));
  EXPECT_FALSE(Verifier::needs_body(signed_get().view()));
  EXPECT_FALSE(Verifier::needs_body(presigned().view()));
  const Verifier verifier(example_credentials());
  const auto result = verifier.verify(request.view(), example_time(), hash);
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->service, "iam");
  EXPECT_EQ(verifier.verify(request.view(), example_time(), kEmptySha256).error().code,
            Code::kSignatureDoesNotMatch);
  EXPECT_EQ(verifier.verify(request.view(), example_time()).error().code, Code::kInvalidRequest);
}

TEST(Verifier, NewCredentialsTakeTheOldKeysOutOfTheCache) {
  Verifier verifier(example_credentials());
  ASSERT_TRUE(verifier.verify(signed_get().view(), example_time()));
  auto other = *example_credentials()->find(kAccessKey);
  other.secret_key = "changed";
  verifier.set_credentials(*CredentialStore::create({other}));
  EXPECT_EQ(verifier.verify(signed_get().view(), example_time()).error().code,
            Code::kSignatureDoesNotMatch);
}

TEST(Policy, IsVerifiedInBothVersions) {
  const Verifier verifier(example_credentials());
  // The policy and signature of "Example: Browser-Based Upload using HTTP POST (Using AWS Signature
  // Version 4)" are long; the key chain is the same, so ours are made here.
  const std::string policy =
      base64_encode(std::string_view("{\"expiration\":\"2013-08-07T12:00:00.000Z\"}"));
  const std::string credential = std::string(kAccessKey) + "/" + std::string(kScope);
  const auto signature =
      sign(derive_signing_key(kSecretKey, *parse_credential(credential)), policy);
  EXPECT_EQ(
      verifier.verify_policy(policy, "AWS4-HMAC-SHA256", credential, kTime, signature)->user_id,
      "canonical-id");
  EXPECT_EQ(verifier.verify_policy(policy + "A", "AWS4-HMAC-SHA256", credential, kTime, signature)
                .error()
                .code,
            Code::kSignatureDoesNotMatch);
  EXPECT_EQ(verifier.verify_policy(policy, "AWS4-HMAC-SHA256", "X" + credential, kTime, signature)
                .error()
                .code,
            Code::kInvalidAccessKeyId);
  EXPECT_EQ(verifier.verify_policy(policy, "HMAC", credential, kTime, signature).error().code,
            Code::kInvalidArgument);
  // HMAC-SHA1 of "policy", made with `openssl dgst -sha1 -hmac`.
  EXPECT_EQ(
      verifier.verify_policy_v2("policy", kAccessKey, "RDbpo48fznv4y75aJ1A4eQxc9AA=")->user_id,
      "canonical-id");
  EXPECT_EQ(
      verifier.verify_policy_v2("Policy", kAccessKey, "RDbpo48fznv4y75aJ1A4eQxc9AA=").error().code,
      Code::kSignatureDoesNotMatch);
  EXPECT_EQ(
      verifier.verify_policy_v2("policy", "AKNONE", "RDbpo48fznv4y75aJ1A4eQxc9AA=").error().code,
      Code::kInvalidAccessKeyId);
}

RC_GTEST_PROP(Verifier, AnySignedRequestVerifiesAndAnyOtherDoesNot, ()) {
  const auto path_chars =
      rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab/.~-_%20+!*'(")));
  std::string path = *path_chars;
  if (!percent_decode(path)) path.clear();
  const auto value = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab ,=\"\t")));
  auto request = example_request("PUT", "/" + path, "UNSIGNED-PAYLOAD")
                     .header("x-amz-meta-a", "x" + value + "x")
                     .sign_with("host;x-amz-content-sha256;x-amz-date;x-amz-meta-a");
  RC_ASSERT(verify(request).has_value());
  request.replace("x-amz-meta-a", "x" + value + "y");
  RC_ASSERT(verify(request).error().code == Code::kSignatureDoesNotMatch);
}

}  // namespace
}  // namespace hydra::s3
