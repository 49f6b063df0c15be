#include <CLI/CLI.hpp>

#include "gateway/ctl/commands.h"
#include "gateway/ctl/scrub_report.h"

namespace hydra::ctl {

namespace {

Result<Exit> tell(Session& session, const Result<Json>& answer) {
  HYDRA_CHECK_OK(answer);
  HYDRA_TRY(const std::string report, scrub_report(*answer));
  if (session.wants_json())
    session.print_json(*answer);
  else
    session.print(report);
  return kExitOk;
}

}  // namespace

void add_scrub_commands(Commands& commands) {
  CLI::App& scrub = commands.group("scrub", "verifying every shard where it lies");
  commands.add(scrub, "status", "how far it is, and what it found",
               [](Session& session) { return tell(session, session.get("/v1/scrub")); });
  commands.add(scrub, "start", "begin a pass now, or hurry the one under way",
               [](Session& session) { return tell(session, session.post("/v1/scrub/start")); });
}

}  // namespace hydra::ctl
