#include "gateway/ctl/durability_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "gateway/ctl/reading.h"
#include "gateway/ctl/text.h"

namespace hydra::ctl {

namespace {

using Json = nlohmann::ordered_json;

// "3 min (measured)"
std::string time_text(const Json& durability, const std::string& name) {
  const double seconds = durability.at(name + "_seconds").get<double>();
  return fmt::format("{} ({})", duration_text(static_cast<std::int64_t>(seconds * 1000)),
                     durability.at(name + "_measured").get<bool>()
                         ? "measured"
                         : "not measured yet, as configured");
}

std::string line(const Json& durability) {
  return fmt::format("Durability: {} per object and year at {}; repair {}, scrub {}.\n",
                     durability.at("statement").get<std::string>(),
                     durability.at("profile").get<std::string>(), time_text(durability, "repair"),
                     time_text(durability, "scrub"));
}

std::string list(const Json& sentences) {
  std::string out;
  for (const Json& sentence : sentences) out += "  - " + sentence.get<std::string>() + "\n";
  return out;
}

}  // namespace

Result<std::string> durability_line(const Json& durability) {
  return reading([&] { return line(durability); });
}

Result<std::string> durability_report(const Json& durability) {
  return reading([&] {
    std::string out = line(durability);
    out += fmt::format(
        "The model of independent failures counts {:.1e} losses of an object in a year, with {:g} "
        "failures\nof a node and {:g} latent errors of a shard in a year, which are assumed and "
        "not "
        "measured.\n\n",
        durability.at("loss_per_year").get<double>(),
        durability.at("node_failures_per_year").get<double>(),
        durability.at("latent_errors_per_year").get<double>());
    out += "It assumes that\n" + list(durability.at("assumptions"));
    out += "It does not cover\n" + list(durability.at("not_covered"));
    return out;
  });
}

}  // namespace hydra::ctl
