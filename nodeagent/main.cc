// hydra-agent: the process that owns one device of a grid. Reads its configuration, opens the
// store, dials the gateways, and stops in order on SIGTERM or SIGINT. `hydra-agent join` makes a
// node of a directory first.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <future>
#include <map>
#include <vector>

#include "base/config/reader.h"
#include "base/config/value.h"
#include "base/log.h"
#include "base/runtime/pistache/runtime.h"
#include "nodeagent/agent.h"
#include "nodeagent/join.h"

namespace {

using namespace hydra;
using agent::Agent;
using agent::AgentOptions;

constexpr const char* kUsage =
    "usage: hydra-agent --config FILE\n"
    "       hydra-agent join --gateway HOST:PORT --token TOKEN --data DIR [--name NAME] [--zone "
    "ZONE]\n"
    "                        [--capacity SIZE] [--role storage|cache] [--no-run]\n"
    "       hydra-agent --version | --help\n\n"
    "Keeps shards of a HydraGrid on one device. conf/agent.yaml explains every key of FILE; each "
    "can\n"
    "be overridden by an environment variable, as agent.data by HYDRA_AGENT_DATA.\n\n"
    "join makes DIR a node of a grid, with a token from hydractl node token, writes "
    "DIR/agent.yaml\n"
    "and runs the agent with it (not with --no-run). The name is else the host's, the zone the\n"
    "name, the capacity what the file system has.\n";

struct Options {
  AgentOptions agent;
  log::Options log;
};

Result<Options> load_options(const std::string& path) {
  auto reader = config::Reader::from_file(path, config::process_environment());
  for (const char* name : {"HYDRA_ADMIN", "HYDRA_IO_URING"}) reader.allow_variable(name);
  for (const char* key : {"agent.name", "agent.data"}) reader.require(key);
  Options options;
  options.agent.name = reader.text("agent.name", "");
  options.agent.zone = reader.text("agent.zone", options.agent.name);
  options.agent.directory = reader.path("agent.data", "");
  options.agent.capacity_bytes = reader.size("agent.capacity", 0);
  options.agent.log_bytes = reader.size("agent.log_size", 1u << 30, 1u << 20, 64ull << 30);
  for (std::string& gateway : reader.addresses("agent.gateways", {"127.0.0.1:9100"}))
    options.agent.gateways.push_back({std::move(gateway)});
  if (reader.choice("agent.role", "storage", {"storage", "cache"}) == "cache")
    options.agent.role = agent::NodeRole::kCache;
  options.log.file = reader.path("log.file", "");
  const std::string level =
      reader.choice("log.level", "info", {"debug", "info", "warning", "error", "off"});
  options.log.level = log::parse_level(level).value_or(log::Level::kInfo);
  HYDRA_CHECK_OK(reader.finish());
  return options;
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

// ---- join
// ----------------------------------------------------------------------------------------

Task<void> start_join(Loop* loop, agent::JoinOptions options,
                      std::promise<Result<agent::Joined>>* done) {
  done->set_value(co_await agent::join_grid(*loop, std::move(options)));
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "node";
}

// The options of the command line, each at most once.
Result<std::map<std::string, std::string>> parse_arguments(const std::vector<std::string>& given) {
  std::map<std::string, std::string> found;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::string& name = given[i];
    const bool is_flag = name == "--no-run";
    bool known = is_flag;
    for (const char* option :
         {"--gateway", "--token", "--data", "--name", "--zone", "--capacity", "--role"})
      known = known || name == option;
    if (!known) return fail(Code::kInvalidArgument, "join does not know " + name);
    if (!is_flag && i + 1 == given.size())
      return fail(Code::kInvalidArgument, name + " needs a value");
    if (!found.emplace(name, is_flag ? "" : given[++i]).second)
      return fail(Code::kInvalidArgument, name + " was given twice");
  }
  for (const char* needed : {"--gateway", "--token", "--data"})
    if (!found.contains(needed))
      return fail(Code::kInvalidArgument, std::string("join needs ") + needed);
  return found;
}

Result<agent::JoinOptions> join_options(std::map<std::string, std::string>& given) {
  const auto bad = [](const std::string& text) { return fail(Code::kInvalidArgument, text); };
  agent::JoinOptions options;
  options.gateway.text = given["--gateway"];
  if (!config::is_address(options.gateway.text))
    return bad("--gateway wants HOST:PORT or unix:/path, not " + options.gateway.text);
  HYDRA_TRY(options.token, agent::ClaimToken::parse(given["--token"]));
  options.directory = std::filesystem::absolute(given["--data"]).lexically_normal();
  while (options.directory.size() > 1 && options.directory.ends_with('/'))
    options.directory.pop_back();
  options.name = given.contains("--name") ? given["--name"] : host_name();
  options.zone = given["--zone"];
  const std::string role = given.contains("--role") ? given["--role"] : "storage";
  if (role != "storage" && role != "cache") return bad("--role wants storage or cache");
  if (role == "cache") options.role = agent::NodeRole::kCache;
  if (given.contains("--capacity")) {
    const auto capacity = config::parse_size(given["--capacity"]);
    if (!capacity || *capacity == 0) return bad("--capacity wants a size, as 500GiB or 2TB");
    options.capacity_bytes = *capacity;
  }
  return options;
}

// Directories of a join that failed, if there were none before.
void remove_if_empty(const std::string& directory) {
  std::error_code ignored;  // what is not empty stays
  std::filesystem::remove(directory + "/logs", ignored);
  std::filesystem::remove(directory, ignored);
}

int join(const std::vector<std::string>& arguments) {
  auto given = parse_arguments(arguments);
  auto options = given ? join_options(*given) : Result<agent::JoinOptions>(fail(given.error()));
  if (!options) {
    fmt::print(stderr, "hydra-agent: {}\n\n{}", options.error().message, kUsage);
    return 2;
  }
  const std::string directory = options->directory;
  const bool was_there = std::filesystem::exists(directory);
  auto runtime = Runtime::create({.workers = 1});
  if (!runtime) return complain(runtime.error(), {});
  Loop* loop = (*runtime)->loops().front();
  std::promise<Result<agent::Joined>> done;
  loop->post([&] { loop->spawn(start_join(loop, std::move(*options), &done)); });
  if (auto status = (*runtime)->start(); !status) return complain(status.error(), {});
  const auto joined = done.get_future().get();
  (*runtime)->stop();
  if (!joined) {
    if (!was_there) remove_if_empty(directory);
    return complain(joined.error(), {});
  }
  fmt::print("{} is node {} of the grid now. It is started by hydra-agent --config {}/agent.yaml\n",
             directory, joined->node, directory);
  std::fflush(stdout);
  return given->contains("--no-run") ? 0 : run(directory + "/agent.yaml");
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
  if (first == "join") return join({argv + 2, argv + argc});
  if (argc != 3 || first != "--config") {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  return run(argv[2]);
}
