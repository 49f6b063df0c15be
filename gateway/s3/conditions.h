// Conditions and ranges of GET, HEAD and copy sources (RFC 9110 sections 13 and 14, with S3's
// precedence). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace hydra::s3 {

struct Conditions {
  std::optional<std::string> if_match, if_none_match;  // as sent
  std::optional<std::string> if_modified_since, if_unmodified_since;
};

enum class Verdict { kProceed, kNotModified, kPreconditionFailed };

// If-Match true wins over If-Unmodified-Since false; If-None-Match false over If-Modified-Since
// true. Dates that do not parse are ignored, as RFC 9110 has it.
Verdict judge(const Conditions& conditions, std::string_view etag, std::int64_t modified_ms);

// An entity-tag list ("a", "b" or *) against one strong tag; quotes may be missing, weak tags never
// match.
bool matches_etag(std::string_view list, std::string_view etag);
// One tag without its quotes.
std::string unquoted(std::string_view etag);

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};
// "bytes=a-b", "bytes=a-", "bytes=-n" against an object of `bytes`. nullopt: no range, several
// ranges or not understood (then the whole is sent). kInvalidRange: it lies outside.
Result<std::optional<ByteRange>> parse_range(std::string_view header, std::uint64_t bytes);
// "bytes=a-b" of a copy source, both ends inside. kInvalidArgument when malformed, kInvalidRange
// when outside.
Result<ByteRange> parse_copy_range(std::string_view header, std::uint64_t bytes);

}  // namespace hydra::s3
