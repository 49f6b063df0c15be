// The wire form of a response head.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/http/http.h"

namespace hydra::http {

inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string_view reason_phrase(int status);

// Whether a response of that status can have a body at all (RFC 9110 section 6.4.1).
bool status_has_body(int status);

struct ResponseFraming {
  std::optional<std::uint64_t> length;  // Content-Length
  bool chunked = false;
  bool close = false;       // Connection: close
  bool keep_alive = false;  // Connection: keep-alive, which only HTTP/1.0 needs to hear
};

// Appends the head and its empty line. Field values may come from clients (metadata, response-*
// parameters), so control bytes in them become spaces, and a field whose name is not a token is
// left out: no value can end a line.
void append_response_head(std::string& out, const ResponseHead& head,
                          const ResponseFraming& framing, std::string_view date);

}  // namespace hydra::http
