#include "base/runtime/pistache/timer_heap.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

namespace hydra::runtime {
namespace {

// Against an ordered map of (time, sequence): any mix of adding, cancelling and popping gives the
// same order.
RC_GTEST_PROP(TimerHeapTest, BehavesAsAnOrderedMap, ()) {
  TimerHeap heap;
  std::map<std::pair<Nanos, int>, TimerHeap::Id> model;
  std::vector<TimerHeap::Id> gone;
  int sequence = 0;
  int ran = -1;
  const auto steps = *rc::gen::container<std::vector<std::pair<int, int>>>(
      rc::gen::pair(rc::gen::inRange(0, 5), rc::gen::inRange(0, 50)));
  for (const auto& [kind, value] : steps) {
    if (kind < 3) {
      const int mine = sequence++;
      model[{value, mine}] = heap.add(value, [&ran, mine] { ran = mine; });
    } else if (kind == 3 && !model.empty()) {
      const auto victim = std::next(model.begin(), value % static_cast<int>(model.size()));
      heap.cancel(victim->second);
      gone.push_back(victim->second);
      model.erase(victim);
    } else if (!model.empty()) {
      RC_ASSERT(heap.earliest() == model.begin()->first.first);
      heap.pop()();
      RC_ASSERT(ran == model.begin()->first.second);
      gone.push_back(model.begin()->second);
      model.erase(model.begin());
    }
    for (const TimerHeap::Id id : gone) heap.cancel(id);  // an old id harms nobody
    RC_ASSERT(heap.empty() == model.empty());
  }
}

}  // namespace
}  // namespace hydra::runtime
