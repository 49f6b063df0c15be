// The heart of the simulation: a virtual clock and one queue of events, run in the order of (time,
// a random number of the seed, sequence). Nothing else decides order: no address, no hash, no real
// time.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>
#include <vector>

#include "base/runtime/sim/random.h"

namespace hydra::sim {

enum class EventKind : std::uint8_t { kTurn, kTimer, kThread, kNetwork, kWorld };

class Scheduler {
 public:
  using EventId = std::uint64_t;  // never 0
  // Who an event belongs to: kWorld (wires, the test), kThread (a simulated pool thread), or a
  // loop's id.
  using Owner = std::uint64_t;
  static constexpr Owner kWorld = 0;
  static constexpr Owner kThread = UINT64_MAX;

  explicit Scheduler(std::uint64_t seed) : prng_(combine(seed, 0x5c4ed)) {}

  Nanos now() const { return now_; }
  // The owner of the event that runs now; kWorld between events.
  Owner current() const { return current_; }
  std::size_t pending() const { return queue_.size(); }
  std::size_t pending(Owner owner) const;
  std::uint64_t executed() const { return executed_; }
  Nanos next_at() const { return queue_.empty() ? kForever : queue_.begin()->first.at; }

  // Runs fn at `at`, or now if that has passed.
  EventId at(Nanos at, EventKind kind, Owner owner, std::function<void()> fn);
  EventId after(Nanos delay, EventKind kind, Owner owner, std::function<void()> fn) {
    return this->at(now_ + delay, kind, owner, std::move(fn));
  }
  void cancel(EventId id);
  // Removes every event of an owner; the caller destroys the closures when it is time.
  std::vector<std::function<void()>> take(Owner owner);
  // Runs no event of this owner before `until`: its process is stopped.
  void hold(Owner owner, Nanos until) { held_[owner] = until; }

  // Runs the next event unless it lies after `limit` (then the clock moves to `limit`). False:
  // nothing ran.
  bool step(Nanos limit);
  // Runs fn as if on another thread: it may post to loops and nothing else.
  void as_thread(const std::function<void()>& fn);

  // Adds to the trace something that an identical replay must repeat.
  void note(std::uint64_t value) { trace_ = combine(trace_, value); }
  std::uint64_t trace_hash() const { return trace_; }
  // Sees every event before it runs; to find where two runs part.
  using Observer = std::function<void(Nanos at, EventKind kind, Owner owner, std::uint64_t trace)>;
  void set_observer(Observer observer) { observer_ = std::move(observer); }

  Prng& prng() { return prng_; }

 private:
  static constexpr Nanos kForever = INT64_MAX;
  struct Key {
    Nanos at;
    std::uint64_t tiebreak;
    EventId id;
    auto operator<=>(const Key&) const = default;
  };
  struct Entry {
    EventKind kind;
    Owner owner;
    std::function<void()> fn;
  };

  Prng prng_;
  Nanos now_ = 0;
  Owner current_ = kWorld;
  EventId next_id_ = 1;
  std::uint64_t executed_ = 0;
  std::uint64_t deferred_ = 0;
  std::uint64_t trace_ = 0;
  std::map<Key, Entry> queue_;
  std::unordered_map<EventId, Key> keys_;  // for cancel(); never iterated
  std::map<Owner, Nanos> held_;
  Observer observer_;
};

}  // namespace hydra::sim
