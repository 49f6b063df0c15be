// AdminServer: the operator's door, a unix socket that only the gateway's user may open, for
// hydractl and for scraping metrics:
//
//   /v1/...        a table of routes (routes.h); JSON both ways, errors too (errors.h)
//   GET /metrics   Prometheus text
//
// Belongs to the loop it was started on, and lives as long as that loop runs.
#pragma once

#include <memory>

#include "base/runtime/io.h"
#include "gateway/admin/grid_metrics.h"
#include "gateway/admin/routes.h"
#include "gateway/http/connection.h"

namespace hydra::admin {

class AdminServer {
 public:
  // `sources`, `registry` and `metrics` outlive it. What listen() gives; kInvalidArgument unless it
  // is a unix socket, for nobody is asked who he is.
  static Result<std::unique_ptr<AdminServer>> start(Loop& loop, Address at, Routes routes,
                                                    const Sources& sources,
                                                    metrics::Registry& registry,
                                                    GridMetrics& metrics);
  // Accepts no more; answers under way are finished.
  void stop();

 private:
  AdminServer(Loop& loop, Routes routes, const Sources& sources, metrics::Registry& registry,
              GridMetrics& metrics);
  static Task<void> answer(AdminServer* self, http::Exchange& exchange);
  static Task<Result<Json>> run_route(AdminServer* self, http::Exchange& exchange);

  const Routes routes_;
  const Sources& sources_;
  metrics::Registry& registry_;
  GridMetrics& metrics_;
  std::shared_ptr<http::Server> server_;
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace hydra::admin
