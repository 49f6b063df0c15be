// The timers of one loop: a binary heap with positions, so that cancelling is O(log n) and no
// memory is allocated once it has grown. Equal times keep the order of their adding. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/runtime/loop.h"

namespace hydra::runtime {

class TimerHeap {
 public:
  using Id = Loop::TimerId;  // never 0

  Id add(Nanos at, std::function<void()> fn);
  void cancel(Id id);  // no effect when it ran or was cancelled
  bool empty() const { return heap_.empty(); }
  Nanos earliest() const { return heap_.empty() ? INT64_MAX : slots_[heap_[0]].at; }
  // Removes the earliest and returns what it runs. Asserts that there is one.
  std::function<void()> pop();

 private:
  struct Slot {
    Nanos at = 0;
    std::uint64_t sequence = 0;
    std::function<void()> fn;
    std::uint32_t position = 0;    // in heap_
    std::uint32_t generation = 1;  // tells a reused slot from the one an old id meant
    bool active = false;
  };
  bool before(std::uint32_t a, std::uint32_t b) const;
  void place(std::uint32_t slot, std::size_t position);
  void sift_up(std::size_t position);
  void sift_down(std::size_t position);
  std::function<void()> remove(std::uint32_t slot);

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> heap_;
  std::vector<std::uint32_t> free_;
  std::uint64_t next_sequence_ = 0;
};

}  // namespace hydra::runtime
