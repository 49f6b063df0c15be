// Agent over the real store; apart from agent.cc, so that tests over a store in memory do not link
// the logs.
#include <utility>

#include "nodeagent/agent.h"
#include "nodeagent/cache_store.h"
#include "nodeagent/store/node_files.h"

namespace hydra::agent {

Task<Result<std::unique_ptr<Agent>>> Agent::start(Loop& loop, AgentOptions options) {
  HYDRA_CO_CHECK_OK(check_options(options));
  StoreOptions store_options;
  store_options.directory = options.directory;
  store_options.capacity_bytes = options.capacity_bytes;
  store_options.log_bytes = options.log_bytes;
  if (!options.secret) {
    HYDRA_CO_TRY(const auto secret, co_await load_secret(loop.disk(), options.directory));
    if (!secret)
      co_return fail(
          Code::kInvalidArgument,
          options.directory +
              " has not joined a grid yet: get a token with hydractl node token, and use "
              "it with hydra-agent join");
    options.secret = NodeSecret{*secret};
  }
  HYDRA_CO_TRY(auto store, co_await ShardStore::open(loop, std::move(store_options)));
  if (options.role == NodeRole::kCache) {
    HYDRA_CO_TRY(store, CacheStore::over(std::move(store)));
  }
  co_return start_with(loop, std::move(options), std::move(store));
}

}  // namespace hydra::agent
