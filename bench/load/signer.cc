#include "bench/load/signer.h"

#include <fmt/format.h>

#include "base/encoding.h"

namespace hydra::bench {

Signer::Signer(Credentials credentials, std::string region, std::string host, std::string amz_date)
    : credentials_(std::move(credentials)), host_(std::move(host)), amz_date_(std::move(amz_date)) {
  const std::string day = amz_date_.substr(0, 8);
  scope_ = fmt::format("{}/{}/s3/aws4_request", day, region);
  const std::string secret = "AWS4" + credentials_.secret_key;
  key_ = hmac_sha256(as_bytes(secret), as_bytes(day));
  for (const std::string_view part :
       {std::string_view(region), std::string_view("s3"), std::string_view("aws4_request")})
    key_ = hmac_sha256(key_, as_bytes(part));
}

std::string Signer::encode(const Query& query) {
  std::string out;
  for (const auto& [name, value] : query) {
    if (!out.empty()) out += '&';
    out += percent_encode(name) + "=" + percent_encode(value);
  }
  return out;
}

std::string Signer::signature(std::string_view canonical_request) const {
  const Sha256 hash = sha256(as_bytes(canonical_request));
  const std::string text =
      fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", amz_date_, scope_, hex_encode(hash));
  return hex_encode(hmac_sha256(key_, as_bytes(text)));
}

std::string Signer::presign(std::string_view method, std::string_view path, Query query,
                            int expires_s) const {
  query["X-Amz-Algorithm"] = "AWS4-HMAC-SHA256";
  query["X-Amz-Credential"] = credentials_.access_key + "/" + scope_;
  query["X-Amz-Date"] = amz_date_;
  query["X-Amz-Expires"] = std::to_string(expires_s);
  query["X-Amz-SignedHeaders"] = "host";
  const std::string text = encode(query);
  const std::string canonical =
      fmt::format("{}\n{}\n{}\nhost:{}\n\nhost\n{}", method, path, text, host_, kUnsignedPayload);
  return fmt::format("{}?{}&X-Amz-Signature={}", path, text, signature(canonical));
}

std::string Signer::sign_headers(std::string_view method, std::string_view path, const Query& query,
                                 std::string_view payload_hash) const {
  constexpr std::string_view kSigned = "host;x-amz-content-sha256;x-amz-date";
  const std::string canonical =
      fmt::format("{}\n{}\n{}\nhost:{}\nx-amz-content-sha256:{}\nx-amz-date:{}\n\n{}\n{}", method,
                  path, encode(query), host_, payload_hash, amz_date_, kSigned, payload_hash);
  return fmt::format(
      "x-amz-content-sha256: {}\r\nx-amz-date: {}\r\nAuthorization: AWS4-HMAC-SHA256 "
      "Credential={}/{}, SignedHeaders={}, Signature={}\r\n",
      payload_hash, amz_date_, credentials_.access_key, scope_, kSigned, signature(canonical));
}

}  // namespace hydra::bench
