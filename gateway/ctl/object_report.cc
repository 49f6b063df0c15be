#include "gateway/ctl/object_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "gateway/ctl/reading.h"
#include "gateway/ctl/text.h"

namespace hydra::ctl {

namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : "-";
}

std::string shards_table(const Json& shards) {
  Table table({">SHARD", ">NODE", "NAME", "ZONE", "STATE", "VERIFIED", "ERROR"});
  for (const Json& shard : shards) {
    const Json& error = shard.at("error");
    table.add({std::to_string(shard.at("index").get<int>()),
               std::to_string(shard.at("node").get<NodeId>()), text_of(shard.at("name")),
               text_of(shard.at("zone")), text_of(shard.at("state")),
               shard.at("verified").is_null() ? "unknown" : text_of(shard.at("verified")),
               error.is_null() ? "" : text_of(error)});
  }
  return table.to_string();
}

std::string extent_text(const Json& extent, std::size_t number, bool colours) {
  std::string out = fmt::format("extent {}  {}  {}, {}", number, extent.at("id").get<std::string>(),
                                extent.at("profile").get<std::string>(),
                                bytes_text(extent.at("bytes").get<std::uint64_t>()));
  if (extent.at("wanted") != extent.at("profile"))
    out += fmt::format(", to be {}", extent.at("wanted").get<std::string>());
  if (!extent.contains("spare")) return out + "\n";
  const int spare = extent.at("spare").get<int>();
  const auto lost = std::ranges::count_if(
      extent.at("shards"), [](const Json& shard) { return shard.at("state") != "present"; });
  const Colour colour = spare <= 0 ? Colour::kRed : lost > 0 ? Colour::kYellow : Colour::kGreen;
  const std::string state =
      spare < 0 ? "cannot be read now"
                : fmt::format("{} may be lost", counted(static_cast<std::uint64_t>(spare),
                                                        "more shard", "more shards"));
  return out + ": " + coloured(state, colour, colours) + "\n" + shards_table(extent.at("shards")) +
         "\n";
}

std::string object_text(const Json& object, bool colours) {
  std::string out = printable(fmt::format("s3://{}/{}", object.at("bucket").get<std::string>(),
                                          object.at("key").get<std::string>()));
  out += fmt::format(
      "\nversion {}, {}, modified {}, {}\n\n", object.at("version_id").get<std::string>(),
      bytes_text(object.at("bytes").get<std::uint64_t>()), object.at("modified").get<std::string>(),
      counted(object.at("extent_count").get<std::uint64_t>(), "extent", "extents"));
  std::size_t number = 0;
  for (const Json& extent : object.at("extents")) out += extent_text(extent, number++, colours);
  if (object.at("truncated").get<bool>())
    out += fmt::format("The first {} are shown.\n", counted(number, "extent", "extents"));
  return out;
}

}  // namespace

Result<std::pair<std::string, std::string>> parse_s3_url(std::string_view url) {
  constexpr std::string_view kScheme = "s3://";
  const auto slash = url.find('/', kScheme.size());
  if (!url.starts_with(kScheme) || slash == std::string_view::npos || slash == kScheme.size() ||
      slash + 1 == url.size())
    return fail(Code::kInvalidArgument, fmt::format("{}: want s3://bucket/key", url));
  return std::pair(std::string(url.substr(kScheme.size(), slash - kScheme.size())),
                   std::string(url.substr(slash + 1)));
}

Result<std::string> object_report(const Json& object, bool colours) {
  return reading([&] { return object_text(object, colours); });
}

Exit object_exit(const Json& object) {
  Exit exit = kExitOk;
  for (const Json& extent : object.at("extents")) {
    if (!extent.contains("spare")) continue;
    if (extent.at("spare").get<int>() <= 0) return kExitAtRisk;
    for (const Json& shard : extent.at("shards"))
      if (shard.at("state") != "present") exit = kExitDegraded;
  }
  return exit;
}

}  // namespace hydra::ctl
