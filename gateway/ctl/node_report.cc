#include "gateway/ctl/node_report.h"

#include <fmt/format.h>

#include "gateway/ctl/text.h"

namespace hydra::ctl {

namespace {

std::string state_text(const Json& node) {
  std::string text = node.value("fenced", false) ? "fenced" : node.value("state", "unknown");
  if (node.value("draining", false)) text += ", draining";
  const Json reputation = node.value("reputation", Json::object());
  if (reputation.value("ejected", false)) text += ", ejected";
  if (reputation.value("flapping", false)) text += ", flapping";
  if (!node.value("seen", true)) text += ", not seen";
  return text;
}

}  // namespace

std::string node_list_text(const Json& answer) {
  Table table({">ID", "NAME", "ROLE", "ZONE", "STATE", ">WEIGHT", ">USED", ">CAPACITY", ">FILL",
               ">SHARDS", ">SYNC", ">SCORE", ">HITS"});
  for (const Json& node : answer.at("nodes")) {
    const auto used = node.value("used_bytes", std::uint64_t{0});
    const auto capacity = node.value("capacity_bytes", std::uint64_t{0});
    const double fill =
        capacity == 0 ? 0 : 100 * static_cast<double>(used) / static_cast<double>(capacity);
    // Each has what it is judged by: how well it keeps shards, or how often it had what was read.
    const bool is_cache = node.value("role", "storage") == "cache";
    const Json rate = node.value("cache", Json::object()).value("hit_rate", Json());
    const double score = node.value("reputation", Json::object()).value("score", 1.0);
    table.add({std::to_string(node.at("id").get<std::uint64_t>()), node.value("name", ""),
               node.value("role", "storage"), node.value("zone", ""), state_text(node),
               fmt::format("{:g}", node.value("weight", 1.0)), bytes_text(used),
               bytes_text(capacity), fmt::format("{:.1f} %", fill),
               std::to_string(node.value("shards", std::uint64_t{0})),
               latency_text(node.value("sync_us", std::int64_t{0})),
               is_cache ? "-" : fmt::format("{:.2f}", score),
               share_text(rate.is_number() ? std::optional(rate.get<double>()) : std::nullopt)});
  }
  return table.size() == 0 ? "No node has joined yet; hydractl node token lets one join.\n"
                           : table.to_string();
}

std::string node_name(const Json& node) {
  return printable(
      fmt::format("Node {} ({})", node.at("id").get<std::uint64_t>(), node.value("name", "")));
}

// What a drained node still holds, in words.
std::string holdings_text(const Json& node) {
  const auto extents = node.value("extents", std::uint64_t{0});
  if (extents == 0)
    return node_name(node) + " holds no shard that is needed: it is safe to remove and unplug.\n";
  return fmt::format("{} still holds shards of {}, {} in all.\n", node_name(node),
                     counted(extents, "extent", "extents"),
                     bytes_text(node.value("extent_bytes", std::uint64_t{0})));
}

}  // namespace hydra::ctl
