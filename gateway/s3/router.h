// From a request line to an operation: path or virtual-host style, subresources, and what is not
// supported. Pure.
#pragma once

#include <string>
#include <string_view>

#include "gateway/s3/call.h"

namespace hydra::s3 {

struct Target {
  std::string bucket;
  std::string key;
};

// kInvalidUri (broken escape, key that is not UTF-8), kKeyTooLong (over 1024 bytes),
// kInvalidBucketName.
Result<Target> find_target(const http::Request& request, const std::vector<std::string>& domains);

// The operation for a call whose target and query are set. kMethodNotAllowed; kNotImplemented for
// subresources and headers that ask for something that is not supported.
Result<Operation> route(const Call& call);

// What AWS calls it; of static storage.
std::string_view operation_name(Operation operation, const Call& call);

// The rules for the names of new buckets (AWS, "Bucket naming rules").
bool is_valid_bucket_name(std::string_view name);

}  // namespace hydra::s3
