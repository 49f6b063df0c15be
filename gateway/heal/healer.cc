#include "gateway/heal/healer.h"

#include <algorithm>

#include "base/log.h"

namespace hydra::heal {

namespace {
constexpr std::size_t kReadAhead = 64;       // rows of the queue
constexpr std::size_t kLooksPerTurn = 4096;  // rows passed over before others may run
constexpr std::size_t kMaxBlocked = 100'000;

// Two stripes with their parity.
std::size_t memory_for(const catalog::Extent& extent) {
  const auto shards = static_cast<std::size_t>(extent.profile.shards());
  const std::size_t stripe = std::min<std::size_t>(extent.length, erasure::kStripeDataBytes);
  return std::max<std::size_t>(64u << 10, 2 * stripe * shards / extent.profile.k);
}
}  // namespace

Healer::Healer(Loop& loop, agent::Grid& grid, catalog::Catalog& catalog,
               const placement::PlacementBoard& board, const Foreground& foreground,
               WritesInFlight& writes, HealOptions options)
    : loop_(loop),
      grid_(grid),
      catalog_(catalog),
      board_(board),
      options_(std::move(options)),
      pacer_(loop, foreground, options_.pace),
      writes_(writes),
      watch_(options_.watch, loop.now()),
      survey_(loop, catalog, options_.survey),
      sweeper_(loop, grid, catalog, busy_, options_.sweep),
      memory_(loop, options_.memory),
      wake_(loop),
      tasks_(loop),
      ended_(loop),
      lease_(loop, catalog, "healer", options_.lease) {}

Task<void> Healer::run(Healer* self) {
  self->started_ = true;
  while (!self->stopping_) {
    (void)co_await self->wake_.wait(self->loop_.after(self->options_.tick));
    self->wake_.reset();
    if (self->stopping_) break;
    co_await self->lease_.refresh();
    if (const Status seen = self->observe(); !seen) {
      log::error("the healer cannot read the catalog: {}", seen.error().to_string());
      continue;
    }
    self->measure();
    if (!self->holds_lease()) continue;
    if (self->survey_is_due()) {
      self->surveying_ = true;
      self->tasks_.spawn(survey(self));
    }
    if (!self->sweeping_ && self->loop_.now() >= self->sweep_due_) {
      self->sweeping_ = true;
      self->tasks_.spawn(sweep(self));
    }
    self->pump();
  }
  self->ended_.set();
}

Task<void> Healer::stop(Deadline deadline) {
  stopping_ = true;
  wake_.set();
  if (started_) (void)co_await ended_.wait(deadline);
  if (co_await tasks_.join(deadline)) co_await lease_.release();
}

Status Healer::observe() {
  HYDRA_TRY(const auto roster, catalog_.nodes());
  const auto placement = board_.current();
  const std::uint64_t turns = watch_.turns();
  watch_.update(loop_.now(), roster, grid_.nodes(),
                placement == nullptr ? nullptr : &placement->map);
  const std::uint64_t epoch = placement == nullptr ? 0 : placement->ring.epoch();
  if (watch_.turns() != turns || std::exchange(ring_epoch_, epoch) != epoch) {
    changed_ = true;
    blocked_.clear();
    front_at_ = 0;
  }
  if (facts_ != nullptr && facts_->nodes == watch_.facts() && facts_->placement == placement)
    return {};
  auto facts = std::make_shared<Facts>();
  facts->nodes = watch_.facts();
  facts->placement = placement;
  facts->profile = options_.profile;
  facts->small_bytes = options_.small_bytes;
  facts_ = std::move(facts);
  return {};
}

bool Healer::survey_is_due() const {
  if (surveying_ || facts_->nodes.empty()) return false;
  if (changed_ || loop_.now() >= survey_due_) return true;
  // All is done: count again, so that what is said of the grid is true.
  const auto totals = catalog_.totals();
  return worked_ && running_.empty() && totals && totals->repairs + totals->moves == 0;
}

Task<void> Healer::survey(Healer* self) {
  self->changed_ = false;
  self->worked_ = false;
  const Wishes wishes{self->options_.rebalance || std::exchange(self->rebalance_wanted_, false),
                      std::exchange(self->reprofile_wanted_, false)};
  auto census = co_await self->survey_.walk(
      [self]() -> std::shared_ptr<const Facts> {
        return self->stopping_ || !self->holds_lease() ? nullptr : self->facts_;
      },
      wishes);
  self->surveying_ = false;
  if (census) {
    self->census_ = std::move(*census);
    self->survey_due_ = self->loop_.now() + self->options_.survey_every;
  } else {
    if (!self->stopping_)
      log::warning("a survey of the extents failed: {}", census.error().to_string());
    self->changed_ = true;
    self->rebalance_wanted_ |= wishes.rebalance && !self->options_.rebalance;
    self->reprofile_wanted_ |= wishes.reprofile;
  }
  self->front_at_ = 0;
  if (census) self->wake_.set();
}

Task<void> Healer::sweep(Healer* self) {
  std::set<NodeId> removed;
  for (const auto& [id, node] : self->facts_->nodes)
    if (node.presence == Presence::kRemoved) removed.insert(id);
  const auto swept = co_await self->sweeper_.sweep(
      std::move(removed), [self] { return !self->stopping_ && self->holds_lease(); });
  if (!swept)
    log::warning("space cannot be given back: {}", swept.error().to_string());
  else if (swept->extents + swept->strays + swept->trims + swept->uploads > 0)
    log::info("freed {} dead extents and {} strays, trimmed {} bodies, aborted {} uploads",
              swept->extents, swept->strays, swept->trims, swept->uploads);
  self->sweeping_ = false;
  self->sweep_due_ = self->loop_.now() + self->options_.sweep.interval;
}

std::optional<catalog::RepairRow> Healer::next_row() {
  if (loop_.now() >= front_at_) {
    rows_.clear();
    last_row_.reset();
    front_at_ = loop_.now() + options_.retry / 4;
  }
  for (std::size_t looks = 0; looks < kLooksPerTurn; ++looks) {
    if (rows_.empty()) {
      const auto rows = catalog_.repairs(kReadAhead, last_row_);
      if (!rows || rows->empty()) return std::nullopt;
      last_row_ = rows->back();
      rows_.assign(rows->begin(), rows->end());
    }
    const catalog::RepairRow row = rows_.front();
    rows_.pop_front();
    if (busy_.contains(row.extent)) continue;
    const auto blocked = blocked_.find(row.extent);
    if (blocked != blocked_.end() && loop_.now() < blocked->second) continue;
    return row;
  }
  return std::nullopt;
}

void Healer::pump() {
  while (running_.size() < options_.parallel) {
    const auto row = next_row();
    if (!row) return;
    busy_.insert(row->extent);
    running_.push_back({*row, loop_.now()});
    tasks_.spawn(work(this, *row));
  }
}

Task<void> Healer::work(Healer* self, catalog::RepairRow row) {
  co_await self->work_on(row);
  self->busy_.erase(row.extent);
  std::erase_if(self->running_,
                [&](const Running& running) { return running.row.extent == row.extent; });
  if (!self->stopping_ && self->holds_lease()) self->pump();
}

Task<void> Healer::work_on(catalog::RepairRow row) {
  const auto extent = catalog_.extent(row.extent);
  if (!extent) co_return;
  const auto hold = co_await memory_.acquire(memory_for(*extent));
  if (!hold || stopping_ || !holds_lease()) co_return;
  WorkTools tools{.loop = loop_,
                  .grid = grid_,
                  .catalog = catalog_,
                  .pacer = pacer_,
                  .writes = writes_,
                  .grace_ms = options_.sweep.grace_ms,
                  .may_commit = [this] { return holds_lease(); }};
  ExtentWork task(std::move(tools), facts_,
                  {options_.rebalance || row.rank == catalog::kRankRebalance,
                   row.rank == catalog::kRankReprofile});
  const auto outcome = co_await task.run(row);
  written_bytes_ += task.bytes();
  worked_ = true;
  if (outcome && *outcome == ExtentWork::Outcome::kDone) {
    ++healed_extents_;
    healed_bytes_ += extent->length;
    blocked_.erase(row.extent);
  } else if (!outcome || *outcome == ExtentWork::Outcome::kBlocked) {
    blocked_why_ = outcome ? task.why() : outcome.error().to_string();
    log::debug("extent {} waits: {}", row.extent.to_string(), blocked_why_);
    if (blocked_.size() >= kMaxBlocked) blocked_.clear();
    blocked_[row.extent] = loop_.now() + options_.retry;
  }
}

void Healer::measure() {
  const Nanos now = loop_.now();
  const Nanos passed = now - measured_at_;
  if (passed < options_.tick) return;
  const double lately = static_cast<double>(healed_bytes_ - measured_bytes_) *
                        static_cast<double>(kSecond) / static_cast<double>(passed);
  rate_ = running_.empty() && lately == 0 ? 0 : rate_ * 0.8 + lately * 0.2;
  if (!running_.empty() || lately > 0) working_time_ += passed;
  measured_bytes_ = healed_bytes_;
  measured_at_ = now;
}

Result<HealStatus> Healer::status() {
  HealStatus out;
  out.active = holds_lease();
  out.lease_holder = lease_.holder();
  out.surveying = surveying_;
  out.surveyed = survey_.seen();
  out.census = census_;
  out.settled = census_.has_value() && !changed_ && !surveying_;
  HYDRA_TRY(out.totals, catalog_.totals());
  for (const Running& running : running_)
    out.running.push_back({running.row.extent, running.row.rank, loop_.now() - running.begun});
  out.blocked = blocked_.size();
  out.blocked_why = blocked_why_;
  out.healed_extents = healed_extents_;
  out.healed_bytes = healed_bytes_;
  out.written_bytes = written_bytes_;
  out.bytes_per_second = rate_;
  if (working_time_ > 0)
    out.usual_bytes_per_second = static_cast<double>(measured_bytes_) *
                                 static_cast<double>(kSecond) / static_cast<double>(working_time_);
  const std::uint64_t left = out.totals.repair_bytes + out.totals.move_bytes;
  if (left == 0)
    out.seconds_left = 0;
  else if (rate_ > 0)
    out.seconds_left = static_cast<std::int64_t>(static_cast<double>(left) / rate_);
  out.pace = pacer_.rate();
  if (facts_ != nullptr) out.nodes = facts_->nodes;
  return out;
}

void Healer::survey_now() {
  changed_ = true;
  wake_.set();
}

void Healer::rebalance() {
  rebalance_wanted_ = true;
  survey_now();
}

void Healer::reprofile() {
  reprofile_wanted_ = true;
  survey_now();
}

}  // namespace hydra::heal
