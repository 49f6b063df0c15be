#include <CLI/CLI.hpp>

#include "gateway/ctl/commands.h"
#include "gateway/ctl/layout_report.h"

namespace hydra::ctl {

namespace {

constexpr std::chrono::seconds kPatience{120};  // all extents are walked

Result<Exit> tell(Session& session, const Json& layout, bool show) {
  HYDRA_TRY(const std::string report, layout_report(layout, show));
  if (session.wants_json())
    session.print_json(layout);
  else
    session.print(report);
  return kExitOk;
}

Result<Exit> show(Session& session) {
  HYDRA_TRY(const Json layout, session.get("/v1/layout", kPatience));
  return tell(session, layout, true);
}

Result<Exit> change(Session& session, const LayoutOptions& options, bool apply) {
  HYDRA_TRY(const Json changes, layout_changes(options));
  if (changes["changes"].empty())
    return fail(Code::kInvalidArgument, "say what to change; --help tells how");
  HYDRA_TRY(const Json layout,
            session.post(apply ? "/v1/layout/apply" : "/v1/layout/plan", changes, kPatience));
  HYDRA_TRY(const Exit exit, tell(session, layout, false));
  if (!session.wants_json())
    session.print(apply ? "Done: the healer begins to move it, after all repair.\n"
                        : "Nothing was changed; `hydractl layout apply` with the same options "
                          "does it.\n");
  return exit;
}

void add_options(CLI::App& app, LayoutOptions& options, bool plan) {
  app.add_option("--drain", options.drain, "empty this node")->type_name("NODE");
  app.add_option("--undrain", options.undrain, "use it again")->type_name("NODE");
  app.add_option("--weight", options.weight, "a factor on its capacity")->type_name("NODE=FACTOR");
  app.add_option("--zone", options.zone, "its failure domain")->type_name("NODE=ZONE");
  if (plan)
    app.add_option("--remove", options.remove, "take it out at once: its shards are rebuilt")
        ->type_name("NODE");
}

}  // namespace

void add_layout_commands(Commands& commands) {
  CLI::App& layout = commands.group("layout", "where data lies, and what a change would move");
  commands.add(layout, "show", "what each node holds, and what is not where it should be", show);
  const auto plan = std::make_shared<LayoutOptions>(), apply = std::make_shared<LayoutOptions>();
  add_options(commands.add(layout, "plan", "what a change would move, and how long that takes",
                           [plan](Session& session) { return change(session, *plan, false); }),
              *plan, true);
  add_options(commands.add(layout, "apply", "make the change",
                           [apply](Session& session) { return change(session, *apply, true); }),
              *apply, false);
}

}  // namespace hydra::ctl
