#include "gateway/gateway.h"

#include "base/log.h"
#include "gateway/admin/heal_routes.h"
#include "gateway/admin/layout_routes.h"
#include "gateway/admin/node_routes.h"
#include "gateway/admin/object_routes.h"
#include "gateway/admin/public_pages.h"
#include "gateway/admin/scrub_routes.h"
#include "gateway/admin/status_routes.h"

namespace hydra {

agent::GridSecret Gateway::grid_secret_of(const object::KeyRing& keys) {
  return {keys.derive("hydragrid grid secret 1")};
}

Gateway::Worker::Worker(Loop& owner, Gateway& gateway)
    : loop(owner),
      grid(owner),
      store(owner, grid, *gateway.catalog_, gateway.board_, gateway.keys_, gateway.options_.store,
            &gateway.notices_),
      service(store, gateway.options_.credentials, gateway.options_.service),
      meter(gateway.registry_) {
  http::ServerOptions server_options;
  server_options.handler = [this, &gateway](http::Exchange& exchange) {
    return answer(&gateway, this, exchange);
  };
  server_options.render_error = [this](const Error& error, http::ResponseHead& head) {
    std::string body = service.render(error, head);
    meter.count_refused(head.status);
    return body;
  };
  server_options.limits = gateway.options_.limits;
  server_options.max_connections = gateway.options_.max_connections;
  server = http::Server::create(owner, std::move(server_options));
}

Gateway::Gateway(GatewayOptions options, object::KeyRing keys,
                 std::unique_ptr<catalog::Catalog> catalog)
    : options_(std::move(options)),
      grid_metrics_(registry_),
      keys_(std::move(keys)),
      catalog_(std::move(catalog)) {}

Gateway::~Gateway() = default;

namespace {
// What the durability model takes until the grid has shown its own times.
admin::TimeFacts configured_times(const heal::HealOptions& healing,
                                  const heal::ScrubOptions& scrub) {
  constexpr double kYear = 365.0 * 86'400;  // a scrub that only runs when somebody asks for it
  admin::TimeFacts times;
  times.wait_seconds =
      static_cast<double>(healing.watch.down_after + healing.watch.delay) / kSecond;
  // To rebuild a shard, k are read and one is written.
  times.configured_rate =
      static_cast<double>(healing.pace.floor) * healing.profile.k / (healing.profile.k + 1.0);
  times.configured_scrub_seconds =
      scrub.period_ms > 0 ? static_cast<double>(scrub.period_ms) / 1000 : kYear;
  return times;
}
}  // namespace

Task<Result<std::unique_ptr<Gateway>>> Gateway::start(std::span<Loop* const> loops,
                                                      GatewayOptions options) {
  Loop& first = *loops.front();
  HYDRA_CO_TRY(object::KeyRing keys, object::KeyRing::parse(options.key_file_text));
  HYDRA_CO_CHECK_OK(co_await first.disk().make_directories(options.catalog_directory));
  HYDRA_CO_TRY(auto store, first.disk().open_kv(options.catalog_directory, options.catalog));
  options.journal.copies = options.store.profile.m + 1u;
  HYDRA_CO_TRY(auto outbox, journal::Outbox::open(first, *store, journal_keys_of(keys),
                                                  {.copies = options.journal.copies}));
  HYDRA_CO_TRY(auto catalog, catalog::Catalog::open(first, std::move(store), outbox));
  std::unique_ptr<Gateway> gateway(
      new Gateway(std::move(options), std::move(keys), std::move(catalog)));
  Gateway& self = *gateway;
  for (Loop* loop : loops) self.workers_.push_back(std::make_unique<Worker>(*loop, self));
  self.sources_ = {self.catalog_.get(), &self.board_, self.options_.store.profile, {}, {}};
  for (auto& worker : self.workers_)
    self.sources_.workers.push_back(
        {&worker->loop, &worker->grid, &worker->store, worker->server.get()});

  const erasure::Profile profile = self.options_.store.profile;
  self.options_.membership.on_removed = [&self](NodeId node) {
    for (auto& worker : self.workers_)
      worker->loop.post([&grid = worker->grid, node] { grid.expel(node); });
    self.journal_->want_snapshot();  // whose root does not name the node
  };
  self.options_.membership.needed = [&self](NodeId node) { return self.journal_->needs(node); };
  self.membership_ = std::make_unique<object::Membership>(
      first, *self.catalog_, self.board_, self.workers_.front()->grid,
      std::vector<erasure::Profile>{profile, {1, profile.m}}, self.options_.membership);
  HYDRA_CO_CHECK_OK(self.membership_->load());
  self.options_.healing.profile = profile;
  self.options_.healing.small_bytes = self.options_.store.small_bytes;
  self.healer_ = std::make_unique<heal::Healer>(first, self.workers_.front()->grid, *self.catalog_,
                                                self.board_, self.foreground_, self.notices_.writes,
                                                self.options_.healing);
  self.sources_.workers.front().healer = self.healer_.get();
  self.sources_.times = configured_times(self.options_.healing, self.options_.scrub);
  self.make_walkers(first);
  self.admission_ =
      std::make_unique<object::Admission>(first, *self.catalog_, *self.membership_,
                                          grid_secret_of(self.keys_), self.options_.advertised);
  self.make_journal(first, std::move(outbox));
  self.sources_.workers.front().journal = self.journal_.get();
  if (!self.options_.admin_address.text.empty()) {
    admin::Routes routes;
    admin::add_status_routes(routes, self.sources_);
    admin::add_heal_routes(routes, *self.healer_);
    admin::add_object_routes(routes, self.sources_);
    admin::add_layout_routes(routes, self.sources_, *self.membership_, [&self] {
      const auto status = self.healer_->status();
      return status ? status->usual_bytes_per_second : 0;
    });
    admin::add_node_routes(routes, {self.sources_, *self.membership_, *self.admission_,
                                    self.options_.grid_addresses, self.options_.advertised});
    admin::add_scrub_routes(routes, *self.scrub_);
    HYDRA_CO_TRY(self.admin_,
                 admin::AdminServer::start(first, self.options_.admin_address, std::move(routes),
                                           self.sources_, self.registry_, self.grid_metrics_));
  }

  HYDRA_CO_TRY(self.door_, self.open_door(first));
  // Nothing that can fail comes after the first task that uses the gateway.
  first.spawn(heal::Healer::run(self.healer_.get()));
  first.spawn(heal::ReadRepair::run(self.read_repair_.get()));
  first.spawn(heal::Scrub::run(self.scrub_.get()));
  first.spawn(heal::Inventory::run(self.inventory_.get()));
  first.spawn(object::Membership::watch(self.membership_.get()));
  self.journal_->start();
  co_return gateway;
}

// What finds out where catalog and nodes differ.
void Gateway::make_walkers(Loop& first) {
  agent::Grid& grid = workers_.front()->grid;
  read_repair_ = std::make_unique<heal::ReadRepair>(first, grid, *catalog_, notices_.broken);
  const auto may_work = [healer = healer_.get()] { return healer->holds_lease(); };
  scrub_ = std::make_unique<heal::Scrub>(first, grid, *catalog_, options_.scrub, may_work);
  inventory_ = std::make_unique<heal::Inventory>(first, grid, *catalog_, notices_.writes,
                                                 options_.inventory, may_work);
}

Result<std::unique_ptr<agent::GridServer>> Gateway::open_door(Loop& first) {
  agent::GridServerOptions door;
  door.addresses = options_.grid_addresses;
  door.cluster = catalog_->cluster();
  HYDRA_TRY(const auto known, catalog_->nodes());
  if (known.empty())
    door.foreign =
        "it belongs to a grid, and this gateway has an empty catalog; if the gateway of that grid "
        "was lost, bring its key file here and run hydra-gateway recover";
  door.secret = grid_secret_of(keys_);
  for (auto& worker : workers_) door.workers.push_back(&worker->grid);
  door.on_link = [this](agent::NodeDescription node, Loop&) {
    return membership_->link(std::move(node));
  };
  door.find_claim = [this](const agent::ClaimId& id) { return admission_->find(id); };
  door.on_join = [this](agent::Join join, Loop&) { return admission_->join(std::move(join)); };
  door.log = [](std::string sentence) { log::info("{}", sentence); };
  return agent::GridServer::start(first, std::move(door));
}

journal::Keys Gateway::journal_keys_of(const object::KeyRing& keys) {
  journal::Keys derived;
  derived.newest = keys.newest();
  derived.keys = keys.derive_each("hydragrid journal 1");
  return derived;
}

void Gateway::make_journal(Loop& first, std::shared_ptr<journal::Outbox> outbox) {
  Worker& worker = *workers_.front();
  bodies_ = std::make_unique<PipelineBodies>(worker.store);
  const auto sites = [this, &worker] {
    std::vector<journal::Site> found;
    const auto view = board_.current();
    if (view == nullptr) return found;
    for (const auto& node : view->map.nodes())
      if (node.share() > 0 && worker.grid.usable(node.id)) found.push_back({node.id, node.zone});
    return found;
  };
  journal_ =
      std::make_unique<journal::Journal>(first, worker.grid, *catalog_, std::move(outbox),
                                         journal_keys_of(keys_), *bodies_, sites, options_.journal);
}

Task<void> Gateway::answer(Gateway* self, Worker* worker, http::Exchange& exchange) {
  const admin::Page page = admin::page_of(exchange.request());
  if (page == admin::Page::kMetrics && self->options_.public_metrics) {
    co_await answer_metrics(self, exchange);
  } else if (page != admin::Page::kNone && page != admin::Page::kMetrics) {
    co_await admin::answer_health(self->sources_, page, exchange);
  } else {
    const heal::Foreground::Request request(self->foreground_);
    admin::MeteredExchange metered(exchange, worker->meter);
    const std::string_view operation = co_await worker->service.handle(metered);
    metered.end(operation);
  }
}

Task<void> Gateway::answer_metrics(Gateway* self, http::Exchange& exchange) {
  std::string text = co_await admin::exposition(self->sources_, self->registry_,
                                                self->grid_metrics_, exchange.loop());
  co_await admin::respond_page(exchange, 200, admin::kExpositionType, std::move(text));
}

void Gateway::serve(Loop& loop, std::unique_ptr<Stream> stream) {
  worker(loop).server->serve(std::move(stream));
}

namespace {
Task<void> drain(std::shared_ptr<http::Server> server, Loop* home, Loop* first, Event* done,
                 std::size_t* left, Nanos patience) {
  server->stop();
  if (!co_await server->drained(home->after(patience))) server->cut_all();
  first->post([done, left] {
    if (--*left == 0) done->set();
  });
}
}  // namespace

Task<void> Gateway::stop(Deadline deadline) {
  Loop& first = workers_.front()->loop;
  door_.reset();
  if (admin_ != nullptr) admin_->stop();
  Event done(first);
  std::size_t left = workers_.size();
  const Nanos patience = std::max<Nanos>(0, deadline.at - first.now());
  for (auto& worker : workers_) {
    Loop* home = &worker->loop;
    home->post([server = worker->server, home, &first, &done, &left, patience] {
      home->spawn(drain(server, home, &first, &done, &left, patience));
    });
  }
  co_await done.wait();
  co_await healer_->stop(deadline);
}

}  // namespace hydra
