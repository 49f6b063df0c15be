// Asks again while what is asked for may yet be there: links are still cut now and then, and the
// journal waits for nodes.
#pragma once

#include <type_traits>

#include "base/runtime/sync.h"

namespace hydra::gridsim {

// ask() gives a Task of a Result or a Status.
template <typename Ask>
std::invoke_result_t<Ask> until_answered(Loop& loop, Ask ask) {
  constexpr int kTries = 20;
  for (int tries = 1;; ++tries) {
    auto answer = co_await ask();
    const bool may_change = !answer && (answer.error().code == Code::kUnavailable ||
                                        answer.error().code == Code::kInternal);
    if (!may_change || tries == kTries) co_return answer;
    co_await sleep_for(loop, 3 * kSecond);
  }
}

}  // namespace hydra::gridsim
