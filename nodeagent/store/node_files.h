// The two small files that say whose a device is: DIR/identity and DIR/cluster. docs/FORMAT-log.md,
// "Node files". Written once, by way of a temporary name, so that they are whole or absent. Call
// with the store's lock held.
#pragma once

#include <optional>
#include <string>

#include "base/ids.h"
#include "base/runtime/io.h"

namespace hydra::agent {

constexpr std::uint32_t kNodeFileVersion = 1;

// Reads the identity, or makes one when the directory has none. kCorrupt, kUnsupported, kIo.
Task<Result<NodeIdentity>> load_identity(Loop& loop, std::string directory);
// Nothing when the device belongs to no grid.
Task<Result<std::optional<ClusterId>>> load_cluster(Disk& disk, std::string directory);
Task<Status> save_cluster(Disk& disk, std::string directory, ClusterId cluster);

}  // namespace hydra::agent
