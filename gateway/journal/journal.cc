#include "gateway/journal/journal.h"

#include <algorithm>
#include <functional>

#include "base/log.h"

namespace hydra::journal {

namespace {
constexpr Nanos kRetry = 250 * kMillisecond;
constexpr Nanos kAvoid = 5 * kSecond;
constexpr Nanos kLeaving = 60 * kSecond;     // since somebody last asked
constexpr std::uint64_t kTurnRecords = 256;  // so many go to the same nodes, whose syncs they share
}  // namespace

Journal::Journal(Loop& loop, agent::Grid& grid, catalog::Catalog& catalog,
                 std::shared_ptr<Outbox> outbox, Keys keys, SnapshotBodies& bodies, Sites sites,
                 JournalOptions options)
    : loop_(loop),
      grid_(grid),
      catalog_(catalog),
      outbox_(std::move(outbox)),
      sealer_(std::move(keys)),
      bodies_(bodies),
      sites_(std::move(sites)),
      options_(options),
      turn_(loop) {}

Journal::~Journal() { outbox_->attach({}); }

void Journal::start() {
  last_snapshot_ = started_ = loop_.now();
  // Who holds copies is not known after a start: any node may.
  if (const auto nodes = catalog_.nodes())
    for (const auto& node : *nodes)
      if (node.stores()) holders_.insert(node.id);
  outbox_->attach([this] {
    if (woken_.exchange(true)) return;
    loop_.post([this] {
      woken_ = false;
      carry();
    });
  });
  loop_.spawn(run(this));
}

bool Journal::needs(NodeId node) {
  if (!outbox_->state().begun) return false;
  leaving_until_[node] = loop_.now() + kLeaving;
  // A snapshot under way may end with the older root, and those that held it.
  if (!holders_.contains(node) && !offered_.contains(node) && !snapshotting_) return false;
  if (!snapshotting_) wanted_ = true;
  return true;
}

Task<void> Journal::run(Journal* self) {
  for (;;) {
    self->tick();
    self->carry();
    self->turn_.reset();
    co_await self->turn_.wait(self->loop_.after(self->options_.tick));
  }
}

// ---- records ---------------------------------------------------------------------------------

void Journal::carry() {
  for (RecordPtr& record : outbox_->take_unsent()) to_carry_.push_back(std::move(record));
  while (!to_carry_.empty() && under_way_ < options_.window) {
    ++under_way_;
    loop_.spawn(carry_one(this, std::move(to_carry_.front())));
    to_carry_.pop_front();
  }
}

Task<void> Journal::carry_one(Journal* self, RecordPtr record) {
  const ExtentId id = reserved_id(Kind::kRecord, record->sequence);
  const std::shared_ptr<const std::string> bytes(record, &record->bytes);
  // Until it lies there, or a root stands for it, or it was dropped.
  while (self->outbox_->state().safe < record->sequence) {
    const Copies copies = co_await self->write(id, record->sequence / kTurnRecords, bytes);
    if (copies.status) {
      ++self->counters_.records;
      self->outbox_->sent(record->sequence);
      break;
    }
    ++self->counters_.retries;
    if (self->unable_since_ < 0) self->unable_since_ = self->loop_.now();
    co_await sleep_for(self->loop_, kRetry);
  }
  --self->under_way_;
  self->carry();
}

// Good places first: not those that were slow or refused a moment ago, nor those whose own joining
// is not safe yet.
std::vector<Site> Journal::sites_for(std::uint64_t turn) {
  std::vector<Site> sites = sites_();
  const Outbox::State state = outbox_->state();
  for (const Site& site : sites)
    trusted_from_.try_emplace(site.node, first_sites_ ? 0 : state.sequence);
  if (!sites.empty()) first_sites_ = false;
  const auto leaves = [&](const Site& site) {
    const auto leaving = leaving_until_.find(site.node);
    return leaving != leaving_until_.end() && leaving->second > loop_.now();
  };
  if (static_cast<std::size_t>(std::ranges::count_if(sites, std::not_fn(leaves))) >=
      options_.copies)
    std::erase_if(sites, leaves);
  sites = in_order(std::move(sites), turn);
  std::stable_partition(sites.begin(), sites.end(), [&](const Site& site) {
    const auto avoided = avoid_until_.find(site.node);
    return trusted_from_[site.node] <= state.safe &&
           (avoided == avoid_until_.end() || avoided->second <= loop_.now());
  });
  return sites;
}

Task<Copies> Journal::write(ExtentId id, std::uint64_t turn,
                            std::shared_ptr<const std::string> bytes) {
  std::vector<Site> sites = sites_for(turn);
  if (sites.size() < options_.copies) {
    Copies none;
    none.status = fail(Code::kUnavailable, "too few nodes can take the journal");
    co_return none;
  }
  std::vector<NodeId> offered;
  for (const Site& site : sites) offered.push_back(site.node);
  for (const NodeId node : offered) ++offered_[node];
  Copies copies = co_await write_copies(loop_, grid_, std::move(sites), options_.copies, id,
                                        std::move(bytes), options_.times);
  for (const NodeId node : offered)
    if (--offered_[node] == 0) offered_.erase(node);
  for (const NodeId node : copies.failed) avoid_until_[node] = loop_.now() + kAvoid;
  for (const NodeId node : copies.holders) {
    holders_.insert(node);
    avoid_until_.erase(node);
  }
  if (copies.status && unable_since_ >= 0) {
    unable_since_ = -1;
    judge_ability(sites_().size());  // whom it refused, it need not refuse until the next tick
  }
  co_return copies;
}

// ---- now and then ------------------------------------------------------------------------------

void Journal::tick() {
  outbox_->tick(loop_.wall_ms());
  const std::size_t sites = sites_().size();
  judge_ability(sites);
  const Outbox::State state = outbox_->state();
  if (!state.begun || sites < options_.copies) return;
  if (!snapshotting_ && loop_.now() >= snapshot_retry_ && snapshot_is_due(state)) {
    snapshotting_ = true;
    wanted_ = false;
    loop_.spawn(make_snapshot(this));
  }
  if (!trimming_ && state.based) {
    trimming_ = true;
    loop_.spawn(trim(this));
  }
}

Journal::Health Journal::health() const {
  const auto takers = std::ranges::count_if(sites_(), [this](const Site& site) {
    const auto avoided = avoid_until_.find(site.node);
    return avoided == avoid_until_.end() || avoided->second <= loop_.now();
  });
  return {options_.copies, static_cast<std::size_t>(takers), outbox_->state(), counters_};
}

void Journal::judge_ability(std::size_t sites) {
  if (under_way_ == 0) unable_since_ = -1;
  const Nanos now = loop_.now();
  const bool able = sites < options_.copies
                        ? now - started_ < options_.start_patience
                        : unable_since_ < 0 || now - unable_since_ < options_.unable_patience;
  const Outbox::State state = outbox_->state();
  if (able != state.able && state.begun)
    log::warning("{}", able ? "the journal can be written again"
                            : "the journal cannot be written: too few nodes take it; changes are "
                              "refused until they do");
  outbox_->set_able(able);
}

bool Journal::snapshot_is_due(const Outbox::State& state) {
  if (wanted_ || !state.based) return true;
  if (state.bytes_since_root > std::max(options_.least_snapshot_after, state.root_bytes / 2))
    return true;
  if (loop_.now() - last_snapshot_ > options_.snapshot_every && state.bytes_since_root > 0)
    return true;
  return holder_is_lost();
}

bool Journal::holder_is_lost() {
  for (const NodeId node : holders_) {
    if (grid_.usable(node)) {
      away_since_.erase(node);
      continue;
    }
    const auto [away, fresh] = away_since_.try_emplace(node, loop_.now());
    if (loop_.now() - away->second > options_.holder_patience) return true;
  }
  return false;
}

// ---- snapshots: snapshot.cc --- old records
// ------------------------------------------------------

Task<void> Journal::trim(Journal* self) {
  const std::uint64_t root = self->outbox_->state().root;
  for (const Site& site : self->sites_()) {
    std::uint64_t& trimmed = self->trimmed_[site.node];
    if (trimmed >= root) continue;
    const Status status = co_await self->trim_node(site.node, root);
    if (status)
      self->trimmed_[site.node] = root;
    else
      log::debug("old records stay on node {}: {}", site.node, status.error().to_string());
  }
  self->trimming_ = false;
}

Task<Status> Journal::trim_node(NodeId node, std::uint64_t root) {
  constexpr std::size_t kPage = 2048;
  ShardId after = before_reserved();
  for (;;) {
    HYDRA_CO_TRY(const auto page,
                 co_await grid_.list(node, after, kPage, loop_.after(30 * kSecond)));
    std::vector<ShardId> old;
    for (const auto& shard : page) {
      after = shard.id;
      const auto name = parse_reserved(shard.id.extent);
      if (!name) continue;
      if (name->sequence > outbox_->state().sequence && !std::exchange(warned_, true))
        log::error(
            "node {} holds a journal that goes on beyond this catalog, which must be an old "
            "copy: stop this gateway and run hydra-gateway recover",
            node);
      const std::uint64_t keep_from = name->kind == Kind::kRoot ? root : root + 1;
      if (name->sequence < keep_from) old.push_back(shard.id);
    }
    counters_.freed += old.size();
    if (!old.empty())
      HYDRA_CO_CHECK_OK(co_await grid_.free(node, std::move(old), loop_.after(30 * kSecond)));
    if (page.size() < kPage) co_return Status();
  }
}

}  // namespace hydra::journal
