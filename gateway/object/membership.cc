#include "gateway/object/membership.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/log.h"
#include "placement/ring_format.h"

namespace hydra::object {

namespace {
// Nodes that start together make one new epoch.
constexpr Nanos kSettle = 150 * kMillisecond;
constexpr Nanos kRetry = kSecond;
constexpr Nanos kNeededLook = 200 * kMillisecond;
constexpr Nanos kNeededPatience = 15 * kSecond;
// A capacity that moved by less than this does not make a new ring, nor, by less than the other, a
// commit.
constexpr double kCapacityStep = 0.05;
constexpr double kToldStep = 0.01;

bool same_for_placement(const placement::Node& a, const placement::Node& b) {
  const double larger = static_cast<double>(std::max(a.capacity_bytes, b.capacity_bytes));
  const double step =
      std::abs(static_cast<double>(a.capacity_bytes) - static_cast<double>(b.capacity_bytes));
  return a.id == b.id && a.zone == b.zone && a.weight == b.weight && a.draining == b.draining &&
         step <= larger * kCapacityStep;
}

catalog::NodeRow row_of(agent::NodeDescription node) {
  catalog::NodeRow row;
  row.identity = node.identity;
  row.name = std::move(node.name);
  row.zone = std::move(node.zone);
  row.capacity_bytes = node.capacity_bytes;
  row.role = node.role;
  return row;
}

bool same_for_placement(const placement::ClusterMap& a, const placement::ClusterMap& b) {
  return std::ranges::equal(a.nodes(), b.nodes(),
                            [](const auto& x, const auto& y) { return same_for_placement(x, y); });
}
}  // namespace

Membership::Membership(Loop& loop, catalog::Catalog& catalog, PlacementBoard& board,
                       agent::Grid& grid, std::vector<erasure::Profile> profiles,
                       MembershipOptions options)
    : loop_(loop),
      catalog_(catalog),
      board_(board),
      grid_(grid),
      profiles_(std::move(profiles)),
      options_(options) {}

Result<placement::ClusterMap> Membership::roster() {
  HYDRA_TRY(const auto rows, catalog_.nodes());
  placement::ClusterMap map;
  for (const auto& row : rows) {
    if (!row.stores()) continue;
    HYDRA_CHECK_OK(
        map.put({row.id, row.name, row.zone, row.capacity_bytes, row.weight, row.draining}));
  }
  return map;
}

Status Membership::publish(placement::ClusterMap map, placement::Ring ring) {
  board_.publish(
      std::make_shared<const PlacementView>(PlacementView{std::move(map), std::move(ring)}));
  return {};
}

Status Membership::load() {
  HYDRA_TRY(const auto stored, catalog_.ring());
  if (!stored) return {};
  HYDRA_TRY(placement::Ring ring, placement::decode_ring(as_bytes(stored->second)));
  HYDRA_TRY(placement::ClusterMap map, roster());
  return publish(std::move(map), std::move(ring));
}

Task<Result<NodeId>> Membership::link(agent::NodeDescription node) {
  HYDRA_CO_TRY(const auto row, co_await catalog_.register_node(loop_, row_of(std::move(node))));
  HYDRA_CO_CHECK_OK(follow_roster());
  co_return row.id;
}

Task<Result<NodeId>> Membership::claim(agent::ClaimId id, Sha256 hash,
                                       agent::NodeDescription node) {
  HYDRA_CO_TRY(const auto row,
               co_await catalog_.claim_node(loop_, id, hash, row_of(std::move(node))));
  HYDRA_CO_CHECK_OK(follow_roster());
  co_return row.id;
}

Task<Result<catalog::NodeRow>> Membership::change(NodeId node, catalog::NodeChange change) {
  HYDRA_CO_TRY(auto row, co_await catalog_.set_node(loop_, node, std::move(change)));
  HYDRA_CO_CHECK_OK(follow_roster());
  co_return row;
}

agent::NodeState Membership::state_of(NodeId node) const {
  for (const auto& view : grid_.nodes())
    if (view.id == node) return view.state;
  return agent::NodeState::kDown;
}

Task<Result<Holdings>> Membership::holdings(NodeId node) {
  HYDRA_CO_TRY(const auto rows, catalog_.nodes());
  std::unordered_set<NodeId> others;
  for (const auto& row : rows)
    if (row.id != node && row.stores() && state_of(row.id) == agent::NodeState::kHealthy)
      others.insert(row.id);
  co_return co_await holdings_of(loop_, catalog_, node, std::move(others));
}

Task<Status> Membership::check_removable(const catalog::NodeRow& row, bool lost) {
  if (lost && state_of(row.id) != agent::NodeState::kDown)
    co_return fail(Code::kConflict,
                   fmt::format("node {} ({}) is not down yet: try again in a while, or drain it if "
                               "it still works",
                               row.id, row.name));
  HYDRA_CO_TRY(const Holdings holdings, co_await this->holdings(row.id));
  if (!lost && holdings.extents > 0)
    co_return fail(Code::kConflict,
                   fmt::format("node {} ({}) still holds shards of {} extents: drain it first, "
                               "or say --lost if it will never come back",
                               row.id, row.name, holdings.extents));
  if (holdings.dependent > 0)
    co_return fail(Code::kConflict,
                   fmt::format("{} extents cannot be read without node {} ({}) now: other nodes "
                               "must come back or be rebuilt first",
                               holdings.dependent, row.id, row.name));
  co_return Status();
}

// Nothing new is to come to it meanwhile.
Task<Status> Membership::release(const catalog::NodeRow& row, bool lost) {
  const bool drained_here = !lost && !row.draining;
  if (drained_here) {
    const auto drained = co_await change(row.id, {.draining = true});
    if (!drained) co_return fail(drained.error());
  }
  Status free = co_await until_not_needed(row);
  if (free) free = co_await check_removable(row, lost);
  if (!free && drained_here) (void)co_await change(row.id, {.draining = false});
  co_return free;
}

Task<Status> Membership::until_not_needed(const catalog::NodeRow& row) {
  const Deadline end = loop_.after(kNeededPatience);
  const auto placed = [&] {
    const auto view = board_.current();
    const auto* node = view == nullptr ? nullptr : view->map.find(row.id);
    return node != nullptr && node->share() > 0 && state_of(row.id) != agent::NodeState::kDown;
  };
  while (placed() || options_.needed(row.id)) {
    if (loop_.now() >= end.at)
      co_return fail(
          Code::kConflict,
          fmt::format("the journal of the catalog still rests on node {} ({}): enough other "
                      "nodes must be there to take it; try again in a moment",
                      row.id, row.name));
    co_await sleep_for(loop_, kNeededLook);
  }
  co_return Status();
}

Task<Result<catalog::NodeRow>> Membership::remove(NodeId node, bool lost) {
  HYDRA_CO_TRY(const auto rows, catalog_.nodes());
  const auto row = std::ranges::find(rows, node, &catalog::NodeRow::id);
  if (row == rows.end()) co_return fail(Code::kNotFound, fmt::format("there is no node {}", node));
  if (row->stores()) {
    HYDRA_CO_CHECK_OK(co_await check_removable(*row, lost));
    if (options_.needed && options_.needed(node)) HYDRA_CO_CHECK_OK(co_await release(*row, lost));
  }
  log::warning("node {} ({}) is removed from the grid{}", node, row->name,
               lost ? ", with all that it holds" : "");
  auto removed = co_await change(node, {.remove = true});
  if (removed && options_.on_removed) options_.on_removed(node);
  co_return removed;
}

Task<void> Membership::watch(Membership* self) {
  for (;;) {
    co_await sleep_for(self->loop_, kWatchInterval);
    if (const Status status = co_await self->watch_once(); !status)
      log::warning("looking after the nodes: {}", status.error().message);
  }
}

Task<Status> Membership::watch_once() {
  HYDRA_CO_TRY(const auto rows, catalog_.nodes());
  const auto views = grid_.nodes();
  for (const auto& row : rows) {
    if (row.removed) continue;
    const auto view = std::ranges::find(views, row.id, &agent::NodeView::id);
    if (view != views.end() && view->state == agent::NodeState::kHealthy)
      HYDRA_CO_CHECK_OK(co_await follow_capacity(row, *view));
    if (view == views.end() || view->state == agent::NodeState::kDown)
      HYDRA_CO_CHECK_OK(co_await evict_if_due(row));
    else
      down_since_.erase(row.id);
  }
  co_return Status();
}

// A device may grow, or lose room to others, while its agent runs.
Task<Status> Membership::follow_capacity(const catalog::NodeRow& row, const agent::NodeView& view) {
  const auto known = static_cast<double>(row.capacity_bytes);
  const auto told = static_cast<double>(view.load.capacity_bytes);
  if (told <= 0 || std::abs(told - known) <= kToldStep * known) co_return Status();
  agent::NodeDescription node = view.description;
  node.capacity_bytes = view.load.capacity_bytes;
  const auto linked = co_await link(std::move(node));
  if (!linked) co_return fail(linked.error());
  co_return Status();
}

Task<Status> Membership::evict_if_due(const catalog::NodeRow& row) {
  const Nanos since = down_since_.try_emplace(row.id, loop_.now()).first->second;
  if (options_.evict_after == 0 || loop_.now() - since < options_.evict_after) co_return Status();
  const auto removed = co_await remove(row.id, true);
  if (removed) down_since_.erase(row.id);
  if (!removed && removed.error().code != Code::kConflict) co_return fail(removed.error());
  co_return Status();
}

Status Membership::follow_roster() {
  HYDRA_TRY(const auto map, roster());
  const auto view = board_.current();
  if (view != nullptr && same_for_placement(view->ring.roster(), map)) return {};
  changed_ = true;
  if (!rebuilding_) {
    rebuilding_ = true;
    loop_.spawn(rebuild(this));
  }
  return {};
}

Task<void> Membership::rebuild(Membership* self) {
  while (self->changed_) {
    co_await sleep_for(self->loop_, kSettle);
    self->changed_ = false;
    Status status = co_await self->rebuild_once();
    if (!status) {
      log::error("the ring could not be renewed: {}", status.error().to_string());
      self->changed_ = true;
      co_await sleep_for(self->loop_, kRetry);
    }
  }
  self->rebuilding_ = false;
}

Task<Status> Membership::rebuild_once() {
  HYDRA_CO_TRY(placement::ClusterMap map, roster());
  const auto view = board_.current();
  const std::uint64_t epoch = view == nullptr ? 1 : view->ring.epoch() + 1;
  std::optional<placement::Ring> ring;
  Event built(loop_);
  loop_.offload(
      [&] {
        ring =
            placement::build_ring(map, profiles_, view == nullptr ? nullptr : &view->ring, epoch);
      },
      [&] { built.set(); });
  co_await built.wait();
  HYDRA_CO_CHECK_OK(co_await catalog_.put_ring(loop_, epoch, placement::encode_ring(*ring)));
  log::info("ring epoch {} with {} nodes", epoch, map.size());
  co_return publish(std::move(map), std::move(*ring));
}

}  // namespace hydra::object
