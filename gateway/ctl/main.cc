// hydractl: asks a running gateway for the state of its grid, over the gateway's admin socket.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "gateway/admin/status_json.h"
#include "gateway/ctl/admin_client.h"
#include "gateway/ctl/report.h"

namespace {

using namespace hydra;
using namespace hydra::ctl;

constexpr const char* kDefaultSocket = "var/run/admin.sock";  // of ./dev up
constexpr const char* kFooter =
    "Exit status: 0 healthy, 1 failed, 2 usage, 3 no gateway answers, 4 degraded,\n"
    "5 data at risk or writes refused.";

int complain(const Error& error, Exit exit) {
  fmt::print(stderr, "hydractl: {}\n", error.message);
  if (exit == kExitUnreachable)
    fmt::print(stderr,
               "Is the gateway running? --socket or HYDRA_ADMIN names the socket that "
               "admin.listen of its configuration opens.\n");
  return exit;
}

Exit exit_of_failure(Code code) {
  if (code == Code::kInvalidArgument) return kExitUsage;
  return code == Code::kUnavailable || code == Code::kTimeout ? kExitUnreachable : kExitFailed;
}

int show_status(const std::string& socket, bool json) {
  const auto answer = get(socket, "/v1/status");
  if (!answer) return complain(answer.error(), exit_of_failure(answer.error().code));
  if (answer->status != 200)
    return complain({Code::kInternal, "the gateway says: " + answer->body}, kExitFailed);
  const auto status = admin::parse_status(answer->body);
  if (!status) return complain(status.error(), kExitFailed);
  const bool colours = isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  fmt::print("{}", json ? answer->body : report(*status, colours));
  return exit_of(status->verdict);
}

std::string default_socket() {
  const char* const named = std::getenv("HYDRA_ADMIN");
  return named != nullptr && *named != '\0' ? named : kDefaultSocket;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"The operator's view of a HydraGrid.", "hydractl"};
  app.set_version_flag("--version", std::string("hydractl ") + HYDRA_VERSION);
  app.require_subcommand(1);
  app.footer(kFooter);
  std::string socket = default_socket();
  bool json = false;
  CLI::App* const status = app.add_subcommand("status", "how the grid is, and what may still fail");
  status->add_flag("--json", json, "as JSON, for programs");
  status->add_option("--socket", socket, "the gateway's admin socket (or set HYDRA_ADMIN)")
      ->type_name("PATH")
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  return show_status(socket, json);
}
