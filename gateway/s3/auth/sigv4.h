// AWS Signature Version 4 as S3 has it: pure functions from a request to what is signed.
// Sources: "Authenticating Requests (AWS Signature Version 4)", "Signature Calculations for the
// Authorization Header" (single and multiple chunks, trailers) and "Using Query Parameters" in the
// Amazon S3 API Reference.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/result.h"
#include "gateway/http/http.h"

namespace hydra::s3 {

constexpr std::string_view kSigV4Algorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kEmptySha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// ACCESS_KEY/YYYYMMDD/REGION/SERVICE/aws4_request. The region may be empty.
struct CredentialScope {
  std::string access_key;
  std::string date;
  std::string region;
  std::string service;

  std::string text() const { return date + "/" + region + "/" + service + "/aws4_request"; }
};
std::optional<CredentialScope> parse_credential(std::string_view text);

// The value of an Authorization header behind the algorithm's name.
struct AuthorizationParts {
  std::string_view credential;
  std::string_view signed_headers;
  std::string_view signature;
};
std::optional<AuthorizationParts> parse_authorization(std::string_view parameters);

// Names in order, as between the semicolons; nullopt when one is empty or not in lower case.
std::optional<std::vector<std::string_view>> parse_signed_headers(std::string_view list);

// Path and query, decoded and encoded again in the one way that is signed. kInvalidUri on a broken
// escape. The query comes sorted, without X-Amz-Signature.
Result<std::string> canonical_path(std::string_view path);
Result<std::string> canonical_query(std::string_view query);

Result<std::string> canonical_request(const http::Request& request,
                                      const std::vector<std::string_view>& signed_headers,
                                      std::string_view signed_header_list,
                                      std::string_view payload_hash);

std::string string_to_sign(std::string_view amz_date, std::string_view scope,
                           std::string_view canonical_request);
// Of one chunk of aws-chunked, and of its trailers ("name:value\n" each, sorted).
std::string chunk_string_to_sign(std::string_view amz_date, std::string_view scope,
                                 std::string_view previous_signature,
                                 std::string_view chunk_sha256);
std::string trailer_string_to_sign(std::string_view amz_date, std::string_view scope,
                                   std::string_view previous_signature, std::string_view trailers);

Sha256 derive_signing_key(std::string_view secret_key, const CredentialScope& scope);
std::string sign(const Sha256& signing_key, std::string_view text);  // lower-case hex

}  // namespace hydra::s3
