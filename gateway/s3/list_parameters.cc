#include "gateway/s3/list_parameters.h"

#include <algorithm>
#include <charconv>

#include "base/encoding.h"

namespace hydra::s3 {

Result<std::size_t> page_limit(const Query& query, std::string_view name, std::size_t most) {
  const std::string* text = query.find(name);
  if (text == nullptr || text->empty()) return most;
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size())
    return fail(Code::kInvalidArgument,
                "Provided " + std::string(name) + " is not an integer or within integer range");
  return std::min(value, most);
}

Result<bool> wants_url_encoding(const Query& query) {
  const std::string* type = query.find("encoding-type");
  if (type == nullptr || type->empty()) return false;
  if (*type != "url")
    return fail(Code::kInvalidArgument, "Invalid Encoding Method specified in Request");
  return true;
}

std::string shown_key(std::string_view key, bool url_encoded) {
  return url_encoded ? percent_encode(key, true) : std::string(key);
}

}  // namespace hydra::s3
