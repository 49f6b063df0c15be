// hydractl node …: the nodes of the grid, and what an operator does with them.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <optional>
#include <thread>

#include "gateway/ctl/commands.h"
#include "gateway/ctl/node_report.h"
#include "gateway/ctl/text.h"

namespace hydra::ctl {

namespace {

constexpr std::chrono::seconds kWalkPatience{60};  // for what walks over all extents
constexpr std::chrono::seconds kDrainPause{2};

std::string target(const std::string& node, std::string_view action = {}) {
  std::string text = "/v1/nodes/" + ctl::quoted(node);
  if (!action.empty()) text.append("/").append(action);
  return text;
}

Result<Exit> list(Session& session) {
  HYDRA_TRY(const Json answer, session.get("/v1/nodes"));
  if (session.wants_json())
    session.print_json(answer);
  else
    session.print(node_list_text(answer));
  return kExitOk;
}

Result<Exit> token(Session& session) {
  HYDRA_TRY(const Json answer, session.post("/v1/nodes/token"));
  if (session.wants_json()) {
    session.print_json(answer);
    return kExitOk;
  }
  session.print(
      fmt::format("On the new node, with DIR on the disk that it gives to the grid:\n\n  {}\n\n"
                  "The token is good for one node until {}, and is not shown again.\n",
                  printable(answer.value("command", "")), printable(answer.value("expires", ""))));
  return kExitOk;
}

Result<Exit> drain(Session& session, const std::string& node, bool wait) {
  HYDRA_TRY(const Json changed, session.post(target(node, "set"), {{"draining", true}}));
  const std::string id = std::to_string(changed.at("id").get<std::uint64_t>());
  HYDRA_TRY(Json held, session.get(target(id), kWalkPatience));
  while (wait && held.value("extents", std::uint64_t{0}) > 0) {
    std::this_thread::sleep_for(kDrainPause);
    HYDRA_TRY(held, session.get(target(id), kWalkPatience));
  }
  if (session.wants_json()) {
    session.print_json(held);
    return kExitOk;
  }
  session.print(node_name(changed) + " takes no new shards.\n" + holdings_text(held));
  if (held.value("extents", std::uint64_t{0}) > 0)
    session.print(fmt::format("hydractl node drain {} --wait returns when it is empty.\n", id));
  return kExitOk;
}

Result<Exit> set(Session& session, const std::string& node, const Json& change,
                 std::string_view done) {
  HYDRA_TRY(const Json changed, session.post(target(node, "set"), change));
  if (session.wants_json())
    session.print_json(changed);
  else
    session.print(fmt::format("{} {}\n", node_name(changed), done));
  return kExitOk;
}

Result<Exit> remove(Session& session, const std::string& node, bool lost) {
  HYDRA_TRY(const Json removed,
            session.post(target(node, "remove"), {{"lost", lost}}, kWalkPatience));
  if (session.wants_json())
    session.print_json(removed);
  else
    session.print(node_name(removed) +
                  " is no longer part of the grid. A wiped device joins as a new node.\n");
  return kExitOk;
}

struct SetOptions {
  std::string node;
  std::optional<double> weight;
  std::optional<std::string> zone;
};

Result<Exit> set_options(Session& session, const SetOptions& options) {
  Json change = Json::object();
  if (options.weight) change["weight"] = *options.weight;
  if (options.zone) change["zone"] = *options.zone;
  if (change.empty()) return fail(Code::kInvalidArgument, "say what to set: --weight or --zone");
  return set(session, options.node, change, "has been changed; the ring follows.");
}

}  // namespace

void add_node_commands(Commands& commands) {
  CLI::App& group = commands.group("node", "nodes of the grid");
  const auto node = std::make_shared<std::string>();
  const auto names = [node](CLI::App& app) {
    app.add_option("NODE", *node, "its number or name")->required();
  };
  commands.add(group, "list", "the nodes, and how full they are", list);
  commands.add(group, "token", "lets one device join the grid", token);

  const auto wait = std::make_shared<bool>(false);
  CLI::App& drained =
      commands.add(group, "drain", "empties a node",
                   [node, wait](Session& session) { return drain(session, *node, *wait); });
  names(drained);
  drained.add_flag("--wait", *wait, "return when it is empty");
  names(commands.add(group, "undrain", "lets a node take shards again", [node](Session& session) {
    return set(session, *node, {{"draining", false}}, "takes new shards again.");
  }));

  const auto lost = std::make_shared<bool>(false);
  CLI::App& removed =
      commands.add(group, "remove", "takes a node out for good",
                   [node, lost](Session& session) { return remove(session, *node, *lost); });
  names(removed);
  removed.add_flag("--lost", *lost, "it is dead, and what it holds is given up");

  const auto options = std::make_shared<SetOptions>();
  CLI::App& changed = commands.add(group, "set", "changes weight or zone",
                                   [options](Session& s) { return set_options(s, *options); });
  changed.add_option("NODE", options->node, "its number or name")->required();
  changed.add_option("--weight", options->weight, "factor on its capacity, 0 to 1000");
  changed.add_option("--zone", options->zone, "the failure domain");
}

}  // namespace hydra::ctl
