#include "gateway/s3/auth/verifier.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/assert.h"
#include "base/digest.h"
#include "base/encoding.h"
#include "gateway/http/head_parser.h"
#include "gateway/s3/auth/query_auth.h"

namespace hydra::s3 {

struct SignatureClaim {
  CredentialScope scope;
  std::string amz_date;
  std::string signed_header_list;
  std::string signature;
  bool presigned = false;
  std::optional<std::string> payload;  // X-Amz-Content-Sha256 of a presigned URL
};

namespace {

// Stands in for the secret of an access key that does not exist.
constexpr std::string_view kDummySecret = "0000000000000000000000000000000000000000";
constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

auto old_signature() {
  return fail(Code::kInvalidRequest,
              "The authorization mechanism you have provided is not supported. Please use "
              "AWS4-HMAC-SHA256.");
}
auto wrong_signature() {
  return fail(Code::kSignatureDoesNotMatch,
              "The request signature we calculated does not match the signature you provided. "
              "Check your key and signing method.");
}
auto unknown_key() {
  return fail(Code::kInvalidAccessKeyId,
              "The AWS Access Key Id you provided does not exist in our records.");
}

bool is_known_service(std::string_view service) {
  return service == "s3" || service == "iam" || service == "sts";
}

Result<PayloadMode> payload_mode(std::string_view value, std::string& raw_sha256) {
  if (value == kUnsignedPayload) return PayloadMode::kUnsigned;
  if (value == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") return PayloadMode::kStreamingSigned;
  if (value == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
    return PayloadMode::kStreamingSignedTrailer;
  if (value == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") return PayloadMode::kStreamingUnsignedTrailer;
  if (auto raw = hex_decode(value); raw && raw->size() == 32) {
    raw_sha256 = std::move(*raw);
    return PayloadMode::kSigned;
  }
  return fail(Code::kInvalidArgument,
              "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
              "STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
              "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a valid sha256 value.");
}

bool same_text(std::string_view a, std::string_view b) {
  return equal_constant_time(as_bytes(a), as_bytes(b));
}

std::string hmac_sha1(std::string_view key, std::string_view text) {
  constexpr std::size_t kBlock = 64;
  HYDRA_ASSERT(key.size() <= 4 * kBlock);
  std::string block(key);
  if (block.size() > kBlock) block = digest_of(DigestKind::kSha1, as_bytes(key));
  block.resize(kBlock, '\0');
  const auto pass = [&block](char pad, std::string_view data) {
    std::string padded = block;
    for (char& c : padded) c ^= pad;
    const auto digest = make_digest(DigestKind::kSha1);
    digest->update(as_bytes(padded));
    digest->update(as_bytes(data));
    return digest->finish();
  };
  return pass(0x5c, pass(0x36, text));
}

// Every x-amz-* header that is there must be signed, or a third party could add one on the way. The
// payload's hash is part of what is signed in any case, except in a presigned URL.
Status check_signed_headers(const http::Request& request,
                            const std::vector<std::string_view>& names, bool presigned) {
  const auto is_signed = [&names](std::string_view name) {
    return std::any_of(names.begin(), names.end(), [name](std::string_view signed_name) {
      return http::equal_ignoring_case(name, signed_name);
    });
  };
  bool good = is_signed("host");
  for (const http::Field& field : request.fields) {
    if (!http::equal_ignoring_case(field.name.substr(0, 6), "x-amz-")) continue;
    if (!presigned && http::equal_ignoring_case(field.name, "x-amz-content-sha256")) continue;
    good = good && is_signed(field.name);
  }
  if (good) return {};
  return fail(Code::kAccessDenied,
              "There were headers present in the request which were not signed");
}

// The time a header-signed request was made: x-amz-date, else Date.
Result<std::int64_t> request_time(const http::Request& request) {
  std::optional<std::int64_t> time;
  if (const auto amz = request.field("x-amz-date")) {
    time = parse_amz_date(*amz);
    if (!time) time = parse_http_date(*amz);
  } else if (const auto date = request.field("date")) {
    time = parse_http_date(*date);
    if (!time) time = parse_amz_date(*date);
  }
  if (!time)
    return fail(Code::kAccessDenied,
                "AWS authentication requires a valid Date or x-amz-date header");
  return *time;
}

Result<CredentialScope> read_scope(std::string_view credential, std::string_view amz_date,
                                   Code malformed) {
  auto scope = parse_credential(credential);
  if (!scope)
    return fail(malformed,
                "the credential is malformed; it must be "
                "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"");
  if (!is_known_service(scope->service))
    return fail(malformed, "the credential names a service that is not served here");
  if (scope->date != amz_date.substr(0, 8))
    return fail(malformed, "the date of the credential is not the date of the request");
  return *std::move(scope);
}

Result<SignatureClaim> query_claim(QueryAuth auth, std::int64_t wall_ms) {
  constexpr Code kMalformed = Code::kAuthorizationQueryParametersError;
  if (auth.algorithm != kSigV4Algorithm)
    return fail(kMalformed, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
  const auto time = parse_amz_date(auth.date);
  if (!time)
    return fail(kMalformed,
                "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  std::int64_t seconds = 0;
  const char* const end = auth.expires.data() + auth.expires.size();
  const auto [stop, error] = std::from_chars(auth.expires.data(), end, seconds);
  if (error != std::errc() || stop != end)
    return fail(kMalformed, "X-Amz-Expires should be a number");
  if (seconds < 1) return fail(kMalformed, "X-Amz-Expires must be positive");
  if (seconds > kMaxPresignedSeconds)
    return fail(kMalformed, "X-Amz-Expires must be less than a week (in seconds)");
  HYDRA_TRY(CredentialScope scope, read_scope(auth.credential, auth.date, kMalformed));
  if (*time - wall_ms > kMaxClockSkewMs)
    return fail(Code::kAccessDenied, "Request is not yet valid");
  if (wall_ms > *time + seconds * 1000) return fail(Code::kRequestExpired, "Request has expired");
  return SignatureClaim{std::move(scope),
                        std::move(auth.date),
                        std::move(auth.signed_headers),
                        std::move(auth.signature),
                        true,
                        std::move(auth.content_sha256)};
}

Result<SignatureClaim> header_claim(const http::Request& request, std::string_view authorization,
                                    std::int64_t wall_ms) {
  constexpr Code kMalformed = Code::kAuthorizationHeaderMalformed;
  const auto space = std::min(authorization.find(' '), authorization.size());
  const std::string_view algorithm = authorization.substr(0, space);
  if (algorithm == "AWS" || algorithm == "AWS4-ECDSA-P256-SHA256") return old_signature();
  if (algorithm != kSigV4Algorithm)
    return fail(Code::kInvalidArgument, "Unsupported Authorization Type");
  if (request.count("authorization") > 1) return fail(kMalformed, "more than one Authorization");
  const auto parts = parse_authorization(authorization.substr(space));
  if (!parts)
    return fail(kMalformed,
                "the authorization header requires three components: Credential, SignedHeaders, "
                "and Signature.");
  HYDRA_TRY(const std::int64_t time, request_time(request));
  const std::string amz_date = format_amz_date(time);
  HYDRA_TRY(CredentialScope scope, read_scope(parts->credential, amz_date, kMalformed));
  if (wall_ms - time > kMaxClockSkewMs || time - wall_ms > kMaxClockSkewMs)
    return fail(Code::kRequestTimeTooSkewed,
                "The difference between the request time and the current time is too large.");
  return SignatureClaim{std::move(scope),
                        amz_date,
                        std::string(parts->signed_headers),
                        std::string(parts->signature),
                        false,
                        std::nullopt};
}

}  // namespace

Verifier::Verifier(std::shared_ptr<const CredentialStore> credentials)
    : credentials_(std::move(credentials)) {
  HYDRA_ASSERT(credentials_ != nullptr);
}

void Verifier::set_credentials(std::shared_ptr<const CredentialStore> credentials) {
  HYDRA_ASSERT(credentials != nullptr);
  credentials_ = std::move(credentials);
  signing_keys_.clear();
}

Result<Authenticated> Verifier::verify(const http::Request& request, std::int64_t wall_ms,
                                       std::optional<std::string_view> body_sha256) const {
  HYDRA_TRY(QueryCredentials query, find_query_credentials(request.query));
  const std::string_view authorization = request.field("authorization").value_or("");
  if (!authorization.empty() && (query.v4 || query.v2))
    return fail(Code::kInvalidArgument,
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
                "Signature query string parameter or the Authorization header should be specified");
  if (request.count("x-amz-content-sha256") > 1 || request.count("x-amz-date") > 1)
    return fail(Code::kInvalidRequest, "x-amz-content-sha256 or x-amz-date is given twice");
  if (query.v2) return old_signature();
  if (query.v4) {
    HYDRA_TRY(const SignatureClaim claim, query_claim(*std::move(query.v4), wall_ms));
    return prove(request, claim, body_sha256);
  }
  if (!authorization.empty()) {
    HYDRA_TRY(const SignatureClaim claim, header_claim(request, authorization, wall_ms));
    return prove(request, claim, body_sha256);
  }
  Authenticated out;
  out.principal.anonymous = true;
  out.service = "s3";
  if (const auto value = request.field("x-amz-content-sha256")) {
    HYDRA_TRY(out.payload, payload_mode(*value, out.payload_sha256));
    if (out.payload == PayloadMode::kStreamingSigned ||
        out.payload == PayloadMode::kStreamingSignedTrailer)
      return fail(Code::kInvalidRequest, "signed chunks need a signed request");
  }
  return out;
}

Result<Authenticated> Verifier::prove(const http::Request& request, const SignatureClaim& claim,
                                      std::optional<std::string_view> body_sha256) const {
  const auto names = parse_signed_headers(claim.signed_header_list);
  if (!names)
    return fail(claim.presigned ? Code::kAuthorizationQueryParametersError
                                : Code::kAuthorizationHeaderMalformed,
                "SignedHeaders is malformed");
  HYDRA_CHECK_OK(check_signed_headers(request, *names, claim.presigned));
  std::string_view hash;
  if (claim.payload) {
    hash = *claim.payload;
  } else if (const auto value = request.field("x-amz-content-sha256")) {
    hash = *value;
  } else if (claim.presigned) {
    hash = kUnsignedPayload;
  } else if (claim.scope.service != "s3" && body_sha256) {
    hash = *body_sha256;
  } else {
    return fail(Code::kInvalidRequest,
                "Missing required header for this request: x-amz-content-sha256");
  }
  Authenticated out;
  HYDRA_TRY(out.payload, payload_mode(hash, out.payload_sha256));
  HYDRA_TRY(const std::string canonical,
            canonical_request(request, *names, claim.signed_header_list, hash));
  const Credential* const credential = credentials_->find(claim.scope.access_key);
  const std::string scope = claim.scope.text();
  const Sha256 key = signing_key(claim.scope, scope, credential);
  std::string expected = sign(key, string_to_sign(claim.amz_date, scope, canonical));
  const bool same = same_text(expected, claim.signature);
  if (credential == nullptr) return unknown_key();
  if (!same) return wrong_signature();
  out.principal = credential->owner;
  out.presigned = claim.presigned;
  out.region = claim.scope.region;
  out.service = claim.scope.service;
  if (is_aws_chunked(out.payload)) out.chunks = {std::move(expected), key, claim.amz_date, scope};
  return out;
}

Sha256 Verifier::signing_key(const CredentialScope& scope, std::string_view scope_text,
                             const Credential* credential) const {
  std::string name;
  name.reserve(scope.access_key.size() + 1 + scope_text.size());
  name.append(scope.access_key).append("\n").append(scope_text);
  if (const auto cached = signing_keys_.find(name); cached != signing_keys_.end())
    return cached->second;
  if (signing_keys_.size() >= kMaxCachedKeys) signing_keys_.clear();
  const Sha256 key =
      derive_signing_key(credential != nullptr ? credential->secret_key : kDummySecret, scope);
  signing_keys_.emplace(name, key);
  return key;
}

bool Verifier::needs_body(const http::Request& request) {
  if (request.field("x-amz-content-sha256")) return false;
  const std::string_view authorization = request.field("authorization").value_or("");
  if (!authorization.starts_with(kSigV4Algorithm)) return false;
  const auto parts = parse_authorization(authorization.substr(kSigV4Algorithm.size()));
  if (!parts) return false;
  const auto scope = parse_credential(parts->credential);
  return scope && scope->service != "s3" && is_known_service(scope->service);
}

Result<Principal> Verifier::verify_policy(std::string_view policy, std::string_view algorithm,
                                          std::string_view credential, std::string_view amz_date,
                                          std::string_view signature) const {
  if (algorithm != kSigV4Algorithm)
    return fail(Code::kInvalidArgument, "x-amz-algorithm only supports \"AWS4-HMAC-SHA256\"");
  if (!parse_amz_date(amz_date)) return fail(Code::kAccessDenied, "x-amz-date is malformed");
  HYDRA_TRY(const CredentialScope scope,
            read_scope(credential, amz_date, Code::kAuthorizationHeaderMalformed));
  const Credential* const found = credentials_->find(scope.access_key);
  const bool same = same_text(sign(signing_key(scope, scope.text(), found), policy), signature);
  if (found == nullptr) return unknown_key();
  if (!same) return wrong_signature();
  return found->owner;
}

Result<Principal> Verifier::verify_policy_v2(std::string_view policy, std::string_view access_key,
                                             std::string_view signature) const {
  const Credential* const found = credentials_->find(access_key);
  const std::string_view secret =
      found != nullptr ? std::string_view(found->secret_key) : kDummySecret;
  const bool same = same_text(base64_encode(hmac_sha1(secret, policy)), signature);
  if (found == nullptr) return unknown_key();
  if (!same) return wrong_signature();
  return found->owner;
}

}  // namespace hydra::s3
