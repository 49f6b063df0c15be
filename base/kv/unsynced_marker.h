// The file `unsynced` of docs/FORMAT-kv.md: tells, after a power loss, that a store was in use
// without syncing and cannot be trusted. Used by the LMDB backend; owns a file lock, so one object
// an open store.
#pragma once

#include <string>

#include "base/result.h"

namespace hydra::kv {

class UnsyncedMarker {
 public:
  // Looks at the marker of a store and keeps it (shared) locked. kCorrupt: it was set on an earlier
  // boot.
  static Result<UnsyncedMarker> open(const std::string& directory);
  UnsyncedMarker(UnsyncedMarker&& other) noexcept;
  UnsyncedMarker& operator=(UnsyncedMarker&&) = delete;
  ~UnsyncedMarker();

  // Some process on this boot used the store without syncing; clear() has not been called since.
  bool is_set() const { return set_; }
  // Durable when it returns. Call before the first commit that is not.
  Status set();
  // Call when all is synced. Does nothing while another process has the store open.
  Status clear();

 private:
  UnsyncedMarker(int fd, std::string boot) : fd_(fd), boot_(std::move(boot)) {}
  Status write(const std::string& content);

  int fd_;
  std::string boot_;
  bool set_ = false;
};

}  // namespace hydra::kv
