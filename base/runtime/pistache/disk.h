// The Disk of a PistacheLoop. Data goes through the loop's io_uring (disk_ring.h) where there is
// one, else through the thread pool; names (open, rename, list, ...) always go through the pool.
#pragma once

#include <memory>

#include "base/runtime/io.h"

namespace hydra::runtime {

class PistacheLoop;

std::unique_ptr<Disk> make_disk(PistacheLoop& loop);

}  // namespace hydra::runtime
