// Errors on the admin socket: an HTTP status, and a body of {"error": {"code": "Conflict",
// "message": "a sentence for a person"}}. The gateway writes them, hydractl reads them. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hydra::admin {

int http_status(Code code);
std::string to_json(const Error& error);

// The inverse, as far as a caller must tell errors apart: kInvalidArgument (400), kNotFound (404),
// kConflict (409), kUnavailable (503), kTimeout (504), kInternal for the rest. A body that is none
// of ours becomes the message.
Error parse_error(int http_status, std::string_view body);

}  // namespace hydra::admin
