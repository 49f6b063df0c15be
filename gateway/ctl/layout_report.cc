#include "gateway/ctl/layout_report.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "gateway/ctl/reading.h"
#include "gateway/ctl/text.h"

namespace hydra::ctl {

namespace {

using Json = nlohmann::ordered_json;

std::uint64_t number(const Json& from, const char* name) {
  return from.at(name).get<std::uint64_t>();
}

Result<std::pair<std::string, std::string>> split(const std::string& text,
                                                  std::string_view option) {
  const auto at = text.rfind('=');
  if (at == std::string::npos || at == 0 || at + 1 == text.size())
    return fail(Code::kInvalidArgument, fmt::format("{} {}: want NODE=VALUE", option, text));
  return std::pair(text.substr(0, at), text.substr(at + 1));
}

std::string share(std::uint64_t bytes, std::uint64_t capacity) {
  if (capacity == 0) return "-";
  return fmt::format("{:.1f} %", 100 * static_cast<double>(bytes) / static_cast<double>(capacity));
}

std::string note(const Json& node) {
  if (node.at("removed").get<bool>()) return "removed";
  return node.at("draining").get<bool>() ? "draining" : "";
}

std::string nodes_table(const Json& nodes, bool show) {
  Table now({">ID", "NAME", "ZONE", ">WEIGHT", ">CAPACITY", ">HOLDS", ">FILL", "NOTE"});
  Table plan({">ID", "NAME", "ZONE", ">WEIGHT", ">CAPACITY", ">HOLDS", ">GIVES", ">GETS", ">THEN",
              ">FILL", "NOTE"});
  for (const Json& node : nodes) {
    const std::uint64_t capacity = number(node, "capacity_bytes");
    const std::uint64_t holds = number(node, "now_bytes"), then = number(node, "then_bytes");
    std::vector<std::string> row = {std::to_string(node.at("id").get<std::uint32_t>()),
                                    node.at("name").get<std::string>(),
                                    node.at("zone").get<std::string>(),
                                    fmt::format("{:g}", node.at("weight").get<double>()),
                                    bytes_text(capacity),
                                    bytes_text(holds)};
    if (!show)
      row.insert(row.end(), {bytes_text(number(node, "out_bytes")),
                             bytes_text(number(node, "in_bytes")), bytes_text(then)});
    row.push_back(share(show ? holds : then, capacity));
    row.push_back(note(node));
    (show ? now : plan).add(std::move(row));
  }
  return (show ? now : plan).to_string();
}

std::string layout_text(const Json& layout, bool show) {
  std::string out = fmt::format("ring epoch {}, profile {}\n\n", number(layout, "epoch"),
                                layout.at("profile").get<std::string>());
  out += nodes_table(layout.at("nodes"), show) + "\n";
  const std::uint64_t moved = number(layout, "moved_bytes");
  if (moved == 0) {
    out += show ? "Everything lies where the ring wants it.\n" : "Nothing would move.\n";
  } else {
    out += fmt::format("{} in {} of {} {}", bytes_text(moved),
                       counted(number(layout, "moved_shards"), "shard", "shards"),
                       counted(number(layout, "moved_extents"), "extent", "extents"),
                       show ? "are not where the ring wants them" : "would move");
    const Json& seconds = layout.at("seconds");
    out += seconds.is_null()
               ? "; the healer has not moved anything yet, so how long it takes is not known.\n"
               : fmt::format("; about {} at the healer's {}/s.\n",
                             duration_text(seconds.get<std::int64_t>() * 1000),
                             bytes_text(number(layout, "rate_bytes_per_second")));
  }
  if (const auto rebuilt = number(layout, "rebuilt_bytes"); rebuilt > 0)
    out += fmt::format("{} of missing shards are to be rebuilt as well.\n", bytes_text(rebuilt));
  for (const Json& warning : layout.at("warnings"))
    out += printable("Careful: " + warning.get<std::string>() + ".") + "\n";
  return out;
}

}  // namespace

Result<Json> layout_changes(const LayoutOptions& options) {
  Json changes = Json::array();
  for (const auto& node : options.drain) changes.push_back({{"node", node}, {"draining", true}});
  for (const auto& node : options.undrain) changes.push_back({{"node", node}, {"draining", false}});
  for (const auto& node : options.remove) changes.push_back({{"node", node}, {"remove", true}});
  for (const auto& text : options.weight) {
    HYDRA_TRY(const auto pair, split(text, "--weight"));
    double weight = 0;
    const char* const end = pair.second.data() + pair.second.size();
    if (const auto parsed = std::from_chars(pair.second.data(), end, weight);
        parsed.ec != std::errc() || parsed.ptr != end)
      return fail(Code::kInvalidArgument, pair.second + " is no weight");
    changes.push_back({{"node", pair.first}, {"weight", weight}});
  }
  for (const auto& text : options.zone) {
    HYDRA_TRY(const auto pair, split(text, "--zone"));
    changes.push_back({{"node", pair.first}, {"zone", pair.second}});
  }
  return Json{{"changes", std::move(changes)}};
}

Result<std::string> layout_report(const Json& layout, bool show) {
  return reading([&] { return layout_text(layout, show); });
}

}  // namespace hydra::ctl
