// Parser of a request head (RFC 9112 sections 2 to 6), sans-I/O. It is strict where leniency lets
// two servers disagree on where a message ends: bare CR or LF, folded lines, spaces before the
// colon, control bytes, any doubt about Content-Length or Transfer-Encoding are refused. The answer
// to an error is 400 and the end of the connection.
//
// One parser serves one connection and belongs to it; reset() between heads.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gateway/http/http.h"

namespace hydra::http {

class HeadParser {
 public:
  explicit HeadParser(const Limits& limits) : limits_(limits) {}

  // `received` is all that arrived since the end of the last message; it grows from call to call
  // (and may move). nullopt: more is needed. Otherwise the length of the head, and `request` is
  // set, with views into `received`. kBadRequest, kHeadersTooLarge: final until reset(). No byte is
  // searched twice for the end of the head.
  Result<std::optional<std::size_t>> feed(std::string_view received, Request& request);

  void reset();

 private:
  Status parse(std::string_view received, Request& request);

  Limits limits_;
  std::size_t start_ = 0;               // of the request line: 2 after a leading empty line
  std::size_t scanned_ = 0;             // up to here all lines are known
  std::vector<std::size_t> line_ends_;  // offsets of CR
};

// Whether every byte may stand in a field name (token) or a field value (no control bytes but tab).
bool is_token(std::string_view text);
bool is_field_value(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);  // ASCII
std::string_view trim_spaces(std::string_view text);               // spaces and tabs at both ends

// Appends one field line without its CRLF; kBadRequest when it is not name ":" value.
Result<Field> parse_field_line(std::string_view line);

}  // namespace hydra::http
