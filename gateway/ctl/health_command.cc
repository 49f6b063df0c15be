#include <CLI/CLI.hpp>

#include "gateway/admin/status_json.h"
#include "gateway/ctl/commands.h"
#include "gateway/ctl/durability_report.h"
#include "gateway/ctl/heal_report.h"
#include "gateway/ctl/report.h"

namespace hydra::ctl {

namespace {

Json health_json(const Json& answer, bool durability) {
  Json json;
  for (const char* name : {"verdict", "reasons", "nodes_may_fail", "heal"})
    json[name] = answer[name];
  if (durability) json["durability"] = answer["durability"];
  return json;
}

Result<Exit> show_health(Session& session, bool durability) {
  HYDRA_TRY(const Json answer, session.get("/v1/status"));
  HYDRA_TRY(const admin::GridStatus status, admin::read_status(answer));
  HYDRA_TRY(const std::string progress, heal_progress(answer["heal"]));
  HYDRA_TRY(const std::string statement, durability_report(answer["durability"]));
  if (session.wants_json())
    session.print_json(health_json(answer, durability));
  else
    session.print(verdict_line(status, session.colours()) + progress + "\n" +
                  (durability ? "\n" + statement : std::string()));
  return exit_of(status.verdict);
}

}  // namespace

void add_health_command(Commands& commands) {
  const auto durability = std::make_shared<bool>(false);
  CLI::App& health =
      commands.add("health", "the verdict and its reasons in one line, and as the exit status",
                   [durability](Session& session) { return show_health(session, *durability); });
  health.add_flag("--durability", *durability,
                  "and what the durability model says, with all that "
                  "it assumes and leaves out");
}

}  // namespace hydra::ctl
