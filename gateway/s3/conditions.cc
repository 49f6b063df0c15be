#include "gateway/s3/conditions.h"

#include <charconv>

#include "base/encoding.h"

namespace hydra::s3 {

namespace {

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<std::uint64_t> number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size())
    return std::nullopt;
  return value;
}

}  // namespace

std::string unquoted(std::string_view etag) {
  etag = trim(etag);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"')
    etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

bool matches_etag(std::string_view list, std::string_view etag) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    const std::string_view item = trim(list.substr(0, comma));
    if (item == "*" || unquoted(item) == etag) return true;
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  return false;
}

Verdict judge(const Conditions& conditions, std::string_view etag, std::int64_t modified_ms) {
  const std::int64_t modified_s = modified_ms / 1000;
  const auto since = [](const std::optional<std::string>& text) -> std::optional<std::int64_t> {
    if (!text) return std::nullopt;
    const auto ms = parse_http_date(*text);
    if (!ms) return std::nullopt;
    return *ms / 1000;
  };
  if (conditions.if_match) {
    if (!matches_etag(*conditions.if_match, etag)) return Verdict::kPreconditionFailed;
  } else if (const auto limit = since(conditions.if_unmodified_since);
             limit && modified_s > *limit) {
    return Verdict::kPreconditionFailed;
  }
  if (conditions.if_none_match) {
    if (matches_etag(*conditions.if_none_match, etag)) return Verdict::kNotModified;
  } else if (const auto limit = since(conditions.if_modified_since);
             limit && modified_s <= *limit) {
    return Verdict::kNotModified;
  }
  return Verdict::kProceed;
}

Result<std::optional<ByteRange>> parse_range(std::string_view header, std::uint64_t bytes) {
  constexpr std::string_view kUnit = "bytes=";
  header = trim(header);
  if (!header.starts_with(kUnit) || header.find(',') != std::string_view::npos) return std::nullopt;
  header.remove_prefix(kUnit.size());
  const auto dash = header.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view first_text = trim(header.substr(0, dash));
  const std::string_view last_text = trim(header.substr(dash + 1));
  const auto first = number(first_text);
  const auto last = number(last_text);
  if (first_text.empty()) {  // the last n bytes
    if (!last) return std::nullopt;
    if (*last == 0 || bytes == 0) return fail(Code::kInvalidRange);
    const std::uint64_t length = std::min(*last, bytes);
    return ByteRange{bytes - length, length};
  }
  if (!first || (!last_text.empty() && (!last || *last < *first))) return std::nullopt;
  if (*first >= bytes) return fail(Code::kInvalidRange);
  const std::uint64_t end = last ? std::min(*last, bytes - 1) : bytes - 1;
  return ByteRange{*first, end - *first + 1};
}

Result<ByteRange> parse_copy_range(std::string_view header, std::uint64_t bytes) {
  constexpr std::string_view kUnit = "bytes=";
  const auto malformed = [] {
    return fail(Code::kInvalidArgument,
                "The x-amz-copy-source-range value must be of the form bytes=first-last where "
                "first and last are the zero-based offsets of the first and last bytes to copy");
  };
  if (!header.starts_with(kUnit)) return malformed();
  header.remove_prefix(kUnit.size());
  const auto dash = header.find('-');
  if (dash == std::string_view::npos) return malformed();
  const auto first = number(header.substr(0, dash));
  const auto last = number(header.substr(dash + 1));
  if (!first || !last || *last < *first) return malformed();
  if (*last >= bytes)
    return fail(Code::kInvalidRange,
                "Range specified is not valid for source object of size: " + std::to_string(bytes));
  return ByteRange{*first, *last - *first + 1};
}

}  // namespace hydra::s3
