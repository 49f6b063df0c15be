#include "gateway/admin/status_json.h"
#include "gateway/ctl/commands.h"
#include "gateway/ctl/durability_report.h"
#include "gateway/ctl/heal_report.h"
#include "gateway/ctl/report.h"

namespace hydra::ctl {

namespace {

Result<Exit> show_status(Session& session) {
  HYDRA_TRY(const Json answer, session.get("/v1/status"));
  HYDRA_TRY(const admin::GridStatus status, admin::read_status(answer));
  HYDRA_TRY(const std::string repair, heal_line(answer["heal"]));
  HYDRA_TRY(const std::string durability, durability_line(answer["durability"]));
  if (session.wants_json())
    session.print_json(answer);
  else
    session.print(report(status, repair, session.colours()) + durability);
  return exit_of(status.verdict);
}

}  // namespace

void add_status_command(Commands& commands) {
  commands.add("status", "how the grid is, and what may still fail", show_status);
}

}  // namespace hydra::ctl
