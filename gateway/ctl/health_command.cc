#include "gateway/admin/status_json.h"
#include "gateway/ctl/commands.h"
#include "gateway/ctl/report.h"

namespace hydra::ctl {

namespace {

Result<Exit> show_health(Session& session) {
  HYDRA_TRY(const Json answer, session.get("/v1/status"));
  HYDRA_TRY(const admin::GridStatus status, admin::read_status(answer));
  if (session.wants_json()) {
    session.print_json(Json{{"verdict", answer["verdict"]},
                            {"reasons", answer["reasons"]},
                            {"nodes_may_fail", answer["nodes_may_fail"]}});
  } else {
    session.print(verdict_line(status, session.colours()) + "\n");
  }
  return exit_of(status.verdict);
}

}  // namespace

void add_health_command(Commands& commands) {
  commands.add("health", "the verdict and its reasons in one line; the exit status tells it too",
               show_health);
}

}  // namespace hydra::ctl
