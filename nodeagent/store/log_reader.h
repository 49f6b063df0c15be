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
  // Whether some of the log could not be read. Those pages were taken for zeros, so that the walk
  // could go on behind them; where the log ends is then not known.
  bool unreadable() const { return unreadable_; }

 private:
  Task<Status> load(LogWalker::Need need);
  Task<void> load_by_pages();

  LogPtr log_;
  LogWalker walker_;
  Buffer window_;
  std::uint64_t window_offset_ = 0;
  bool unreadable_ = false;
};

}  // namespace hydra::agent
