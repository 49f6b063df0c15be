#include "gateway/admin/durability_json.h"

#include <nlohmann/json.hpp>

namespace hydra::admin {

nlohmann::ordered_json write_durability(const Durability& durability) {
  constexpr double kSecondsPerDay = 86'400;
  const auto sentences = [](std::span<const std::string_view> list) {
    return nlohmann::ordered_json(std::vector<std::string_view>(list.begin(), list.end()));
  };
  return {{"statement", nines_text(durability)},
          {"nines", durability.nines},
          {"at_least", durability.at_least},
          {"loss_per_year", durability.loss_per_year},
          {"profile", durability.profile.to_string()},
          {"shard_away", durability.shard_away},
          {"node_failures_per_year", durability.rates.node},
          {"latent_errors_per_year", durability.rates.latent},
          {"repair_seconds", durability.times.repair_days * kSecondsPerDay},
          {"repair_measured", durability.times.repair_measured},
          {"scrub_seconds", durability.times.scrub_days * kSecondsPerDay},
          {"scrub_measured", durability.times.scrub_measured},
          {"assumptions", sentences(durability_assumptions())},
          {"not_covered", sentences(durability_exclusions())}};
}

}  // namespace hydra::admin
