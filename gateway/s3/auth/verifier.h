// The one verifier that stands before routing: it alone turns a request into a Principal.
//
// A Verifier belongs to one worker's loop (its cache of signing keys is not shared); the
// CredentialStore behind it is shared and immutable. An unknown access key costs the same work as a
// wrong signature: both are signed with a key and compared in constant time, so that the time of an
// answer tells nothing that its code does not.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/crypto.h"
#include "base/result.h"
#include "gateway/http/http.h"
#include "gateway/s3/auth/credentials.h"
#include "gateway/s3/auth/sigv4.h"

namespace hydra::s3 {

constexpr std::int64_t kMaxClockSkewMs = 15 * 60 * 1000;
constexpr std::int64_t kMaxPresignedSeconds = 7 * 24 * 3600;

// How the payload is bound to the signature, from x-amz-content-sha256.
enum class PayloadMode : std::uint8_t {
  kUnsigned,
  kSigned,                    // SHA-256 of the whole body
  kStreamingSigned,           // aws-chunked, each chunk signed
  kStreamingSignedTrailer,    // and signed trailers
  kStreamingUnsignedTrailer,  // aws-chunked, nothing signed, trailers
};
inline bool is_aws_chunked(PayloadMode mode) { return mode >= PayloadMode::kStreamingSigned; }

// What a chunk's signature continues from.
struct ChunkSigning {
  std::string seed_signature;
  Sha256 key{};
  std::string amz_date;
  std::string scope;
};

struct Authenticated {
  Principal principal;
  PayloadMode payload = PayloadMode::kUnsigned;
  std::string payload_sha256;  // raw, for kSigned
  ChunkSigning chunks;         // for the streaming modes
  bool presigned = false;
  std::string region;   // of the credential scope
  std::string service;  // "s3", "iam" or "sts"
};

struct SignatureClaim;  // what a request says of itself, before anything is proved

class Verifier {
 public:
  explicit Verifier(std::shared_ptr<const CredentialStore> credentials);

  // kAccessDenied, kAuthorizationHeaderMalformed, kAuthorizationQueryParametersError,
  // kInvalidAccessKeyId, kSignatureDoesNotMatch, kRequestTimeTooSkewed, kRequestExpired,
  // kInvalidRequest, kInvalidArgument, kInvalidUri. Without credentials: an anonymous principal.
  // `body_sha256` (hex) is for calls that needs_body() names.
  Result<Authenticated> verify(const http::Request& request, std::int64_t wall_ms,
                               std::optional<std::string_view> body_sha256 = std::nullopt) const;

  // IAM and STS calls bring no hash of their (small) body: read it first, and give its SHA-256 to
  // verify().
  static bool needs_body(const http::Request& request);

  // Browser uploads (POST Object): the signature of the policy document, as it came in base64.
  Result<Principal> verify_policy(std::string_view policy, std::string_view algorithm,
                                  std::string_view credential, std::string_view amz_date,
                                  std::string_view signature) const;
  // The same with the fields AWSAccessKeyId and Signature (HMAC-SHA1, Signature Version 2).
  Result<Principal> verify_policy_v2(std::string_view policy, std::string_view access_key,
                                     std::string_view signature) const;

  void set_credentials(std::shared_ptr<const CredentialStore> credentials);
  const CredentialStore& credentials() const { return *credentials_; }

 private:
  Result<Authenticated> prove(const http::Request& request, const SignatureClaim& claim,
                              std::optional<std::string_view> body_sha256) const;
  Sha256 signing_key(const CredentialScope& scope, std::string_view scope_text,
                     const Credential* credential) const;

  static constexpr std::size_t kMaxCachedKeys = 4096;

  std::shared_ptr<const CredentialStore> credentials_;
  mutable std::unordered_map<std::string, Sha256>
      signing_keys_;  // unknown access keys too: equal cost
};

}  // namespace hydra::s3
