// The small files that say whose a device is: DIR/identity, DIR/cluster and DIR/secret.
// docs/FORMAT-log.md, "Node files". Written once, by way of a temporary name, so that they are
// whole or absent. Call with the store's lock held; only the secret may be read without.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/runtime/io.h"

namespace hydra::agent {

constexpr std::uint32_t kNodeFileVersion = 1;

// Nothing when the directory has none.
Task<Result<std::optional<NodeIdentity>>> find_identity(Disk& disk, std::string directory);
// Reads the identity, or makes one when the directory has none. kCorrupt, kUnsupported, kIo.
Task<Result<NodeIdentity>> load_identity(Loop& loop, std::string directory);
// Nothing when the device belongs to no grid.
Task<Result<std::optional<ClusterId>>> load_cluster(Disk& disk, std::string directory);
Task<Status> save_cluster(Disk& disk, std::string directory, ClusterId cluster);
// The node's secret, by which it proves itself on its links. The file is its owner's alone (0600).
// Nothing when the device has not joined a grid.
using SecretFile = std::array<std::byte, 32>;
Task<Result<std::optional<SecretFile>>> load_secret(Disk& disk, std::string directory);
Task<Status> save_secret(Disk& disk, std::string directory, SecretFile secret);
// Writes a whole file by way of a temporary name; durable when it returns.
Task<Status> save_file(Disk& disk, std::string directory, std::string name, std::string bytes);

}  // namespace hydra::agent
