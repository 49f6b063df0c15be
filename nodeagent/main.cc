// hydra-agent: the process that owns one device of a grid. Reads its configuration, opens the
// store, dials the gateways, and stops in order on SIGTERM or SIGINT.
#include <fmt/format.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <future>
#include <iterator>

#include "base/config/reader.h"
#include "base/config/value.h"
#include "base/log.h"
#include "base/runtime/pistache/runtime.h"
#include "nodeagent/agent.h"

namespace {

using namespace hydra;
using agent::Agent;
using agent::AgentOptions;

constexpr const char* kUsage =
    "usage: hydra-agent --config FILE\n"
    "       hydra-agent --version | --help\n\n"
    "Keeps shards of a HydraGrid on one device. conf/agent.yaml explains every key of FILE; each "
    "can\n"
    "be overridden by an environment variable, as agent.data by HYDRA_AGENT_DATA.\n";

struct Options {
  AgentOptions agent;
  std::string secret_file;
  log::Options log;
};

Result<Options> load_options(const std::string& path) {
  auto reader = config::Reader::from_file(path, config::process_environment());
  for (const char* name : {"HYDRA_ADMIN", "HYDRA_IO_URING"})
    reader.allow_variable(name);
  for (const char* key : {"agent.name", "agent.data", "grid.secret_file"}) reader.require(key);
  Options options;
  options.agent.name = reader.text("agent.name", "");
  options.agent.zone = reader.text("agent.zone", options.agent.name);
  options.agent.directory = reader.path("agent.data", "");
  options.agent.capacity_bytes = reader.size("agent.capacity", 0);
  options.agent.log_bytes = reader.size("agent.log_size", 1u << 30, 1u << 20, 64ull << 30);
  for (std::string& gateway : reader.addresses("agent.gateways", {"127.0.0.1:9100"}))
    options.agent.gateways.push_back({std::move(gateway)});
  options.secret_file = reader.path("grid.secret_file", "");
  options.log.file = reader.path("log.file", "");
  const std::string level =
      reader.choice("log.level", "info", {"debug", "info", "warning", "error", "off"});
  options.log.level = log::parse_level(level).value_or(log::Level::kInfo);
  HYDRA_CHECK_OK(reader.finish());
  return options;
}

Result<agent::GridSecret> load_secret(const std::string& path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) return fail(Code::kIo, "cannot read the grid's secret from " + path);
  struct stat status;
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    log::warning("other users may read {}: it holds the grid's secret, so make its mode 0600",
                 path);
  auto secret = agent::parse_grid_secret(text);
  if (!secret) return fail(secret.error().code, path + ": " + secret.error().message);
  return secret;
}

Task<void> start_agent(Loop* loop, AgentOptions options,
                       std::promise<Result<std::unique_ptr<Agent>>>* started) {
  started->set_value(co_await Agent::start(*loop, std::move(options)));
}

Task<void> stop_agent(Agent* agent, std::promise<Status>* stopped) {
  stopped->set_value(co_await agent->stop());
}

sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGTERM, SIGINT}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// To standard error, and to the log where that is a file.
int complain(const Error& error, const log::Options& log) {
  fmt::print(stderr, "hydra-agent: {}\n", error.message);
  if (!log.file.empty()) log::error("{}", error.message);
  return 1;
}

int run(const std::string& config) {
  auto options = load_options(config);
  if (!options) return complain(options.error(), {});
  if (auto status = log::configure(options->log); !status)
    return complain(status.error(), options->log);
  auto secret = load_secret(options->secret_file);
  if (!secret) return complain(secret.error(), options->log);
  options->agent.secret = *secret;
  options->agent.log = [](std::string_view sentence) { log::info("{}", sentence); };

  const sigset_t signals = block_signals();
  auto runtime = Runtime::create({.workers = 1});
  if (!runtime) return complain(runtime.error(), options->log);
  Loop* loop = (*runtime)->loops().front();
  std::promise<Result<std::unique_ptr<Agent>>> started;
  loop->post([&] { loop->spawn(start_agent(loop, options->agent, &started)); });
  if (auto status = (*runtime)->start(); !status) return complain(status.error(), options->log);
  log::info("Opening the device at {}.", options->agent.directory);
  auto agent = started.get_future().get();
  if (!agent) return complain(agent.error(), options->log);
  const auto space = (*agent)->store().space();
  log::info("The device is open: {} of {} in use. Looking for {} gateway(s).",
            config::format_size(space.used_bytes), config::format_size(space.capacity_bytes),
            options->agent.gateways.size());

  int signal = 0;
  sigwait(&signals, &signal);
  log::info("Stopping: cutting the links and closing the device.");
  std::promise<Status> stopped;
  loop->post([&] { loop->spawn(stop_agent(agent->get(), &stopped)); });
  const Status closed = stopped.get_future().get();
  (*runtime)->stop();
  agent->reset();
  if (!closed) return complain(closed.error(), options->log);
  log::info("Stopped.");
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
