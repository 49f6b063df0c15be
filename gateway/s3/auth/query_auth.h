// The X-Amz-* parameters of a presigned URL.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "gateway/http/http.h"

namespace hydra::s3 {

struct QueryAuth {
  std::string algorithm;
  std::string credential;
  std::string date;
  std::string expires;
  std::string signed_headers;
  std::string signature;
  std::optional<std::string> content_sha256;
};

struct QueryCredentials {
  std::optional<QueryAuth> v4;  // when any parameter of Signature Version 4 is there
  bool v2 = false;              // AWSAccessKeyId and Signature
};

// kInvalidUri; kAuthorizationQueryParametersError when a parameter is missing or given twice.
Result<QueryCredentials> find_query_credentials(std::string_view query);

// Whether a (decoded) parameter is one of those, which mean nothing to an operation.
bool belongs_to_signature(std::string_view name);

}  // namespace hydra::s3
