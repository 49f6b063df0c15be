// Any bytes: no crash, no view outside the input, and the same outcome whether they come at once or
// one by one.
#include <cstdlib>

#include "gateway/http/head_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hydra;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  http::Limits limits;
  limits.head_bytes = 2048;
  limits.fields = 8;
  http::Request whole;
  const auto expected = http::HeadParser(limits).feed(text, whole);

  http::HeadParser parser(limits);
  http::Request request;
  Result<std::optional<std::size_t>> result = std::optional<std::size_t>();
  for (std::size_t end = 0; end <= size && result && !*result; ++end)
    result = parser.feed(text.substr(0, end), request);
  if (result.has_value() != expected.has_value()) std::abort();
  if (!result) return result.error().code == expected.error().code ? 0 : (std::abort(), 0);
  if (*result != *expected) std::abort();
  if (!*result) return 0;
  if (request.path != whole.path || request.fields.size() != whole.fields.size()) std::abort();
  if (!request.path.starts_with('/') || (request.chunked && request.content_length)) std::abort();
  return 0;
}
