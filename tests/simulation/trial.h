// Trial: one seed of a grid's life: clients work while the nemesis harms, then all is made whole
// and checked.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/nemesis.h"
#include "tests/simulation/settled_checks.h"

namespace hydra::gridsim {

struct TrialOptions {
  sim::Range harm_time{15 * kSecond, 45 * kSecond};
  std::size_t object_clients = 3;
  std::size_t s3_clients = 2;
  std::size_t most_keys = 12;
  NemesisOptions nemesis;
  // Only what was told is checked, not that all is there: more may be lost than can be.
  bool safe_only = false;
  // After the harm: takes so many agents away, and expects that work goes on.
  std::size_t work_without = 0;
  double final_blackout = 0.5;  // chance of a power cut of everything before the last look
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
  std::size_t harms = 0;
  std::size_t most_states = 0;
  ClientCounters clients;
  SettledCounts settled;

  std::string summary() const;
};

TrialResult run_trial(std::uint64_t seed, const TrialOptions& options);

}  // namespace hydra::gridsim
