// hydra-agent: one device of a grid. Reads its configuration, keeps its links, and stops in order on SIGTERM or
// SIGINT.
#include <fmt/format.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <future>
#include <sstream>

#include "base/config/reader.h"
#include "base/log.h"
#include "base/runtime/pistache/runtime.h"
#include "nodeagent/agent.h"

namespace {

using namespace hydra;

constexpr const char* kUsage =
    "usage: hydra-agent --config FILE\n"
    "       hydra-agent --version | --help\n\n"
    "Serves one device to the gateways of a HydraGrid, which it dials. conf/agent.yaml explains every\n"
    "key of FILE; each can be overridden by an environment variable, as agent.zone by HYDRA_AGENT_ZONE.\n";

struct ProcessOptions {
  agent::AgentOptions agent;
  log::Options log;
};

Result<ProcessOptions> load_options(const std::string& path) {
  auto reader = config::Reader::from_file(path, config::process_environment());
  for (const char* name : {"HYDRA_IO_URING", "HYDRA_BIN", "HYDRA_BUILD"})
    reader.allow_variable(name);
  ProcessOptions options;
  reader.require("agent.name");
  options.agent.name = reader.text("agent.name", "");
  options.agent.zone = reader.text("agent.zone", options.agent.name);
  reader.require("agent.data");
  options.agent.directory = reader.path("agent.data", "");
  options.agent.capacity_bytes = reader.size("agent.capacity", 0);
  options.agent.log_bytes = reader.size("agent.log_size", 1u << 30, 1u << 20, 64ull << 30);
  for (const auto& address : reader.addresses("agent.gateways", {"127.0.0.1:9100"}))
    options.agent.gateways.push_back({address});
  reader.require("grid.secret_file");
  const std::string secret_file = reader.path("grid.secret_file", "");
  options.log.file = reader.path("log.file", "");
  const std::string level =
      reader.choice("log.level", "info", {"debug", "info", "warning", "error", "off"});
  options.log.level = log::parse_level(level).value_or(log::Level::kInfo);
  HYDRA_CHECK_OK(reader.finish());

  std::ifstream file(secret_file, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()))
    return fail(Code::kIo, secret_file + ": " + std::strerror(errno));
  auto secret = agent::parse_grid_secret(text.str());
  if (!secret) return fail(Code::kInvalidArgument, secret_file + ": " + secret.error().message);
  options.agent.secret = *secret;
  options.agent.log = [](std::string_view sentence) { log::info("{}", sentence); };
  return options;
}

Task<void> start_agent(Loop* loop, agent::AgentOptions options,
                       std::promise<Result<std::unique_ptr<agent::Agent>>>* started) {
  started->set_value(co_await agent::Agent::start(*loop, std::move(options)));
}

Task<void> stop_agent(agent::Agent* agent, std::promise<Status>* stopped) {
  stopped->set_value(co_await agent->stop());
}

int complain(const Error& error) {
  fmt::print(stderr, "hydra-agent: {}\n", error.message);
  log::error("{}", error.message);
  return 1;
}

int run(const std::string& config) {
  auto options = load_options(config);
  if (!options) return complain(options.error());
  if (auto status = log::configure(options->log); !status) return complain(status.error());
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGTERM, SIGINT}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  auto runtime = Runtime::create({});
  if (!runtime) return complain(runtime.error());
  Loop* loop = (*runtime)->loops().front();
  std::promise<Result<std::unique_ptr<agent::Agent>>> started;
  log::info("serving {} as {}", options->agent.directory, options->agent.name);
  loop->post([&] { loop->spawn(start_agent(loop, std::move(options->agent), &started)); });
  if (auto status = (*runtime)->start(); !status) return complain(status.error());
  auto agent = started.get_future().get();
  if (!agent) return complain(agent.error());

  int signal = 0;
  sigwait(&signals, &signal);
  log::info("stopping");
  std::promise<Status> stopped;
  loop->post([&] { loop->spawn(stop_agent(agent->get(), &stopped)); });
  const Status status = stopped.get_future().get();
  (*runtime)->stop();
  agent->reset();
  if (!status) return complain(status.error());
  log::info("stopped");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  if (first == "--help") {
    fmt::print("{}", kUsage);
    return 0;
  }
  if (first == "--version") {
    fmt::print("hydra-agent {}\n", HYDRA_VERSION);
    return 0;
  }
  if (argc != 3 || first != "--config") {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  return run(argv[2]);
}
