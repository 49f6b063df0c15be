// AWS Signature Version 4 from the client's side, for presigned URLs and signed headers. The body
// is UNSIGNED-PAYLOAD in both. Apart from the gateway's code on purpose: what is measured does not
// check itself. Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API
// Reference.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/crypto.h"

namespace hydra::bench {

struct Credentials {
  std::string access_key;
  std::string secret_key;
};

constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

// For one endpoint, region and moment.
class Signer {
 public:
  using Query = std::map<std::string, std::string>;  // not encoded

  // `amz_date` as 20130524T000000Z; `host` as it stands in the Host header.
  Signer(Credentials credentials, std::string region, std::string host, std::string amz_date);

  // The request target (/path?query) with the signature in its query. `path` is percent-encoded.
  std::string presign(std::string_view method, std::string_view path, Query query,
                      int expires_s) const;

  // The header lines, each with CRLF, that sign the request: x-amz-date, x-amz-content-sha256 and
  // Authorization. Host is the caller's.
  std::string sign_headers(std::string_view method, std::string_view path, const Query& query,
                           std::string_view payload_hash = kUnsignedPayload) const;

  static std::string encode(const Query& query);

 private:
  std::string signature(std::string_view canonical_request) const;

  Credentials credentials_;
  std::string host_;
  std::string amz_date_;
  std::string scope_;
  Sha256 key_;
};

}  // namespace hydra::bench
