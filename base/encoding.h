// Text encodings: hexadecimal, base64 (RFC 4648), percent-encoding (RFC 3986), and the dates S3
// speaks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace hydra {

std::string hex_encode(ByteView bytes);                        // lower case
std::optional<std::string> hex_decode(std::string_view text);  // either case; raw bytes
std::string base64_encode(ByteView bytes);                     // with padding
std::optional<std::string> base64_decode(
    std::string_view text);  // strict: padding required, no spaces
inline std::string hex_encode(std::string_view raw) { return hex_encode(as_bytes(raw)); }
inline std::string base64_encode(std::string_view raw) { return base64_encode(as_bytes(raw)); }

// RFC 3986 unreserved characters stay; all else becomes %XX. With keep_slash '/' stays too.
std::string percent_encode(std::string_view raw, bool keep_slash = false);
// nullopt on a broken escape. With plus_is_space '+' becomes ' ' (forms only; S3 paths and queries
// keep it).
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

// Whether percent_encode would make this very text of what it stands for.
bool is_percent_encoded(std::string_view text, bool keep_slash = false);

bool is_valid_utf8(std::string_view text);

// Milliseconds since 1970 UTC to and from text.
std::string format_iso8601(std::int64_t wall_ms);                  // 2026-03-01T12:00:00.000Z
std::string format_http_date(std::int64_t wall_ms);                // Sun, 01 Mar 2026 12:00:00 GMT
std::string format_amz_date(std::int64_t wall_ms);                 // 20260301T120000Z
std::optional<std::int64_t> parse_iso8601(std::string_view text);  // with or without fraction, Z
std::optional<std::int64_t> parse_http_date(std::string_view text);  // RFC 9110: all three forms
std::optional<std::int64_t> parse_amz_date(std::string_view text);

}  // namespace hydra
