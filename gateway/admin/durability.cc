#include "gateway/admin/durability.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/assert.h"

namespace hydra::admin {

namespace {

constexpr double kDaysPerYear = 365;

constexpr std::array<std::string_view, 5> kAssumptions = {
    "nodes fail independently of each other, each as likely at any time",
    "a node that fails has lost all of its shards, and they are rebuilt within the repair time",
    "a damaged shard is found by the next scrub at the latest",
    "the grid is whole: all shards of the object are there when the year begins",
    "the object is one extent (at most 64 MiB); an object of several is lost with any of them"};

constexpr std::array<std::string_view, 5> kExclusions = {
    "correlated failures: one room, one power line, one batch of disks, one network",
    "faults of software, this one and those below it",
    "mistakes of operators and of whoever has the credentials",
    "loss of the key file, without which nothing can be read", "fire, theft and malice"};

double choose(int n, int k) {
  double result = 1;
  for (int i = 1; i <= k; ++i) result = result * (n - k + i) / i;
  return result;
}

}  // namespace

GridTimes times_of(const TimeFacts& facts) {
  constexpr double kSecondsPerDay = 86'400;
  GridTimes times;
  times.repair_measured = facts.measured_rate > 0;
  const double rate = times.repair_measured ? facts.measured_rate : facts.configured_rate;
  const double rebuild = rate > 0 ? static_cast<double>(facts.node_bytes) / rate : 0;
  times.repair_days = (facts.wait_seconds + rebuild) / kSecondsPerDay;
  times.scrub_measured = facts.measured_scrub_seconds > 0;
  times.scrub_days =
      (times.scrub_measured ? facts.measured_scrub_seconds : facts.configured_scrub_seconds) /
      kSecondsPerDay;
  return times;
}

double shard_away(const FailureRates& rates, const GridTimes& times) {
  const double away =
      (rates.node * times.repair_days + rates.latent * times.scrub_days) / kDaysPerYear;
  return std::clamp(away, 0.0, 1.0);
}

double loss_per_year(erasure::Profile profile, const FailureRates& rates, double away) {
  const int n = profile.shards();
  const double loss =
      n * (rates.node + rates.latent) * choose(n - 1, profile.m) * std::pow(away, profile.m);
  return std::min(loss, 1.0);
}

Durability durability_of(std::span<const erasure::Profile> profiles, const FailureRates& rates,
                         const GridTimes& times) {
  HYDRA_ASSERT(!profiles.empty());
  Durability weakest;
  weakest.rates = rates;
  weakest.times = times;
  weakest.shard_away = shard_away(rates, times);
  weakest.loss_per_year = -1;
  for (const auto profile : profiles) {
    const double loss = loss_per_year(profile, rates, weakest.shard_away);
    if (loss <= weakest.loss_per_year) continue;
    weakest.profile = profile;
    weakest.loss_per_year = loss;
  }
  // No failure within the model's reach is the most that can be claimed, too.
  const double nines =
      weakest.loss_per_year > 0 ? std::floor(-std::log10(weakest.loss_per_year)) : kMostNines;
  weakest.nines = static_cast<int>(std::clamp(nines, 0.0, double{kMostNines}));
  weakest.at_least = weakest.nines == kMostNines;
  return weakest;
}

std::string nines_text(const Durability& durability) {
  return fmt::format("{}{} {} (modelled)", durability.at_least ? ">= " : "", durability.nines,
                     durability.nines == 1 ? "nine" : "nines");
}

std::span<const std::string_view> durability_assumptions() { return kAssumptions; }
std::span<const std::string_view> durability_exclusions() { return kExclusions; }

}  // namespace hydra::admin
