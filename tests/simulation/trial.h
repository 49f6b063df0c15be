// Trial: one seed of a grid's life: clients work while the nemesis harms, then all is made whole
// and checked.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/nemesis.h"
#include "tests/simulation/operator.h"
#include "tests/simulation/settled_checks.h"

namespace hydra::gridsim {

struct TrialOptions {
  sim::Range harm_time{15 * kSecond, 45 * kSecond};
  std::size_t object_clients = 3;
  std::size_t s3_clients = 2;
  std::size_t racers = 0;  // more of these, who do little else than replace what others wrote
  std::size_t most_keys = 12;
  NemesisOptions nemesis;
  OperatorOptions keeper;
  // Only what was told is checked, not that all is there: more may be lost than can be.
  bool safe_only = false;
  // After the harm: takes so many agents away, and expects that work goes on.
  std::size_t work_without = 0;
  double final_blackout = 0.5;  // chance of a power cut of everything before the last look
  // The grid is given the time to become whole, and is looked at again: after that, after the loss
  // of the gateway's machine and so many agents, and after everything was deleted.
  std::optional<std::size_t> whole_without;
  WorldOptions world;
  ClientOptions client;  // its keys are chosen by the seed
  // Runs before the harm begins; to plant bugs.
  std::function<void(GridWorld&)> prepare;
};

struct TrialResult {
  std::string report;  // empty when all is well
  std::uint64_t trace_hash = 0;
  std::uint64_t events = 0;
  std::size_t operations = 0;
  std::size_t judged = 0;  // by the checker of whole histories
  std::size_t harms = 0;
  Operator::Counters kept;
  std::size_t whole_shards = 0;  // when all was whole
  std::size_t recoveries = 0;
  std::size_t most_states = 0;
  ClientCounters clients;
  SettledCounts settled;

  std::string summary() const;
};

TrialResult run_trial(std::uint64_t seed, const TrialOptions& options);

}  // namespace hydra::gridsim
