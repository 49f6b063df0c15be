#include "tests/simulation/operator.h"

#include <fmt/format.h>

#include <algorithm>

namespace hydra::gridsim {

namespace {
constexpr Nanos kLook = 200 * kMillisecond;
constexpr Nanos kAsk = 2 * kSecond;
}  // namespace

void Operator::start() {
  if (!options_.active) return;
  active_ = true;
  world_.simulation.after(prng_.in(options_.pause), [this] { act(); });
}

const catalog::NodeRow* Operator::row_of(std::size_t index,
                                         const std::vector<catalog::NodeRow>& rows) const {
  const auto row =
      std::ranges::find(rows, world_.agent_process(index).name(), &catalog::NodeRow::name);
  return row == rows.end() ? nullptr : &*row;
}

void Operator::act() {
  if (!active_) return;
  world_.simulation.after(prng_.in(options_.pause), [this] { act(); });
  if (world_.gateway() == nullptr) return;
  const auto rows = world_.gateway()->catalog().nodes();
  if (!rows) return;
  std::size_t in_service = 0;
  std::vector<std::size_t> steady, drained;
  for (std::size_t i = 0; i < world_.agents(); ++i) {
    if (world_.retired(i)) continue;
    ++in_service;
    const auto* row = row_of(i, *rows);
    if (row == nullptr || row->removed) continue;
    if (row->draining)
      drained.push_back(i);
    else if (!leaving_.contains(i))
      steady.push_back(i);
  }
  const auto dice = prng_.below(10);
  if (dice < 4 && in_service < options_.most_agents) {
    ++counters_.joins;
    world_.add_agent();
  } else if (dice < 8 && steady.size() > world_.first_agents()) {
    ++counters_.drains;
    set_draining(steady[prng_.below(steady.size())], true);
  } else if (dice == 9 && !drained.empty()) {
    set_draining(drained[prng_.below(drained.size())], false);
  }
}

void Operator::set_draining(std::size_t index, bool draining) {
  world_.model.note(fmt::format("{} is {}", world_.agent_process(index).name(),
                                draining ? "to be emptied" : "to stay after all"));
  if (draining)
    leaving_.insert(index);
  else
    leaving_.erase(index);
  Gateway* gateway = world_.gateway();
  gateway->workers().front()->loop.spawn(
      change(gateway, world_.node_id(index), {.draining = draining}));
}

Task<void> Operator::change(Gateway* gateway, NodeId node, catalog::NodeChange change) {
  // Whatever comes of it is seen in the catalog.
  (void)co_await gateway->membership().change(node, std::move(change));
}

Task<void> Operator::remove(Operator* self, Gateway* gateway, NodeId node, bool lost) {
  const auto removed = co_await gateway->membership().remove(node, lost);
  if (removed || removed.error().code == Code::kConflict) co_return;
  self->world_.model.note(
      fmt::format("node {} is not removed: {}", node, removed.error().to_string()));
}

void Operator::look() {
  const Nanos now = world_.simulation.now();
  Gateway* gateway = world_.gateway();
  if (gateway == nullptr || now < looked_at_ + kLook) return;
  looked_at_ = now;
  const auto rows = gateway->catalog().nodes();
  if (!rows) return;
  const bool due = now >= asked_at_ + kAsk;
  if (due) asked_at_ = now;
  for (std::size_t i = 0; i < world_.agents(); ++i) {
    const auto* row = row_of(i, *rows);
    if (row == nullptr || world_.retired(i)) continue;
    if (row->removed) {
      ++counters_.removals;
      lost_.erase(i);
      world_.retire(i);
    } else if (due && (row->draining || lost_.contains(i))) {
      gateway->workers().front()->loop.spawn(remove(this, gateway, row->id, lost_.contains(i)));
    }
  }
}

bool Operator::idle() {
  if (world_.gateway() == nullptr || !lost_.empty()) return false;
  const auto rows = world_.gateway()->catalog().nodes();
  if (!rows) return false;
  for (std::size_t i = 0; i < world_.agents(); ++i) {
    if (world_.retired(i)) continue;
    const auto* row = row_of(i, *rows);
    if (row == nullptr || row->draining || row->removed) return false;
  }
  return true;
}

void Operator::replace(std::size_t index) {
  if (!lost_.insert(index).second) return;
  world_.give_up(index);
  ++counters_.joins;
  world_.add_agent();
}

}  // namespace hydra::gridsim
