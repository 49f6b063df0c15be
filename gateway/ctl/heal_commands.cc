#include <CLI/CLI.hpp>

#include "gateway/admin/status_json.h"
#include "gateway/ctl/commands.h"
#include "gateway/ctl/heal_report.h"

namespace hydra::ctl {

namespace {

Result<Exit> show_heal(Session& session) {
  HYDRA_TRY(const Json status_answer, session.get("/v1/status"));
  HYDRA_TRY(const admin::GridStatus status, admin::read_status(status_answer));
  HYDRA_TRY(Json heal, session.get("/v1/heal"));
  if (session.wants_json()) {
    heal["nodes_may_fail"] = status.nodes_may_fail;
    session.print_json(heal);
  } else {
    HYDRA_TRY(const std::string report, heal_report(heal, status, session.colours()));
    session.print(report);
  }
  return exit_of(status.verdict);
}

Result<Exit> rebalance(Session& session, bool reprofile) {
  HYDRA_TRY(const Json heal, session.post("/v1/rebalance", Json{{"reprofile", reprofile}}));
  if (session.wants_json()) {
    session.print_json(heal);
  } else {
    session.print(
        "The healer looks for what is not where the ring wants it, and moves that after all "
        "repair. `hydractl heal status` shows how far it is.\n");
  }
  return kExitOk;
}

}  // namespace

void add_heal_commands(Commands& commands) {
  CLI::App& heal = commands.group("heal", "repair, and moving data");
  commands.add(heal, "status", "what is below its profile, how fast it is healed, and until when",
               show_heal);
  const auto reprofile = std::make_shared<bool>(false);
  CLI::App& app =
      commands.add("rebalance", "move extents to where the ring wants them",
                   [reprofile](Session& session) { return rebalance(session, *reprofile); });
  app.add_flag("--reprofile", *reprofile, "and rewrite those in another profile than new ones");
}

}  // namespace hydra::ctl
