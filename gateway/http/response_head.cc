#include "gateway/http/response_head.h"

#include <charconv>

#include "gateway/http/head_parser.h"

namespace hydra::http {

namespace {
void append_number(std::string& out, std::uint64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}
}  // namespace

std::string_view reason_phrase(int status) {
  static constexpr std::pair<int, std::string_view> kPhrases[] = {
      {100, "Continue"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {206, "Partial Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {411, "Length Required"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {416, "Range Not Satisfiable"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {503, "Service Unavailable"},
      {507, "Insufficient Storage"},
  };
  for (const auto& [code, phrase] : kPhrases)
    if (code == status) return phrase;
  return "Other";
}

bool status_has_body(int status) { return status >= 200 && status != 204 && status != 304; }

void append_response_head(std::string& out, const ResponseHead& head,
                          const ResponseFraming& framing, std::string_view date) {
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(head.status));
  out.append(" ").append(reason_phrase(head.status)).append("\r\n");
  for (const auto& [name, value] : head.fields) {
    if (!is_token(name)) continue;
    out.append(name).append(": ");
    const std::size_t begin = out.size();
    out.append(value);
    if (!is_field_value(value))
      for (std::size_t i = begin; i < out.size(); ++i)
        if (!is_field_value(std::string_view(&out[i], 1))) out[i] = ' ';
    out.append("\r\n");
  }
  if (framing.length) {
    out.append("Content-Length: ");
    append_number(out, *framing.length);
    out.append("\r\n");
  }
  if (framing.chunked) out.append("Transfer-Encoding: chunked\r\n");
  if (framing.close) out.append("Connection: close\r\n");
  if (framing.keep_alive) out.append("Connection: keep-alive\r\n");
  out.append("Date: ").append(date).append("\r\n\r\n");
}

}  // namespace hydra::http
