// Gateway: all of a gateway process but its sockets and its configuration: catalog, keys,
// membership, the grid's door, and for each worker the pipeline and the S3 service. The same object
// runs in main() on real loops and in the simulation on simulated ones.
//
// Made by start() on the first loop; serve() is called on the worker that owns the connection.
// stop() first, then end the loops, then destroy it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "gateway/admin/admin_server.h"
#include "gateway/admin/request_meter.h"
#include "gateway/catalog/catalog.h"
#include "gateway/heal/healer.h"
#include "gateway/heal/inventory.h"
#include "gateway/heal/read_repair.h"
#include "gateway/heal/scrub.h"
#include "gateway/http/connection.h"
#include "gateway/journal/journal.h"
#include "gateway/object/admission.h"
#include "gateway/object/membership.h"
#include "gateway/object/object_store.h"
#include "gateway/pipeline_bodies.h"
#include "gateway/s3/service.h"
#include "nodeagent/client/grid_server.h"

namespace hydra {

struct GatewayOptions {
  std::string catalog_directory;
  kv::Options catalog;
  std::string key_file_text;  // what object::KeyRing::parse takes
  std::vector<Address> grid_addresses;
  // Where nodes reach the grid's gateways; empty: where they reached the one that let them join.
  std::vector<std::string> advertised;
  object::MembershipOptions membership;
  std::shared_ptr<const s3::CredentialStore> credentials;
  object::StoreOptions store;
  heal::HealOptions healing;  // profile and small_bytes are those of `store`
  heal::ScrubOptions scrub;
  heal::InventoryOptions inventory;
  journal::JournalOptions journal;  // `copies` follows from the profile
  s3::ServiceOptions service;
  http::Limits limits;
  std::size_t max_connections = 4096;  // of each worker
  Address admin_address;               // a unix socket for the operator; empty: none
  bool public_metrics = false;         // /metrics on the S3 port as well
};

class Gateway {
 public:
  // The parts of one worker. Used on its loop.
  struct Worker {
    Worker(Loop& loop, Gateway& gateway);
    Loop& loop;
    agent::GridClient grid;
    object::ObjectStore store;
    s3::Service service;
    admin::RequestMeter meter;
    std::shared_ptr<http::Server> server;
  };

  // Opens the catalog and starts to admit agents. kInvalidArgument, kAlreadyExists (an address in
  // use), kIo.
  static Task<Result<std::unique_ptr<Gateway>>> start(std::span<Loop* const> loops,
                                                      GatewayOptions options);
  ~Gateway();
  // It follows from the key file, so whoever keeps that has all that a gateway needs.
  static agent::GridSecret grid_secret_of(const object::KeyRing& keys);

  void serve(Loop& loop, std::unique_ptr<Stream> stream);
  // Stops admitting agents and lets running exchanges end, until `deadline`. On the first loop.
  Task<void> stop(Deadline deadline);

  // What the journal is sealed with.
  static journal::Keys journal_keys_of(const object::KeyRing& keys);

  catalog::Catalog& catalog() { return *catalog_; }
  object::Membership& membership() { return *membership_; }
  object::Admission& admission() { return *admission_; }
  journal::Journal& journal() { return *journal_; }
  const object::PlacementBoard& board() const { return board_; }
  heal::Healer& healer() { return *healer_; }  // on the first loop
  heal::Scrub& scrub() { return *scrub_; }
  heal::Inventory& inventory() { return *inventory_; }
  metrics::Registry& registry() { return registry_; }
  const GatewayOptions& options() const { return options_; }
  std::span<const std::unique_ptr<Worker>> workers() const { return workers_; }
  Worker& worker(Loop& loop) { return *workers_[loop.index()]; }

 private:
  Gateway(GatewayOptions options, object::KeyRing keys, std::unique_ptr<catalog::Catalog> catalog);
  void make_walkers(Loop& first);
  Result<std::unique_ptr<agent::GridServer>> open_door(Loop& first);
  void make_journal(Loop& first, std::shared_ptr<journal::Outbox> outbox);
  static Task<void> answer(Gateway* self, Worker* worker, http::Exchange& exchange);
  static Task<void> answer_metrics(Gateway* self, http::Exchange& exchange);

  GatewayOptions options_;
  metrics::Registry registry_;
  admin::GridMetrics grid_metrics_;
  object::KeyRing keys_;
  std::unique_ptr<catalog::Catalog> catalog_;
  object::PlacementBoard board_;
  heal::Notices notices_;
  std::vector<std::unique_ptr<Worker>> workers_;
  admin::Sources sources_;  // complete once workers_ is
  std::unique_ptr<object::Membership> membership_;
  heal::Foreground foreground_;
  std::unique_ptr<heal::Healer> healer_;
  std::unique_ptr<heal::ReadRepair> read_repair_;
  std::unique_ptr<heal::Scrub> scrub_;
  std::unique_ptr<heal::Inventory> inventory_;
  std::unique_ptr<object::Admission> admission_;
  std::unique_ptr<PipelineBodies> bodies_;
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<agent::GridServer> door_;
  std::unique_ptr<admin::AdminServer> admin_;
};

}  // namespace hydra
