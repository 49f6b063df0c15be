#include "gateway/s3/auth/sigv4.h"

#include <fmt/format.h>

#include <algorithm>
#include <forward_list>

#include "base/encoding.h"
#include "gateway/http/head_parser.h"

namespace hydra::s3 {

namespace {

std::string hex_sha256(std::string_view text) {
  return hex_encode(ByteView(sha256(as_bytes(text))));
}

// Appends the value with runs of blanks folded into one space.
void append_folded(std::string& out, std::string_view value) {
  bool blank = false;
  for (char c : value) {
    if (c == ' ' || c == '\t') {
      blank = true;
      continue;
    }
    if (blank) out += ' ';
    blank = false;
    out += c;
  }
}

void append_canonical_header(std::string& out, const http::Request& request,
                             std::string_view name) {
  out.append(name).append(":");
  bool found = false;
  for (const http::Field& field : request.fields) {
    if (!http::equal_ignoring_case(field.name, name)) continue;
    if (found) out += ',';
    found = true;
    append_folded(out, field.value);
  }
  // Proxies and client libraries consume Expect after it was signed; it has only one value.
  if (!found && name == "expect") out += "100-continue";
  out += '\n';
}

// The text in the one encoding that is signed, as most texts come; `made` keeps what had to be
// made.
std::optional<std::string_view> canonical(std::string_view text, bool keep_slash,
                                          std::forward_list<std::string>& made) {
  if (is_percent_encoded(text, keep_slash)) return text;
  const auto raw = percent_decode(text);
  if (!raw) return std::nullopt;
  return made.emplace_front(percent_encode(*raw, keep_slash));
}

Status append_canonical_path(std::string& out, std::string_view path) {
  std::forward_list<std::string> made;
  const auto encoded = canonical(path, true, made);
  if (!encoded) return fail(Code::kInvalidUri, "broken escape in the path");
  out.append(*encoded);
  return {};
}

Status append_canonical_query(std::string& out, std::string_view query) {
  std::forward_list<std::string> made;
  std::vector<std::pair<std::string_view, std::string_view>> items;
  items.reserve(static_cast<std::size_t>(std::count(query.begin(), query.end(), '&')) + 1);
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const std::string_view item = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (item.empty()) continue;
    const auto equals = std::min(item.find('='), item.size());
    const auto name = canonical(item.substr(0, equals), false, made);
    const auto value = canonical(item.substr(std::min(equals + 1, item.size())), false, made);
    if (!name || !value) return fail(Code::kInvalidUri, "broken escape in the query");
    if (*name != "X-Amz-Signature") items.emplace_back(*name, *value);
  }
  std::sort(items.begin(), items.end());
  bool first = true;
  for (const auto& [name, value] : items) {
    if (!std::exchange(first, false)) out += '&';
    out.append(name).append("=").append(value);
  }
  return {};
}

}  // namespace

std::optional<CredentialScope> parse_credential(std::string_view text) {
  std::string_view parts[4];  // from the end: aws4_request, service, region, date
  for (auto& part : parts) {
    const auto slash = text.rfind('/');
    if (slash == text.npos) return std::nullopt;
    part = text.substr(slash + 1);
    text = text.substr(0, slash);
  }
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || parts[0] != "aws4_request" || parts[1].empty() || parts[3].size() != 8 ||
      !std::all_of(parts[3].begin(), parts[3].end(), digit))
    return std::nullopt;
  return CredentialScope{std::string(text), std::string(parts[3]), std::string(parts[2]),
                         std::string(parts[1])};
}

std::optional<AuthorizationParts> parse_authorization(std::string_view parameters) {
  AuthorizationParts parts;
  while (!parameters.empty()) {
    const auto comma = std::min(parameters.find(','), parameters.size());
    const std::string_view item = http::trim_spaces(parameters.substr(0, comma));
    parameters.remove_prefix(std::min(comma + 1, parameters.size()));
    const auto equals = item.find('=');
    if (equals == item.npos) return std::nullopt;
    const std::string_view name = item.substr(0, equals);
    std::string_view* const target = name == "Credential"      ? &parts.credential
                                     : name == "SignedHeaders" ? &parts.signed_headers
                                     : name == "Signature"     ? &parts.signature
                                                               : nullptr;
    if (target == nullptr || !target->empty()) return std::nullopt;
    *target = item.substr(equals + 1);
  }
  if (parts.credential.empty() || parts.signed_headers.empty() || parts.signature.empty())
    return std::nullopt;
  return parts;
}

std::optional<std::vector<std::string_view>> parse_signed_headers(std::string_view list) {
  std::vector<std::string_view> names;
  while (true) {
    const auto end = std::min(list.find(';'), list.size());
    const std::string_view name = list.substr(0, end);
    const bool upper =
        std::any_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    if (upper || !http::is_token(name)) return std::nullopt;
    names.push_back(name);
    if (end == list.size()) return names;
    list.remove_prefix(end + 1);
  }
}

Result<std::string> canonical_path(std::string_view path) {
  std::string out;
  HYDRA_CHECK_OK(append_canonical_path(out, path));
  return out;
}

Result<std::string> canonical_query(std::string_view query) {
  std::string out;
  HYDRA_CHECK_OK(append_canonical_query(out, query));
  return out;
}

Result<std::string> canonical_request(const http::Request& request,
                                      const std::vector<std::string_view>& signed_headers,
                                      std::string_view signed_header_list,
                                      std::string_view payload_hash) {
  constexpr std::size_t kUsualHeaders = 512;
  std::string out;
  out.reserve(request.target.size() + kUsualHeaders);
  out.append(request.method).append("\n");
  HYDRA_CHECK_OK(append_canonical_path(out, request.path));
  out.append("\n");
  HYDRA_CHECK_OK(append_canonical_query(out, request.query));
  out.append("\n");
  for (const std::string_view name : signed_headers) append_canonical_header(out, request, name);
  out.append("\n").append(signed_header_list).append("\n").append(payload_hash);
  return out;
}

std::string string_to_sign(std::string_view amz_date, std::string_view scope,
                           std::string_view canonical_request) {
  std::string out;
  out.reserve(kSigV4Algorithm.size() + amz_date.size() + scope.size() + 2 * sizeof(Sha256) + 3);
  out.append(kSigV4Algorithm).append("\n").append(amz_date).append("\n").append(scope);
  return out.append("\n").append(hex_sha256(canonical_request));
}

std::string chunk_string_to_sign(std::string_view amz_date, std::string_view scope,
                                 std::string_view previous_signature,
                                 std::string_view chunk_sha256) {
  return fmt::format("{}-PAYLOAD\n{}\n{}\n{}\n{}\n{}", kSigV4Algorithm, amz_date, scope,
                     previous_signature, kEmptySha256, chunk_sha256);
}

std::string trailer_string_to_sign(std::string_view amz_date, std::string_view scope,
                                   std::string_view previous_signature, std::string_view trailers) {
  return fmt::format("{}-TRAILER\n{}\n{}\n{}\n{}", kSigV4Algorithm, amz_date, scope,
                     previous_signature, hex_sha256(trailers));
}

Sha256 derive_signing_key(std::string_view secret_key, const CredentialScope& scope) {
  std::string start = "AWS4" + std::string(secret_key);
  Sha256 key = hmac_sha256(as_bytes(start), as_bytes(scope.date));
  secure_clear(std::as_writable_bytes(std::span(start)));
  key = hmac_sha256(key, as_bytes(scope.region));
  key = hmac_sha256(key, as_bytes(scope.service));
  return hmac_sha256(key, as_bytes("aws4_request"));
}

std::string sign(const Sha256& signing_key, std::string_view text) {
  return hex_encode(ByteView(hmac_sha256(signing_key, as_bytes(text))));
}

}  // namespace hydra::s3
