#include "gateway/object/membership.h"

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
// A capacity that moved by less than this does not make a new ring.
constexpr double kCapacityStep = 0.05;

bool same_for_placement(const placement::Node& a, const placement::Node& b) {
  const double larger = static_cast<double>(std::max(a.capacity_bytes, b.capacity_bytes));
  const double step =
      std::abs(static_cast<double>(a.capacity_bytes) - static_cast<double>(b.capacity_bytes));
  return a.id == b.id && a.zone == b.zone && a.weight == b.weight && a.draining == b.draining &&
         step <= larger * kCapacityStep;
}

bool same_for_placement(const placement::ClusterMap& a, const placement::ClusterMap& b) {
  return std::ranges::equal(a.nodes(), b.nodes(),
                            [](const auto& x, const auto& y) { return same_for_placement(x, y); });
}
}  // namespace

Membership::Membership(Loop& loop, catalog::Catalog& catalog, PlacementBoard& board,
                       std::vector<erasure::Profile> profiles)
    : loop_(loop), catalog_(catalog), board_(board), profiles_(std::move(profiles)) {}

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

Task<Result<NodeId>> Membership::join(agent::NodeDescription node) {
  catalog::NodeRow row;
  row.identity = node.identity;
  row.name = node.name;
  row.zone = node.zone;
  row.capacity_bytes = node.capacity_bytes;
  HYDRA_CO_TRY(row, co_await catalog_.register_node(loop_, std::move(row)));
  HYDRA_CO_CHECK_OK(follow_roster());
  co_return row.id;
}

Task<Result<catalog::NodeRow>> Membership::change(NodeId node, catalog::NodeChange change) {
  HYDRA_CO_TRY(auto row, co_await catalog_.set_node(loop_, node, std::move(change)));
  HYDRA_CO_CHECK_OK(follow_roster());
  co_return row;
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
