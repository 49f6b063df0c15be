// The embedded backend of kv.h: one LMDB environment in one directory.
//
// Several processes may open the same directory; within a process a second open of it is refused
// with kAlreadyExists (LMDB's file locks would break). Snapshots are cheap: their reader slots are
// pooled. A transaction ends on the thread that began it; beginning a second one on that thread is
// a programmer's error.
//
// Errors: kNoSpace (map or file system full; the transaction changed nothing), kIo (the store is
// fenced: every later begin() and sync() gives kFenced until it is opened again), kCorrupt,
// kUnsupported (format version), kUnavailable (all reader slots taken, or another process grew the
// map while this one still reads: retry).
#pragma once

#include <memory>
#include <string>

#include "base/kv/kv.h"

namespace hydra::kv {

// Opens or creates the store. A directory that it makes has mode 0700. Blocks.
Result<std::unique_ptr<Store>> open_lmdb(const std::string& directory, Options options);

}  // namespace hydra::kv
