#include "gateway/admin/errors.h"

#include <nlohmann/json.hpp>

namespace hydra::admin {

namespace {

Code code_of(int http_status) {
  switch (http_status) {
    case 400:
      return Code::kInvalidArgument;
    case 404:
      return Code::kNotFound;
    case 409:
      return Code::kConflict;
    case 503:
      return Code::kUnavailable;
    case 504:
      return Code::kTimeout;
    default:
      return Code::kInternal;
  }
}

}  // namespace

int http_status(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
    case Code::kBadRequest:
      return 400;
    case Code::kNotFound:
    case Code::kNoSuchBucket:
    case Code::kNoSuchKey:
    case Code::kNoSuchVersion:
      return 404;
    case Code::kMethodNotAllowed:
      return 405;
    case Code::kAlreadyExists:
    case Code::kConflict:
    case Code::kPreconditionFailed:
      return 409;
    case Code::kTooLarge:
      return 413;
    case Code::kUnsupported:
    case Code::kNotImplemented:
      return 501;
    case Code::kUnavailable:
      return 503;
    case Code::kTimeout:
      return 504;
    case Code::kNoSpace:
      return 507;
    default:
      return 500;
  }
}

std::string to_json(const Error& error) {
  using Json = nlohmann::ordered_json;
  const Json json = {
      {"error",
       {{"code", code_name(error.code)},
        {"message", error.message.empty() ? code_name(error.code) : error.message}}}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Error parse_error(int http_status, std::string_view body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (json.is_object() && json.contains("error") && json["error"].is_object()) {
    const auto& error = json["error"];
    if (error.contains("message") && error["message"].is_string())
      return {code_of(http_status), error["message"].get<std::string>()};
  }
  return {code_of(http_status), std::string(body)};
}

}  // namespace hydra::admin
