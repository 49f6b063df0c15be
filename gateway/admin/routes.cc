#include "gateway/admin/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/assert.h"
#include "base/encoding.h"

namespace hydra::admin {

namespace {

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  for (;;) {
    const auto end = path.find('/');
    segments.push_back(path.substr(0, end));
    if (end == std::string_view::npos) return segments;
    path.remove_prefix(end + 1);
  }
}

bool is_name(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

// How many words of the pattern the path has, if it fits.
std::optional<std::size_t> fit(const std::vector<std::string>& pattern,
                               const std::vector<std::string_view>& path) {
  if (pattern.size() != path.size()) return std::nullopt;
  std::size_t words = 0;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (is_name(pattern[i])) {
      if (path[i].empty()) return std::nullopt;
    } else if (pattern[i] == path[i]) {
      ++words;
    } else {
      return std::nullopt;
    }
  }
  return words;
}

}  // namespace

std::string_view Call::option(std::string_view name) const {
  const auto found = query.find(name);
  return found == query.end() ? std::string_view() : found->second;
}

Result<std::uint64_t> Call::number(std::string_view name) const {
  const std::string& text = (*this)[name];
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    return fail(Code::kInvalidArgument, fmt::format("{} is no number: {}", name, text));
  return value;
}

void Routes::add(std::string method, std::string_view pattern, RouteHandler handler,
                 std::size_t body_bytes) {
  std::vector<std::string> segments;
  for (const std::string_view segment : split(pattern)) segments.emplace_back(segment);
  HYDRA_ASSERT(std::ranges::none_of(routes_, [&](const Route& route) {
    return route.method == method && route.pattern == segments;
  }));
  routes_.push_back({std::move(method), std::move(segments), std::move(handler), body_bytes});
}

Result<Routes::Match> Routes::find(std::string_view method, std::string_view path) const {
  if (method == "HEAD") method = "GET";
  const auto segments = split(path);
  const Route* best = nullptr;
  std::size_t best_words = 0;
  std::vector<std::string_view> allowed;
  for (const Route& route : routes_) {
    const auto words = fit(route.pattern, segments);
    if (!words) continue;
    if (route.method != method) {
      allowed.push_back(route.method);
    } else if (best == nullptr || *words > best_words) {
      best = &route;
      best_words = *words;
    }
  }
  if (best == nullptr && allowed.empty())
    return fail(Code::kNotFound, fmt::format("there is no {}", path));
  if (best == nullptr)
    return fail(Code::kMethodNotAllowed,
                fmt::format("{} takes {}", path, fmt::join(allowed, ", ")));
  Match match{&best->handler, best->body_bytes, {}};
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::string_view name = best->pattern[i];
    if (!is_name(name)) continue;
    auto value = percent_decode(segments[i]);
    if (!value) return fail(Code::kInvalidArgument, "a broken escape in the path");
    match.path.emplace(name.substr(1, name.size() - 2), std::move(*value));
  }
  return match;
}

Result<Parameters> parse_query(std::string_view query) {
  Parameters parameters;
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view item = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (item.empty()) continue;
    const auto equals = item.find('=');
    auto name = percent_decode(item.substr(0, equals), true);
    auto value = percent_decode(
        equals == std::string_view::npos ? std::string_view() : item.substr(equals + 1), true);
    if (!name || !value) return fail(Code::kInvalidArgument, "a broken escape in the query");
    if (!parameters.emplace(*name, std::move(*value)).second)
      return fail(Code::kInvalidArgument, fmt::format("{} is there twice", *name));
  }
  return parameters;
}

Result<Json> parse_body(std::string_view body) {
  if (body.empty()) return Json::object();
  Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return fail(Code::kInvalidArgument, "the body is no JSON object");
  return json;
}

}  // namespace hydra::admin
