// Device: what all links of one agent share: its store, its limits, and what it tells of itself in
// heartbeats.
//
// Belongs to the agent's loop; kept alive by the tasks that use it.
#pragma once

#include <memory>
#include <optional>

#include "base/runtime/sync.h"
#include "nodeagent/protocol/messages.h"
#include "nodeagent/store/store.h"

namespace hydra::agent {

class Device {
 public:
  Device(Loop& owner, std::unique_ptr<ShardStore> opened)
      : loop(owner), store(std::move(opened)), tasks(owner) {}

  NodeLoad load() const;
  // Counts what the device did wrong.
  void count_error(const Error& error);

  // Counts the shards that the store holds, a page in each turn; from then on added() and removed()
  // keep the count.
  static Task<void> count_shards(std::shared_ptr<Device> self);
  bool holds(ShardId id) const { return store->info(id).has_value(); }
  void added(ShardId id) { shards_ += counted(id) ? 1 : 0; }
  void removed(ShardId id) { shards_ -= counted(id) ? 1 : 0; }

  Loop& loop;
  std::unique_ptr<ShardStore> store;
  TaskGroup tasks;  // whoever stops the agent waits for these
  std::uint32_t write_window_bytes = 0;
  std::uint32_t read_window_bytes = 0;
  bool stopping = false;

 private:
  // What lies beyond the count's progress will be met by it.
  bool counted(ShardId id) const { return all_counted_ || (counted_to_ && id <= *counted_to_); }

  std::uint64_t errors_ = 0;
  std::uint64_t shards_ = 0;
  std::optional<ShardId> counted_to_;
  bool all_counted_ = false;
};

}  // namespace hydra::agent
