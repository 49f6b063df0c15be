// Parameters that several listings share. Pure.
#pragma once

#include "gateway/s3/call.h"

namespace hydra::s3 {

// A non-negative number, clamped to `most`, which is also what its absence means. kInvalidArgument.
Result<std::size_t> page_limit(const Query& query, std::string_view name, std::size_t most);

// encoding-type: "url" or nothing. kInvalidArgument.
Result<bool> wants_url_encoding(const Query& query);

// A key as a listing shows it.
std::string shown_key(std::string_view key, bool url_encoded);

}  // namespace hydra::s3
