// The pages that the S3 port shows to everybody: health for load balancers and scripts, and the
// metrics where the configuration says so. GET and HEAD, exact paths; a request with credentials is
// never one of them, so that buckets of these names stay usable.
#pragma once

#include <cstdint>

#include "gateway/admin/observe.h"
#include "gateway/http/http.h"

namespace hydra::admin {

enum class Page : std::uint8_t {
  kNone,     // not ours: S3's
  kLive,     // /health/live: 200, the process answers
  kReady,    // /health/ready: 200 when every worker of this gateway can write
  kCluster,  // /health/cluster: the verdict in JSON, 503 when writes are refused
  kMetrics,  // /metrics
};

Page page_of(const http::Request& request);

// Answers one of the three health pages.
Task<void> answer_health(const Sources& sources, Page page, http::Exchange& exchange);

// A whole answer that no cache may keep. A client that is gone by now is no error of ours.
Task<void> respond_page(http::Exchange& exchange, int status, std::string type, std::string body);

}  // namespace hydra::admin
