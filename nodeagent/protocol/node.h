// What an agent says of itself: when it joins (NodeDescription) and in each heartbeat (NodeLoad).
// Plain values.
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"

namespace hydra::agent {

// What a node is for; it keeps it for life.
enum class NodeRole : std::uint8_t {
  kStorage = 0,
  kCache,  // holds copies of what was read lately, and nothing that would be missed
};

struct NodeDescription {
  NodeIdentity identity;
  std::string name;
  std::string zone;
  std::string version;
  std::uint64_t capacity_bytes = 0;
  NodeRole role = NodeRole::kStorage;

  bool operator==(const NodeDescription&) const = default;
};

struct NodeLoad {
  std::uint64_t capacity_bytes = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t shards = 0;
  std::uint64_t syncs = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t errors = 0;
  std::uint64_t sync_us = 0;  // of a sync of the device, as they take lately; 0 before the first
  bool fenced = false;

  bool operator==(const NodeLoad&) const = default;
};

}  // namespace hydra::agent
