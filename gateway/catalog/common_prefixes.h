// Common prefixes of listings: what a delimiter rolls keys up into. Pure functions; any thread.
#pragma once

#include <string_view>

namespace hydra::catalog {

// The common prefix that `key` rolls up into: through the first delimiter after the prefix. Empty:
// none.
inline std::string_view common_prefix_of(std::string_view key, std::string_view prefix,
                                         std::string_view delimiter) {
  if (delimiter.empty()) return {};
  const std::size_t at = key.find(delimiter, prefix.size());
  return at == std::string_view::npos ? std::string_view() : key.substr(0, at + delimiter.size());
}

// Whether a page that ended at `marker` ended with that common prefix.
inline bool is_common_prefix(std::string_view marker, std::string_view prefix,
                             std::string_view delimiter) {
  return marker.starts_with(prefix) && !marker.empty() &&
         common_prefix_of(marker, prefix, delimiter) == marker;
}

}  // namespace hydra::catalog
