#include "base/runtime/sim/scheduler.h"

#include <algorithm>
#include <utility>

namespace hydra::sim {

Scheduler::EventId Scheduler::at(Nanos at, EventKind kind, Owner owner, std::function<void()> fn) {
  const Key key{std::max(at, now_), prng_.next(), next_id_++};
  queue_.emplace(key, Entry{kind, owner, std::move(fn)});
  keys_.emplace(key.id, key);
  return key.id;
}

void Scheduler::cancel(EventId id) {
  const auto found = keys_.find(id);
  if (found == keys_.end()) return;
  const auto event = queue_.extract(found->second);
  keys_.erase(found);
}

std::vector<std::function<void()>> Scheduler::take(Owner owner) {
  std::vector<std::function<void()>> taken;
  for (auto event = queue_.begin(); event != queue_.end();) {
    if (event->second.owner != owner) {
      ++event;
      continue;
    }
    taken.push_back(std::move(event->second.fn));
    keys_.erase(event->first.id);
    event = queue_.erase(event);
  }
  held_.erase(owner);
  return taken;
}

std::size_t Scheduler::pending(Owner owner) const {
  return static_cast<std::size_t>(
      std::count_if(queue_.begin(), queue_.end(),
                    [owner](const auto& event) { return event.second.owner == owner; }));
}

bool Scheduler::step(Nanos limit) {
  while (!queue_.empty() && queue_.begin()->first.at <= limit) {
    auto node = queue_.extract(queue_.begin());
    now_ = node.key().at;
    Entry& event = node.mapped();
    if (const auto held = held_.find(event.owner); held != held_.end() && held->second > now_) {
      // Held events keep their order: a running number takes the place of the random one.
      node.key() = Key{held->second, deferred_++, node.key().id};
      keys_[node.key().id] = node.key();
      queue_.insert(std::move(node));
      continue;
    }
    keys_.erase(node.key().id);
    ++executed_;
    note(static_cast<std::uint64_t>(now_));
    note(combine(event.owner, static_cast<std::uint64_t>(event.kind)));
    note(node.key().id);
    if (observer_) observer_(now_, event.kind, event.owner, trace_);
    current_ = event.owner;
    event.fn();
    event.fn = nullptr;  // what the closure owned belongs to the event, too
    current_ = kWorld;
    return true;
  }
  now_ = std::max(now_, limit);
  return false;
}

void Scheduler::as_thread(const std::function<void()>& fn) {
  const Owner outer = std::exchange(current_, kThread);
  fn();
  current_ = outer;
}

}  // namespace hydra::sim
