#include "gateway/admin/public_pages.h"

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/admin/status_json.h"

namespace hydra::admin {

namespace {

constexpr Nanos kPatience = kSecond;          // with each worker
constexpr std::size_t kExaminedRepairs = 64;  // anyone may ask, so this stays cheap

constexpr std::array<std::pair<std::string_view, Page>, 4> kPages = {
    {{"/health/live", Page::kLive},
     {"/health/ready", Page::kReady},
     {"/health/cluster", Page::kCluster},
     {"/metrics", Page::kMetrics}}};

constexpr std::string_view kAmzPrefix = "x-amz-";

bool is_amz_parameter(std::string_view parameter) {
  return parameter.size() >= kAmzPrefix.size() &&
         std::equal(kAmzPrefix.begin(), kAmzPrefix.end(), parameter.begin(), [](char a, char b) {
           return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
         });
}

bool has_credentials(const http::Request& request) {
  if (request.field("authorization")) return true;
  std::string_view query = request.query;
  while (!query.empty()) {
    const auto end = query.find('&');
    if (is_amz_parameter(query.substr(0, end))) return true;
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
  }
  return false;
}

Task<void> answer_ready(const Sources& sources, http::Exchange& exchange) {
  const auto samples =
      co_await sample_workers(sources, exchange.loop(), exchange.loop().after(kPatience));
  const auto reason = why_not_ready(sources, samples);
  co_await respond_page(exchange, reason ? 503 : 200, "text/plain",
                        reason.value_or("ready") + "\n");
}

Task<void> answer_cluster(const Sources& sources, http::Exchange& exchange) {
  const auto samples =
      co_await sample_workers(sources, exchange.loop(), exchange.loop().after(kPatience));
  int code = 503;
  std::string body;
  if (!samples.front().taken) {
    body = unavailable_json("worker 0 does not answer");
  } else if (const auto status = status_of(sources, samples, kExaminedRepairs); !status) {
    body = unavailable_json("the catalog cannot be read");
  } else {
    body = to_public_json(*status);
    if (status->verdict != Verdict::kUnavailable) code = 200;
  }
  co_await respond_page(exchange, code, "application/json", std::move(body));
}

}  // namespace

Page page_of(const http::Request& request) {
  const auto found = std::ranges::find(kPages, request.path, &decltype(kPages)::value_type::first);
  if (found == kPages.end()) return Page::kNone;
  if (request.method != "GET" && request.method != "HEAD") return Page::kNone;
  return has_credentials(request) ? Page::kNone : found->second;
}

Task<void> answer_health(const Sources& sources, Page page, http::Exchange& exchange) {
  if (page == Page::kLive) return respond_page(exchange, 200, "text/plain", "live\n");
  if (page == Page::kReady) return answer_ready(sources, exchange);
  return answer_cluster(sources, exchange);
}

Task<void> respond_page(http::Exchange& exchange, int status, std::string type, std::string body) {
  http::ResponseHead head;
  head.status = status;
  head.add("Content-Type", std::move(type));
  head.add("Cache-Control", "no-store");
  (void)co_await exchange.respond(std::move(head), body);
}

}  // namespace hydra::admin
