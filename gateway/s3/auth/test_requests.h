// Requests for the tests of this folder: the credentials and the time of the examples that AWS
// publishes, and a client side of the signature that is used where no example exists.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "gateway/http/http.h"
#include "gateway/s3/auth/verifier.h"

namespace hydra::s3::testing_support {

constexpr std::string_view kAccessKey = "AKIAIOSFODNN7EXAMPLE";
constexpr std::string_view kSecretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr std::string_view kTime = "20130524T000000Z";
constexpr std::string_view kScope = "20130524/us-east-1/s3/aws4_request";

inline std::int64_t example_time() { return *parse_amz_date(kTime); }

inline std::shared_ptr<const CredentialStore> example_credentials() {
  Credential credential{.access_key = std::string(kAccessKey),
                        .secret_key = std::string(kSecretKey)};
  credential.owner.user_id = "canonical-id";
  credential.owner.display_name = "Example";
  return *CredentialStore::create({credential});
}

// An http::Request that owns its text.
class TestRequest {
 public:
  TestRequest(std::string method, std::string target) : method_(std::move(method)) {
    set_target(std::move(target));
  }
  void set_target(std::string target) { target_ = std::move(target); }
  TestRequest& header(std::string name, std::string value) {
    headers_.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  TestRequest& drop(std::string_view name) {
    std::erase_if(headers_, [name](const auto& item) { return item.first == name; });
    return *this;
  }
  TestRequest& replace(std::string name, std::string value) {
    return drop(name).header(std::move(name), std::move(value));
  }
  const std::string& method() const { return method_; }
  const std::string& target() const { return target_; }
  const std::vector<std::pair<std::string, std::string>>& headers() const { return headers_; }

  http::Request view() const {
    http::Request request;
    request.method = method_;
    request.target = target_;
    const auto mark = std::min(target_.find('?'), target_.size());
    request.path = request.target.substr(0, mark);
    request.query = request.target.substr(std::min(mark + 1, target_.size()));
    for (const auto& [name, value] : headers_) request.fields.push_back({name, value});
    return request;
  }

  TestRequest& authorization(std::string_view signed_headers, std::string_view signature) {
    return header("Authorization",
                  fmt::format("AWS4-HMAC-SHA256 Credential={}/{},SignedHeaders={},Signature={}",
                              kAccessKey, kScope, signed_headers, signature));
  }

  // Signs what is there with our own functions; the payload hash is the x-amz-content-sha256
  // header.
  TestRequest& sign_with(std::string_view signed_headers, std::string_view secret = kSecretKey) {
    const http::Request request = view();
    const auto hash = request.field("x-amz-content-sha256").value_or("UNSIGNED-PAYLOAD");
    const auto names = *parse_signed_headers(signed_headers);
    const std::string canonical = *canonical_request(request, names, signed_headers, hash);
    const Sha256 key = derive_signing_key(
        secret, *parse_credential(std::string(kAccessKey) + "/" + std::string(kScope)));
    return authorization(signed_headers, sign(key, string_to_sign(kTime, kScope, canonical)));
  }

 private:
  std::string method_;
  std::string target_;
  std::vector<std::pair<std::string, std::string>> headers_;
};

inline TestRequest example_request(std::string method, std::string target,
                                   std::string_view sha256) {
  TestRequest request(std::move(method), std::move(target));
  request.header("Host", "examplebucket.s3.amazonaws.com");
  request.header("x-amz-date", std::string(kTime));
  request.header("x-amz-content-sha256", std::string(sha256));
  return request;
}

}  // namespace hydra::s3::testing_support
