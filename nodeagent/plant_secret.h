// For tests: makes a directory one of a device that has joined, without asking a gateway.
#pragma once

#include <string>
#include <utility>

#include "nodeagent/protocol/secrets.h"
#include "nodeagent/store/node_files.h"

namespace hydra::agent {

inline Task<Status> plant_secret(Loop& loop, std::string directory, GridSecret grid) {
  HYDRA_CO_CHECK_OK(co_await loop.disk().make_directories(directory + "/logs"));
  HYDRA_CO_TRY(const auto known, co_await load_secret(loop.disk(), directory));
  if (known) co_return Status();
  HYDRA_CO_TRY(const NodeIdentity identity, co_await load_identity(loop, directory));
  co_return co_await save_secret(loop.disk(), directory, node_secret(grid, identity).bytes);
}

}  // namespace hydra::agent
