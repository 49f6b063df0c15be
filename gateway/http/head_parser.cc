#include "gateway/http/head_parser.h"

#include <array>
#include <cstring>

namespace hydra::http {

namespace {

enum CharClass : std::uint8_t { kToken = 1, kValue = 2, kTarget = 4, kHost = 8 };

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> table{};
  const auto mark = [&table](std::string_view chars, std::uint8_t bit) {
    for (char c : chars) table[static_cast<unsigned char>(c)] |= bit;
  };
  for (int c = 0; c < 256; ++c) {
    const bool alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (alphanumeric) table[c] |= kToken | kHost;
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) table[c] |= kValue;
    if (c > 0x20 && c < 0x7f && c != '#') table[c] |= kTarget;
  }
  mark("!#$%&'*+-.^_`|~", kToken);
  mark("-._~!$&'()*+,;=:[]%", kHost);
  return table;
}
constexpr auto kClasses = make_classes();

bool all_of_class(std::string_view text, std::uint8_t bit) {
  std::uint8_t all = bit;
  for (unsigned char c : text) all &= kClasses[c];
  return all != 0;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

auto bad(std::string message) { return fail(Code::kBadRequest, std::move(message)); }

bool is_known_method(std::string_view method) {
  return method == "GET" || method == "PUT" || method == "HEAD" || method == "POST" ||
         method == "DELETE" || method == "OPTIONS";
}

void split_path(std::string_view target, Request& request) {
  const auto mark = target.find('?');
  request.path = target.substr(0, mark);
  request.query = mark == target.npos ? std::string_view() : target.substr(mark + 1);
  if (request.path.empty()) request.path = "/";
}

// Origin form, or absolute form, whose authority is returned (RFC 9112 section 3.2).
Result<std::string_view> parse_target(Request& request) {
  std::string_view rest = request.target;
  if (rest.starts_with('/')) {
    split_path(rest, request);
    return std::string_view();
  }
  if (equal_ignoring_case(rest.substr(0, 7), "http://")) {
    rest.remove_prefix(7);
  } else if (equal_ignoring_case(rest.substr(0, 8), "https://")) {
    rest.remove_prefix(8);
  } else {
    return bad("request target is neither a path nor an http URI");
  }
  const auto end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, end);
  if (authority.empty() || !all_of_class(authority, kHost))
    return bad("malformed authority in the request target");
  split_path(rest.substr(end), request);
  return authority;
}

Result<std::string_view> parse_request_line(std::string_view line, const Limits& limits,
                                            Request& request) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == line.npos || first == last) return bad("malformed request line");
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (version == "HTTP/1.1") {
    request.minor_version = 1;
  } else if (version == "HTTP/1.0") {
    request.minor_version = 0;
  } else {
    return bad("only HTTP/1.1 and HTTP/1.0 are spoken here");
  }
  if (!is_known_method(request.method)) return bad("unknown method");
  if (request.target.size() > limits.target_bytes)
    return fail(Code::kHeadersTooLarge, "request target is too long");
  if (request.target.empty() || !all_of_class(request.target, kTarget))
    return bad("malformed request target");
  return parse_target(request);
}

Result<std::uint64_t> parse_content_length(std::string_view text) {
  if (text.empty() || text.size() > 18) return bad("malformed Content-Length");
  std::uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return bad("malformed Content-Length");
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

void apply_connection(std::string_view list, bool& close, bool& keep) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    const std::string_view option = trim_spaces(list.substr(0, comma));
    close |= equal_ignoring_case(option, "close");
    keep |= equal_ignoring_case(option, "keep-alive");
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

// The fields that this layer acts on, gathered while they go by.
struct Framing {
  std::optional<std::size_t> host;  // index of the field
  bool transfer_encoding = false;
  bool close = false;
  bool keep = false;

  Status see(const Field& field, std::size_t index, Request& request);
  Status settle(std::string_view authority, Request& request);
};

Status Framing::see(const Field& field, std::size_t index, Request& request) {
  const auto is = [&field](std::string_view name) { return equal_ignoring_case(field.name, name); };
  switch (field.name.size()) {
    case 4:
      if (!is("host")) break;
      if (host) return bad("more than one Host");
      if (field.value.empty() || !all_of_class(field.value, kHost)) return bad("malformed Host");
      host = index;
      break;
    case 6:
      if (!is("expect")) break;
      if (!equal_ignoring_case(field.value, "100-continue")) return bad("unknown expectation");
      request.expects_continue = true;
      break;
    case 10:
      if (is("connection")) apply_connection(field.value, close, keep);
      break;
    case 14:
      if (!is("content-length")) break;
      if (request.content_length) return bad("more than one Content-Length");
      if (auto length = parse_content_length(field.value); length) {
        request.content_length = *length;
      } else {
        return fail(length.error());
      }
      break;
    case 17:
      if (!is("transfer-encoding")) break;
      if (transfer_encoding) return bad("more than one Transfer-Encoding");
      if (!equal_ignoring_case(field.value, "chunked"))
        return bad("the only transfer coding known here is chunked");
      transfer_encoding = true;
      break;
    default:
      break;
  }
  return {};
}

Status Framing::settle(std::string_view authority, Request& request) {
  if (transfer_encoding && request.content_length)
    return bad("both Content-Length and Transfer-Encoding");
  if (transfer_encoding && request.minor_version == 0)
    return bad("Transfer-Encoding in an HTTP/1.0 request");
  if (!host && request.minor_version == 1) return bad("Host is missing");
  if (!authority.empty()) {
    if (host)
      request.fields[*host].value = authority;
    else
      request.fields.push_back({"Host", authority});
  }
  request.chunked = transfer_encoding;
  request.keep_alive = !close && (request.minor_version == 1 || keep);
  if (request.minor_version == 0) request.expects_continue = false;  // RFC 9110 section 10.1.1
  return {};
}

void clear(Request& request) {
  auto fields = std::move(request.fields);  // keeps its memory
  fields.clear();
  request = Request();
  request.fields = std::move(fields);
}

}  // namespace

bool is_token(std::string_view text) { return !text.empty() && all_of_class(text, kToken); }
bool is_field_value(std::string_view text) { return all_of_class(text, kValue); }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

std::string_view trim_spaces(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

Result<Field> parse_field_line(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == line.npos || !is_token(line.substr(0, colon))) return bad("malformed field name");
  Field field{line.substr(0, colon), trim_spaces(line.substr(colon + 1))};
  if (!is_field_value(field.value)) return bad("control byte in a field value");
  return field;
}

void HeadParser::reset() {
  start_ = 0;
  scanned_ = 0;
  line_ends_.clear();
}

Result<std::optional<std::size_t>> HeadParser::feed(std::string_view received, Request& request) {
  const std::string_view window = received.substr(0, limits_.head_bytes);
  while (scanned_ < window.size()) {
    const void* found = std::memchr(window.data() + scanned_, '\n', window.size() - scanned_);
    if (found == nullptr) {
      scanned_ = window.size();
      break;
    }
    const auto end = static_cast<std::size_t>(static_cast<const char*>(found) - window.data());
    if (end == 0 || window[end - 1] != '\r') return bad("a line ends in a bare LF");
    const std::size_t line = line_ends_.empty() ? start_ : line_ends_.back() + 2;
    scanned_ = end + 1;
    if (end - 1 > line) {
      if (line_ends_.size() > limits_.fields)
        return fail(Code::kHeadersTooLarge, "too many header fields");
      line_ends_.push_back(end - 1);
    } else if (line_ends_.empty()) {  // RFC 9112 section 2.2: one empty line before the request is
                                      // ignored
      if (start_ != 0) return bad("empty request line");
      start_ = 2;
    } else {
      HYDRA_CHECK_OK(parse(received, request));
      return std::optional(end + 1);
    }
  }
  if (received.size() >= limits_.head_bytes)
    return fail(Code::kHeadersTooLarge, "request head is too long");
  return std::optional<std::size_t>();
}

Status HeadParser::parse(std::string_view received, Request& request) {
  clear(request);
  const std::string_view line = received.substr(start_, line_ends_[0] - start_);
  HYDRA_TRY(const std::string_view authority, parse_request_line(line, limits_, request));
  Framing framing;
  for (std::size_t i = 1; i < line_ends_.size(); ++i) {
    const std::size_t begin = line_ends_[i - 1] + 2;
    HYDRA_TRY(const Field field, parse_field_line(received.substr(begin, line_ends_[i] - begin)));
    HYDRA_CHECK_OK(framing.see(field, i - 1, request));
    request.fields.push_back(field);
  }
  return framing.settle(authority, request);
}

std::optional<std::string_view> Request::field(std::string_view name) const {
  for (const Field& field : fields)
    if (equal_ignoring_case(field.name, name)) return field.value;
  return std::nullopt;
}

std::size_t Request::count(std::string_view name) const {
  std::size_t found = 0;
  for (const Field& field : fields) found += equal_ignoring_case(field.name, name) ? 1 : 0;
  return found;
}

}  // namespace hydra::http
