// The durability statement: what the model of independent failures says of one object in one year,
// from the times that this grid takes to repair and to scrub. Pure; any thread.
//
//   q = (lambda_node * T_repair + lambda_latent * T_scrub) / 365
//   P = n * (lambda_node + lambda_latent) * C(n-1, m) * q^m
//
// n = k+m shards on n nodes. q is the part of the year for which a given shard is lost and not yet
// rebuilt (or not yet found damaged), T in days. P is the expected number of times in a year that
// one of n shards goes while m of the others are gone already: an upper bound of the probability
// that an extent is lost. Nines are floor(-log10 P), and never more than 11 are claimed: beyond,
// what the model leaves out is likelier than what it counts.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "erasure/profile.h"

namespace hydra::admin {

constexpr int kMostNines = 11;

// Failures per year. Not measured: a grid of some nodes would need decades for that.
struct FailureRates {
  // Of a node, with its disk, machine and power supply. Disks alone: about 0.016 (Backblaze,
  // Drive Stats for 2023: 4,189 of 269,756 drives).
  double node = 0.05;
  // Of a shard, by damage that nobody notices. Of 1.53 million disks 3.45 % had latent sector
  // errors within 32 months (Bairavasundaram et al., SIGMETRICS 2007), which is 1.3 % in a year; as
  // if each had hit this very shard.
  double latent = 0.013;
};

struct GridTimes {
  double repair_days = 0;  // from a node's death until all that it held is rebuilt
  bool repair_measured = false;
  double scrub_days = 0;  // from one verification of a shard to the next
  bool scrub_measured = false;
};

// What the grid was seen to do, or is told to do.
struct TimeFacts {
  double wait_seconds = 0;       // from a node's death until rebuilding begins: detection and delay
  std::uint64_t node_bytes = 0;  // of extents with a shard on the fullest node
  double measured_rate = 0;      // bytes of extents a second that were healed; 0: none were yet
  double configured_rate = 0;    // that healing may take at the least
  double measured_scrub_seconds = 0;  // between two verifications of a shard; 0: none was finished
  double configured_scrub_seconds = 0;
};
GridTimes times_of(const TimeFacts& facts);

struct Durability {
  erasure::Profile profile{};  // the weakest of those that were asked about
  FailureRates rates;
  GridTimes times;
  double shard_away = 0;     // q, at most 1
  double loss_per_year = 0;  // P, at most 1
  int nines = 0;             // 0..kMostNines
  bool at_least = false;     // the model gives kMostNines or more
};

double shard_away(const FailureRates& rates, const GridTimes& times);                    // q
double loss_per_year(erasure::Profile profile, const FailureRates& rates, double away);  // P

// Of the weakest of `profiles`, of which there is at least one.
Durability durability_of(std::span<const erasure::Profile> profiles, const FailureRates& rates,
                         const GridTimes& times);

// ">= 11 nines (modelled)", "5 nines (modelled)".
std::string nines_text(const Durability& durability);

// What the number rests on and what it leaves out: sentences for a person.
std::span<const std::string_view> durability_assumptions();
std::span<const std::string_view> durability_exclusions();

}  // namespace hydra::admin
