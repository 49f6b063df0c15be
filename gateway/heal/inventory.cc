#include "gateway/heal/inventory.h"

#include <algorithm>

#include "base/log.h"

namespace hydra::heal {

namespace {

constexpr Nanos kTick = kSecond;
constexpr Nanos kSaveInterval = 30 * kSecond;
constexpr Nanos kLeastRest = 2 * kMillisecond;
// A catalog that does not know so many of the shards that nodes list is more likely to be an old
// copy than they are to be orphans.
constexpr std::uint64_t kFewOrphans = 10'000;
constexpr std::uint64_t kOrphanShare = 4;

bool past(const ExtentId& id, const std::optional<ExtentId>& last) { return last && id > *last; }

}  // namespace

Inventory::Inventory(Loop& loop, agent::Grid& grid, catalog::Catalog& catalog,
                     const WritesInFlight& writes, InventoryOptions options,
                     std::function<bool()> may_work)
    : loop_(loop),
      grid_(grid),
      catalog_(catalog),
      writes_(writes),
      options_(options),
      may_work_(std::move(may_work)) {}

Task<void> Inventory::run(Inventory* self) {
  self->next_all_ = self->loop_.now() + self->options_.period;
  for (;;) {
    self->listed_ = 0;
    const Status status = co_await self->turn();
    const auto code = status ? std::nullopt : std::optional(status.error().code);
    if (code && self->complained_ != code)
      log::warning("the inventory cannot go on: {}", status.error().to_string());
    self->complained_ = code;
    Nanos rest = kTick;
    if (status && self->any_active())
      rest = std::max(kLeastRest, static_cast<Nanos>(self->listed_ * kSecond /
                                                     self->options_.shards_per_second));
    co_await sleep_for(self->loop_, rest);
  }
}

void Inventory::start_now() {
  for (auto& [node, visit] : visits_) {
    visit.wanted = true;
    visit.not_before = 0;
  }
}

// Who has come back, or has something to report.
Status Inventory::watch_nodes() {
  HYDRA_TRY(const auto roster, catalog_.nodes());
  const bool all = loop_.now() >= next_all_;
  if (all) next_all_ = loop_.now() + options_.period;
  for (const auto& view : grid_.nodes()) {
    const auto row = std::ranges::find(roster, view.id, &catalog::NodeRow::id);
    if (row == roster.end() || !row->stores() || view.state != agent::NodeState::kHealthy) continue;
    Visit& visit = visits_[view.id];
    const bool new_link = std::exchange(visit.link, view.linked_at) != view.linked_at;
    const bool new_errors = view.load.errors > std::exchange(visit.errors, view.load.errors);
    if (new_link || new_errors || all) visit.wanted = true;
  }
  return {};
}

void Inventory::admit_waiting() {
  for (auto& [node, visit] : visits_) {
    if (!visit.wanted || visit.active || loop_.now() < visit.not_before || !grid_.usable(node))
      continue;
    visit.wanted = false;
    visit.active = true;
    visit.from = row_.cursor;
    visit.wrapped = false;
    visit.not_before = loop_.now() + options_.gap;
  }
}

bool Inventory::any_active() const {
  return std::ranges::any_of(visits_, [](const auto& entry) { return entry.second.active; });
}

Task<Status> Inventory::load() {
  HYDRA_CO_TRY(const auto known, catalog_.walk(kInventoryWalk));
  row_ = known.value_or(catalog::WalkRow());
  if (row_.started_ms == 0) row_.started_ms = std::max<std::int64_t>(loop_.wall_ms(), 1);
  loaded_ = true;
  // Whoever had the lease may have been elsewhere.
  for (auto& [node, visit] : visits_) {
    visit.wanted = visit.wanted || visit.active;
    visit.active = false;
    visit.not_before = 0;
  }
  co_return Status();
}

Task<Status> Inventory::turn() {
  HYDRA_CO_CHECK_OK(watch_nodes());
  if (!may_work_()) {
    loaded_ = false;
    co_return Status();
  }
  if (!loaded_) HYDRA_CO_CHECK_OK(co_await load());
  admit_waiting();
  if (!any_active()) co_return Status();

  Span span;
  span.after = row_.cursor;
  HYDRA_CO_TRY(auto page, catalog_.walk_extents(row_.cursor, options_.page));
  span.last = page.next;
  for (auto& item : page.items) {
    row_.done_bytes += item.extent.length;
    span.extents.push_back(std::move(item.extent));
  }
  for (auto& [node, visit] : visits_) {
    if (!visit.active) continue;
    const Status visited = co_await this->visit(node, span);
    if (!may_work_()) co_return Status();
    if (visited) continue;
    log::warning("node {} could not be compared with the catalog: {}", node,
                 visited.error().to_string());
    ++row_.counts.unreachable;
    visit.active = false;
    visit.wanted = true;  // when it can be used again, and the gap is over
  }
  co_return co_await advance(span);
}

Task<Status> Inventory::advance(const Span& span) {
  row_.cursor = span.last;
  const bool round = !span.last.has_value();
  retire(span.last);
  if (round) {
    row_.last_started_ms = row_.started_ms;
    row_.last_finished_ms = loop_.wall_ms();
    row_.last_counts = std::exchange(row_.counts, {});
    row_.started_ms = std::max<std::int64_t>(loop_.wall_ms(), 1);
    row_.done_bytes = 0;
    held_back_ = 0;
  }
  if (!round && any_active() && loop_.now() - saved_at_ < kSaveInterval) co_return Status();
  saved_at_ = loop_.now();
  Status saved = co_await catalog_.put_walk(loop_, kInventoryWalk, row_);
  if (!saved) loaded_ = false;
  co_return saved;
}

// Nodes for which the position has come round.
void Inventory::retire(const std::optional<ExtentId>& position) {
  for (auto& [node, visit] : visits_) {
    if (!visit.active) continue;
    const bool twice = !position && visit.wrapped;  // what was at `from` is gone
    if (!position) visit.wrapped = true;
    const bool round = visit.wrapped && (!visit.from || (position && *position >= *visit.from));
    if (!round && !twice) continue;
    visit.active = false;
    visit.finished_ms = loop_.wall_ms();
  }
}

Task<Status> Inventory::visit(NodeId node, const Span& span) {
  Expected expected;
  std::vector<ShardId> suspects;
  for (const auto& extent : span.extents) {
    const auto at = std::ranges::find(extent.nodes, node);
    if (at == extent.nodes.end()) continue;
    const ShardId shard = extent.shard(static_cast<std::size_t>(at - extent.nodes.begin()));
    if (extent.stored_as == extent.id)
      expected.emplace(shard, &extent);
    else if (!extent.lacks(shard.index))
      suspects.push_back(shard);  // it is listed elsewhere in the order
  }
  std::optional<ShardId> after;
  if (span.after) after = ShardId{*span.after, erasure::kMaxShards - 1};
  for (bool more = true; more;) {
    HYDRA_CO_TRY(auto listed,
                 co_await grid_.list(node, after, options_.page, loop_.after(options_.timeout)));
    more = listed.size() == options_.page && !past(listed.back().id.extent, span.last);
    if (!listed.empty()) after = listed.back().id;
    std::erase_if(listed, [&](const auto& info) { return past(info.id.extent, span.last); });
    listed_ += listed.size();
    row_.counts.shards += listed.size();
    HYDRA_CO_CHECK_OK(co_await judge_listed(node, listed, expected));
  }
  for (const auto& [shard, extent] : expected)
    if (!extent->lacks(shard.index)) suspects.push_back(shard);
  co_return co_await confirm_missing(node, std::move(suspects));
}

Task<Status> Inventory::judge_listed(NodeId node, const std::vector<agent::ShardInfo>& listed,
                                     Expected& expected) {
  std::vector<ShardId> unexpected, back;
  for (const auto& info : listed) {
    row_.counts.bytes += info.shard_bytes;
    if (is_reserved(info.id.extent)) continue;
    const auto found = expected.find(info.id);
    if (found == expected.end()) {
      unexpected.push_back(info.id);
      continue;
    }
    if (found->second->lacks(info.id.index)) back.push_back(info.id);
    expected.erase(found);
  }
  HYDRA_CO_CHECK_OK(co_await take_back(node, std::move(back)));
  co_return co_await judge_unexpected(node, std::move(unexpected));
}

Task<Status> Inventory::judge_unexpected(NodeId node, std::vector<ShardId> shards) {
  if (shards.empty()) co_return Status();
  std::vector<ExtentId> names;
  for (const ShardId& shard : shards) names.push_back(shard.extent);
  HYDRA_CO_TRY(const auto owners, catalog_.owners(names));
  std::vector<ShardId> back, orphans;
  std::vector<catalog::Stray> strays;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const ShardId shard = shards[i];
    const auto& owner = owners[i];
    if (!owner) {
      // An extent of that name may have been re-encoded since.
      HYDRA_CO_TRY(const bool alive, is_alive(shard.extent));
      if (alive)
        strays.push_back({stray_due_ms(), node, shard});
      else
        orphans.push_back(shard);
    } else if (owner->live_bytes == 0) {
      continue;  // on its way to be freed
    } else if (shard.index < owner->nodes.size() && owner->nodes[shard.index] == node) {
      if (owner->lacks(shard.index)) back.push_back(shard);
    } else if (!writes_.contains(shard.extent)) {
      strays.push_back({stray_due_ms(), node, shard});
    }
  }
  row_.counts.strays += strays.size();
  if (!strays.empty()) HYDRA_CO_CHECK_OK(co_await catalog_.add_strays(loop_, std::move(strays)));
  HYDRA_CO_CHECK_OK(co_await take_back(node, std::move(back)));
  co_return co_await judge_orphans(node, std::move(orphans));
}

// The order matters: a write that is not in flight any more has either been committed, which the
// look after that sees, or never will be.
Task<Status> Inventory::judge_orphans(NodeId node, std::vector<ShardId> shards) {
  std::erase_if(shards, [this](const ShardId& shard) {
    return loop_.wall_ms() - birth_ms(shard.extent) < options_.orphan_grace_ms ||
           writes_.contains(shard.extent);
  });
  if (shards.empty()) co_return Status();
  std::vector<ExtentId> names;
  for (const ShardId& shard : shards) names.push_back(shard.extent);
  HYDRA_CO_TRY(const auto owners, catalog_.owners(names));
  std::vector<catalog::Stray> strays;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    HYDRA_CO_TRY(const bool alive, is_alive(shards[i].extent));
    if (!owners[i] && !alive) strays.push_back({stray_due_ms(), node, shards[i]});
  }
  row_.counts.orphans += strays.size();
  if (!believable(strays.size())) {
    if (held_back_ == 0)
      log::error(
          "nodes hold so many shards that the catalog does not know that they are kept: is "
          "this an old copy of the catalog?");
    held_back_ += strays.size();
    co_return Status();
  }
  if (strays.empty()) co_return Status();
  co_return co_await catalog_.add_strays(loop_, std::move(strays));
}

// Under whatever name its shards lie.
Result<bool> Inventory::is_alive(const ExtentId& id) const {
  const auto extent = catalog_.extent(id);
  if (!extent && extent.error().code != Code::kNotFound) return fail(extent.error());
  return extent.has_value();
}

bool Inventory::believable(std::size_t orphans) const {
  return orphans == 0 || row_.counts.orphans <= kFewOrphans ||
         row_.counts.orphans <= row_.counts.shards / kOrphanShare;
}

// Two looks at one stray within the grace time make the same row.
std::int64_t Inventory::stray_due_ms() const {
  const std::int64_t step = std::max<std::int64_t>(options_.stray_grace_ms, 1);
  return (loop_.wall_ms() / step + 2) * step;
}

namespace {

using Answers = std::vector<Status>;
constexpr std::size_t kAskedAtOnce = 8;

Task<void> ask(agent::Grid* grid, NodeId node, ShardId shard, bool verify, Deadline deadline,
               Status* answer) {
  if (verify) {
    *answer = co_await grid->verify(node, shard, deadline);
  } else {
    const auto info = co_await grid->info(node, shard, deadline);
    *answer = info ? Status() : Status(fail(info.error()));
  }
}

// Asks a node for shards, a few at once.
Task<Answers> ask_all(Loop& loop, agent::Grid& grid, NodeId node,
                      const std::vector<ShardId>& shards, bool verify, Nanos timeout) {
  Answers answers(shards.size());
  for (std::size_t begin = 0; begin < shards.size(); begin += kAskedAtOnce) {
    TaskGroup group(loop);
    for (std::size_t i = begin; i < std::min(begin + kAskedAtOnce, shards.size()); ++i)
      group.spawn(ask(&grid, node, shards[i], verify, loop.after(timeout), &answers[i]));
    co_await group.join();
  }
  co_return answers;
}

}  // namespace

Task<Status> Inventory::take_back(NodeId node, std::vector<ShardId> shards) {
  if (shards.empty()) co_return Status();
  const Answers whole = co_await ask_all(loop_, grid_, node, shards, true, options_.timeout);
  std::vector<catalog::ShardReport> present;
  for (std::size_t i = 0; i < shards.size(); ++i)
    if (whole[i]) present.push_back({node, shards[i]});
  if (present.empty()) co_return Status();
  HYDRA_CO_TRY(const std::size_t news, co_await catalog_.report_present(loop_, std::move(present)));
  row_.counts.returned += news;
  co_return Status();
}

// A node that does not list a shard is asked for it by name before it counts as lost; what has
// moved or died meanwhile the catalog passes over.
Task<Status> Inventory::confirm_missing(NodeId node, std::vector<ShardId> shards) {
  if (shards.empty()) co_return Status();
  const Answers there = co_await ask_all(loop_, grid_, node, shards, false, options_.timeout);
  std::vector<catalog::ShardReport> missing;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    if (there[i]) continue;
    if (there[i].error().code != Code::kNotFound) co_return there[i];
    missing.push_back({node, shards[i]});
  }
  if (missing.empty()) co_return Status();
  HYDRA_CO_TRY(const std::size_t news, co_await catalog_.report_missing(loop_, std::move(missing)));
  row_.counts.broken += news;
  if (news > 0) log::warning("node {} lacks {} shards that it should hold", node, news);
  co_return Status();
}

InventoryStatus Inventory::status() const {
  InventoryStatus status;
  status.row = row_;
  if (!loaded_) {
    const auto known = catalog_.walk(kInventoryWalk);
    if (known && *known) status.row = **known;
  }
  status.working = loaded_ && any_active();
  for (const auto& [node, visit] : visits_)
    status.nodes.push_back({node, visit.wanted, visit.active, visit.finished_ms});
  status.held_back = held_back_;
  return status;
}

}  // namespace hydra::heal
