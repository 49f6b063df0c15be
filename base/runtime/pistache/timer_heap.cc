#include "base/runtime/pistache/timer_heap.h"

#include <utility>

#include "base/assert.h"

namespace hydra::runtime {

TimerHeap::Id TimerHeap::add(Nanos at, std::function<void()> fn) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  Slot& timer = slots_[slot];
  timer.at = at;
  timer.sequence = next_sequence_++;
  timer.fn = std::move(fn);
  timer.active = true;
  heap_.push_back(slot);
  timer.position = static_cast<std::uint32_t>(heap_.size() - 1);
  sift_up(timer.position);
  return (static_cast<Id>(timer.generation) << 32) | slot;
}

void TimerHeap::cancel(Id id) {
  const auto slot = static_cast<std::uint32_t>(id);
  if (slot >= slots_.size()) return;
  if (!slots_[slot].active || slots_[slot].generation != static_cast<std::uint32_t>(id >> 32))
    return;
  remove(slot);
}

std::function<void()> TimerHeap::pop() {
  HYDRA_ASSERT(!heap_.empty());
  return remove(heap_[0]);
}

bool TimerHeap::before(std::uint32_t a, std::uint32_t b) const {
  const Slot& left = slots_[a];
  const Slot& right = slots_[b];
  return left.at != right.at ? left.at < right.at : left.sequence < right.sequence;
}

void TimerHeap::place(std::uint32_t slot, std::size_t position) {
  heap_[position] = slot;
  slots_[slot].position = static_cast<std::uint32_t>(position);
}

void TimerHeap::sift_up(std::size_t position) {
  const std::uint32_t slot = heap_[position];
  while (position > 0) {
    const std::size_t parent = (position - 1) / 2;
    if (!before(slot, heap_[parent])) break;
    place(heap_[parent], position);
    position = parent;
  }
  place(slot, position);
}

void TimerHeap::sift_down(std::size_t position) {
  const std::uint32_t slot = heap_[position];
  for (;;) {
    std::size_t child = 2 * position + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child])) ++child;
    if (!before(heap_[child], slot)) break;
    place(heap_[child], position);
    position = child;
  }
  place(slot, position);
}

std::function<void()> TimerHeap::remove(std::uint32_t slot) {
  Slot& timer = slots_[slot];
  const std::size_t position = timer.position;
  const std::uint32_t last = heap_.back();
  heap_.pop_back();
  if (last != slot) {
    place(last, position);
    sift_up(position);
    sift_down(slots_[last].position);
  }
  timer.active = false;
  if (++timer.generation == 0) timer.generation = 1;
  free_.push_back(slot);
  return std::exchange(timer.fn, nullptr);
}

}  // namespace hydra::runtime
