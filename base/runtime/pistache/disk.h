// The Disk of a PistacheLoop. Data goes through the loop's io_uring (disk_ring.h) where there is
// one, else through the thread pool; names (open, rename, list, ...) always go through the pool.
#pragma once

#include <memory>

#include "base/runtime/file_sending.h"
#include "base/runtime/io.h"

namespace hydra::runtime {

class PistacheLoop;

// What every SendableFile of this runtime is.
class DescriptorFile : public SendableFile {
 public:
  virtual int descriptor() const = 0;

 protected:
  ~DescriptorFile() = default;
};

std::unique_ptr<Disk> make_disk(PistacheLoop& loop);

}  // namespace hydra::runtime
