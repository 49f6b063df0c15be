// Compaction: moves the live records of a mostly dead log to the active one, so that the log can be
// unlinked.
#pragma once

#include "nodeagent/store/store_core.h"

namespace hydra::agent {

// One log, the one with the least live bytes, if more than half of what it takes up is dead and
// there is room for the copies. Does nothing otherwise, and gives up quietly on an error: the next
// round tries again.
Task<void> compact_emptiest_log(CorePtr core);

}  // namespace hydra::agent
