#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "gateway/ctl/commands.h"
#include "gateway/ctl/object_report.h"

namespace hydra::ctl {

namespace {

struct StatOptions {
  std::string url;
  std::string version;
  bool shards = false;
  bool verify = false;
};

constexpr std::chrono::seconds kPatience{120};  // nodes are asked for each shard

Result<Exit> show_object(Session& session, const StatOptions& options) {
  HYDRA_TRY(const auto name, parse_s3_url(options.url));
  HYDRA_TRY(
      const Json answer,
      session.get(fmt::format("/v1/object?bucket={}&key={}&version={}{}{}", quoted(name.first),
                              quoted(name.second), quoted(options.version),
                              options.shards ? "&shards" : "", options.verify ? "&verify" : ""),
                  kPatience));
  HYDRA_TRY(const std::string report, object_report(answer, session.colours()));
  if (session.wants_json())
    session.print_json(answer);
  else
    session.print(report);
  return object_exit(answer);
}

}  // namespace

void add_object_commands(Commands& commands) {
  CLI::App& object = commands.group("object", "objects as they lie on the grid");
  const auto options = std::make_shared<StatOptions>();
  CLI::App& stat =
      commands.add(object, "stat", "an object, its extents and where their shards lie",
                   [options](Session& session) { return show_object(session, *options); });
  stat.add_option("URL", options->url, "s3://bucket/key")->required();
  stat.add_option("--version-id", options->version, "that version instead of the current one");
  stat.add_flag("--shards", options->shards, "ask the nodes for each shard");
  stat.add_flag("--verify", options->verify, "let the nodes read and check each shard");
}

}  // namespace hydra::ctl
