#include "gateway/ctl/command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/encoding.h"
#include "gateway/admin/errors.h"
#include "gateway/ctl/admin_client.h"

namespace hydra::ctl {

namespace {

constexpr const char* kDefaultSocket = "var/run/admin.sock";  // of ./dev up
constexpr const char* kFooter =
    "Exit status: 0 ok, 1 failed, 2 usage, 3 no gateway answers, 4 degraded,\n"
    "5 data at risk or writes refused.";

std::string default_socket() {
  const char* const named = std::getenv("HYDRA_ADMIN");
  return named != nullptr && *named != '\0' ? named : kDefaultSocket;
}

int complain(const Error& error, Exit exit) {
  fmt::print(stderr, "hydractl: {}\n",
             error.message.empty() ? code_name(error.code) : error.message);
  if (exit == kExitUnreachable)
    fmt::print(stderr,
               "Is the gateway running? --socket or HYDRA_ADMIN names the socket that "
               "admin.listen of its configuration opens.\n");
  return exit;
}

}  // namespace

Exit exit_of(admin::Verdict verdict) {
  if (verdict == admin::Verdict::kHealthy) return kExitOk;
  return verdict == admin::Verdict::kDegraded ? kExitDegraded : kExitAtRisk;
}

std::string quoted(const std::string& name) { return percent_encode(name); }

Result<Json> Session::get(std::string_view target, std::chrono::seconds patience) {
  return call("GET", target, {}, patience);
}

Result<Json> Session::post(std::string_view target, const Json& body,
                           std::chrono::seconds patience) {
  return call("POST", target, body.dump(), patience);
}

Result<Json> Session::call(std::string_view method, std::string_view target, std::string_view body,
                           std::chrono::seconds patience) {
  const auto answer = ask(options_.socket, {method, target, body, patience});
  if (!answer) {
    const Code code = answer.error().code;
    unreachable_ = code == Code::kUnavailable || code == Code::kTimeout;
    return fail(answer.error());
  }
  if (answer->status != 200) return fail(admin::parse_error(answer->status, answer->body));
  Json json = Json::parse(answer->body, nullptr, false);
  if (json.is_discarded()) return fail(Code::kCorrupt, "the gateway's answer is no JSON");
  return json;
}

void Session::print_json(const Json& json) {
  out_ += json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Exit Session::exit_of(const Error& error) const {
  if (unreachable_) return kExitUnreachable;
  return error.code == Code::kInvalidArgument ? kExitUsage : kExitFailed;
}

Commands::Commands()
    : app_(std::make_unique<CLI::App>("The operator's view of a HydraGrid.", "hydractl")) {
  app_->set_version_flag("--version", std::string("hydractl ") + HYDRA_VERSION);
  app_->require_subcommand(1);
  app_->footer(kFooter);
  options_.socket = default_socket();
}

Commands::~Commands() = default;

CLI::App& Commands::add(std::string name, std::string help, Action action) {
  return add(*app_, std::move(name), std::move(help), std::move(action));
}

CLI::App& Commands::add(CLI::App& group, std::string name, std::string help, Action action) {
  CLI::App* const app = group.add_subcommand(std::move(name), std::move(help));
  app->add_flag("--json", options_.json, "as JSON, for programs");
  app->add_option("--socket", options_.socket, "the gateway's admin socket (or set HYDRA_ADMIN)")
      ->type_name("PATH")
      ->capture_default_str();
  entries_.push_back({app, std::move(action)});
  return *app;
}

CLI::App& Commands::group(std::string name, std::string help) {
  const auto groups =
      app_->get_subcommands([&](const CLI::App* app) { return app->get_name() == name; });
  if (!groups.empty()) return *groups.front();
  return *app_->add_subcommand(std::move(name), std::move(help))->require_subcommand(1);
}

int Commands::run(int argc, const char* const* argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app_->exit(error) == 0 ? kExitOk : kExitUsage;
  }
  const auto chosen =
      std::ranges::find_if(entries_, [](const Entry& entry) { return entry.app->parsed(); });
  options_.colours = isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  Session session(options_);
  const auto exit = chosen->action(session);
  std::fwrite(session.out().data(), 1, session.out().size(), stdout);
  return exit ? *exit : complain(exit.error(), session.exit_of(exit.error()));
}

}  // namespace hydra::ctl
