// The one table that maps a Code to what an S3 client sees: error name, HTTP status, message.
// Source: AWS, "Error responses" of the Amazon S3 API Reference.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hydra::s3 {

struct ErrorRow {
  Code code;
  std::string_view name;
  int status;
  std::string_view message;  // used where the Error brings none
};

// Codes without a row of their own are rendered as InternalError, and their message is kept from
// the client.
const ErrorRow& error_row(Code code);

// The <Error> document. `resource` is the path as the client sent it.
std::string render_error(const Error& error, std::string_view resource,
                         std::string_view request_id);

}  // namespace hydra::s3
