#include "gateway/admin/admin_server.h"

#include "gateway/admin/errors.h"
#include "gateway/admin/public_pages.h"

namespace hydra::admin {

namespace {

constexpr std::size_t kMaxConnections = 64;
constexpr const char* kJsonType = "application/json";

// The whole body, of at most `limit` bytes. kTooLarge; what the source says.
Task<Result<std::string>> read_body(ByteSource& source, std::size_t limit) {
  std::string body;
  Buffer piece(16u << 10);
  piece.resize(piece.capacity());
  for (;;) {
    HYDRA_CO_TRY(const std::size_t got, co_await source.read(piece.span()));
    append(body, piece.view().first(got));
    if (body.size() > limit)
      co_return fail(Code::kTooLarge, "the body has more than " + std::to_string(limit) + " bytes");
    if (got < piece.size()) co_return body;
  }
}

}  // namespace

AdminServer::AdminServer(Loop& loop, Routes routes, const Sources& sources,
                         metrics::Registry& registry, GridMetrics& metrics)
    : routes_(std::move(routes)), sources_(sources), registry_(registry), metrics_(metrics) {
  http::ServerOptions options;
  options.handler = [this](http::Exchange& exchange) { return answer(this, exchange); };
  options.max_connections = kMaxConnections;
  server_ = http::Server::create(loop, std::move(options));
}

Result<std::unique_ptr<AdminServer>> AdminServer::start(Loop& loop, Address at, Routes routes,
                                                        const Sources& sources,
                                                        metrics::Registry& registry,
                                                        GridMetrics& metrics) {
  if (!at.is_unix())
    return fail(Code::kInvalidArgument, at.text + ": the admin socket must be unix:/path");
  std::unique_ptr<AdminServer> server(
      new AdminServer(loop, std::move(routes), sources, registry, metrics));
  HYDRA_TRY(server->acceptor_, loop.net().listen(std::move(at), server->server_->acceptor()));
  return server;
}

void AdminServer::stop() {
  acceptor_.reset();
  server_->stop();
}

Task<void> AdminServer::answer(AdminServer* self, http::Exchange& exchange) {
  const http::Request& request = exchange.request();
  if (request.path == "/metrics" && (request.method == "GET" || request.method == "HEAD")) {
    std::string text =
        co_await exposition(self->sources_, self->registry_, self->metrics_, exchange.loop());
    co_await respond_page(exchange, 200, kExpositionType, std::move(text));
    co_return;
  }
  const auto answer = co_await run_route(self, exchange);
  if (answer)
    co_await respond_page(exchange, 200, kJsonType,
                          answer->dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  else
    co_await respond_page(exchange, http_status(answer.error().code), kJsonType,
                          to_json(answer.error()));
}

Task<Result<Json>> AdminServer::run_route(AdminServer* self, http::Exchange& exchange) {
  const http::Request& request = exchange.request();
  HYDRA_CO_TRY(Routes::Match match, self->routes_.find(request.method, request.path));
  HYDRA_CO_TRY(Parameters query, parse_query(request.query));
  HYDRA_CO_TRY(const std::string text, co_await read_body(exchange.body(), match.body_bytes));
  HYDRA_CO_TRY(Json body, parse_body(text));
  const Call call{exchange.loop(), std::move(match.path), std::move(query), std::move(body)};
  co_return co_await (*match.handler)(call);
}

}  // namespace hydra::admin
