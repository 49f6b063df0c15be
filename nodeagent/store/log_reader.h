// LogReader: walks the records of a log on the disk, a window at a time. One walk, on the store's
// loop.
#pragma once

#include "nodeagent/store/log_set.h"
#include "nodeagent/store/log_walker.h"

namespace hydra::agent {

class LogReader {
 public:
  LogReader(LogPtr log, NodeIdentity node, std::uint64_t from);
  // The next thing found; never a Need. After End, do not call. kIo.
  Task<Result<LogWalker::Step>> next();

 private:
  Task<Status> load(LogWalker::Need need);

  LogPtr log_;
  LogWalker walker_;
  Buffer window_;
  std::uint64_t window_offset_ = 0;
};

}  // namespace hydra::agent
