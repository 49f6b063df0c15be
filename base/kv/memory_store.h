// The backend of kv.h for tests and simulation: a MemoryImage plays the disk, stores opened on it
// play processes.
//
// The image is an immutable tree; a commit swaps its root, so snapshots are exact and cost nothing.
// It keeps two roots, what a process crash leaves and what a power loss leaves. Thread-safe as the
// interface asks; a transaction ends on the thread that began it, and beginning a second one on
// that thread is a programmer's error (in a simulation it would wait for ever).
#pragma once

#include <memory>

#include "base/kv/kv.h"

namespace hydra::kv {

class MemoryImage {
 public:
  MemoryImage();
  ~MemoryImage();
  MemoryImage(const MemoryImage&) = delete;
  MemoryImage& operator=(const MemoryImage&) = delete;

  // A power loss: forgets commits that were neither durable nor synced. Transactions that are still
  // open fail to commit with kAborted.
  void lose_volatile();

  // The next n commits (and syncs) change nothing and fail with `code`. kIo fences the store that
  // meets it, as a failed fsync does: its later begin() and sync() give kFenced until the image is
  // opened anew.
  void fail_commits(std::size_t n, Code code);

  std::size_t size() const;  // keys

 private:
  friend class MemoryStore;
  friend class MemoryTransaction;
  struct State;
  std::unique_ptr<State> state_;
};

std::unique_ptr<Store> open_memory(std::shared_ptr<MemoryImage> image, Options options);

}  // namespace hydra::kv
