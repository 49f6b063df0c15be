// A store on one simulated machine, to be opened, filled and harmed.
#pragma once

#include <memory>

#include "base/runtime/sim/run_sim.h"
#include "nodeagent/store/store_fixture.h"

namespace hydra::agent {

class SimStoreTest : public testing::Test {
 protected:
  explicit SimStoreTest(std::uint64_t seed)
      : simulation_(seed), process_(simulation_.add_process("agent")), options_(small_store()) {
    process_.add_loop();
    options_.log_bytes = 1u << 20;
  }
  ~SimStoreTest() override { store_.reset(); }

  // Small, so that logs end and space runs out soon.
  void make_cramped() {
    options_.capacity_bytes = 16u << 20;
    options_.reserve_bytes = 2u << 20;
    options_.checkpoint_interval = 20 * kMillisecond;
  }
  template <typename Make>
  auto run(Make&& make) {
    return sim::run_in(process_, make);
  }
  void open() {
    run([this](Loop& loop) -> Task<void> {
      auto opened = co_await ShardStore::open(loop, options_);
      ASSERT_OK_CO(opened);
      store_ = std::move(*opened);
    });
    ASSERT_NE(store_, nullptr);
  }

  sim::Simulation simulation_;
  sim::Process& process_;
  StoreOptions options_;
  std::unique_ptr<ShardStore> store_;
};

}  // namespace hydra::agent
