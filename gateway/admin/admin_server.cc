#include "gateway/admin/admin_server.h"

#include "gateway/admin/public_pages.h"
#include "gateway/admin/status_json.h"

namespace hydra::admin {

namespace {
constexpr std::size_t kMaxConnections = 64;
constexpr Nanos kPatience = kSecond;  // with each worker
constexpr std::size_t kExaminedRepairs = 1000;
}  // namespace

AdminServer::AdminServer(Loop& loop, const Sources& sources, metrics::Registry& registry,
                         GridMetrics& metrics)
    : sources_(sources), registry_(registry), metrics_(metrics) {
  http::ServerOptions options;
  options.handler = [this](http::Exchange& exchange) { return answer(this, exchange); };
  options.max_connections = kMaxConnections;
  server_ = http::Server::create(loop, std::move(options));
}

Result<std::unique_ptr<AdminServer>> AdminServer::start(Loop& loop, Address at,
                                                        const Sources& sources,
                                                        metrics::Registry& registry,
                                                        GridMetrics& metrics) {
  if (!at.is_unix())
    return fail(Code::kInvalidArgument, at.text + ": the admin socket must be unix:/path");
  std::unique_ptr<AdminServer> server(new AdminServer(loop, sources, registry, metrics));
  HYDRA_TRY(server->acceptor_, loop.net().listen(std::move(at), server->server_->acceptor()));
  return server;
}

void AdminServer::stop() {
  acceptor_.reset();
  server_->stop();
}

Task<void> AdminServer::answer(AdminServer* self, http::Exchange& exchange) {
  const http::Request& request = exchange.request();
  if (request.method != "GET" && request.method != "HEAD") {
    co_await respond_page(exchange, 405, "text/plain", "only GET and HEAD\n");
  } else if (request.path == "/v1/status") {
    co_await answer_status(self, exchange);
  } else if (request.path == "/metrics") {
    std::string text =
        co_await exposition(self->sources_, self->registry_, self->metrics_, exchange.loop());
    co_await respond_page(exchange, 200, kExpositionType, std::move(text));
  } else {
    co_await respond_page(exchange, 404, "text/plain", "there are /v1/status and /metrics\n");
  }
}

Task<void> AdminServer::answer_status(AdminServer* self, http::Exchange& exchange) {
  const auto samples =
      co_await sample_workers(self->sources_, exchange.loop(), exchange.loop().after(kPatience));
  const auto status = samples.front().taken
                          ? status_of(self->sources_, samples, kExaminedRepairs)
                          : fail(Code::kTimeout, "the first worker does not answer");
  if (status)
    co_await respond_page(exchange, 200, "application/json", to_json(*status));
  else
    co_await respond_page(exchange, 500, "text/plain", status.error().to_string() + "\n");
}

}  // namespace hydra::admin
