// Recovery: rebuilds the catalog of a gateway machine that was lost, from what the agents hold,
// onto an empty directory (invariant 9). The key file is all it needs beside them.
//
// It opens the grid's door and waits for the agents, which keep dialling; finds the newest root,
// loads its snapshot, replays the records after it, checks that no acknowledged commit is missing
// and that the rows add up, and only then puts the catalog in its place. Whatever fails, no catalog
// is left. On one loop, before a gateway runs there.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/kv/kv.h"
#include "base/result.h"
#include "base/runtime/io.h"
#include "nodeagent/protocol/handshake.h"

namespace hydra {

struct RecoverOptions {
  std::string catalog_directory;
  kv::Options catalog;
  std::string key_file_text;
  std::vector<Address> grid_addresses;
  Nanos wait = 60 * kSecond;             // for all nodes to come
  std::function<void(std::string)> say;  // how it goes on, a sentence at a time; may be empty
};

struct RecoverReport {
  std::uint64_t objects = 0;
  std::uint64_t buckets = 0;
  std::uint64_t sequence = 0;        // of the last commit
  std::int64_t last_commit_ms = 0;   // about when that was made
  std::uint64_t replayed = 0;        // records after the snapshot
  std::size_t nodes = 0;             // that came
  std::vector<std::string> missing;  // nodes that did not
};

// kAlreadyExists: there is a catalog. kUnavailable: too few nodes came; kNotFound: they hold no
// journal; kCorrupt: a part of it is lost. The message names what is missing.
Task<Result<RecoverReport>> recover(Loop& loop, RecoverOptions options);

}  // namespace hydra
