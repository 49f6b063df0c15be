// hydra-gateway: the S3 endpoint of a grid. Reads its configuration, starts the workers, and stops
// in order on SIGTERM or SIGINT.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <future>
#include <span>

#include "gateway/options.h"
#include "gateway/recover.h"

namespace {

using namespace hydra;

constexpr const char* kUsage =
    "usage: hydra-gateway --config FILE\n"
    "       hydra-gateway recover --config FILE [--wait SECONDS]\n"
    "       hydra-gateway --version | --help\n\n"
    "The S3 endpoint of a HydraGrid. conf/gateway.yaml explains every key of FILE; each can be\n"
    "overridden by an environment variable, as s3.listen by HYDRA_S3_LISTEN.\n\n"
    "recover rebuilds the catalog of a gateway machine that was lost: onto an empty catalog\n"
    "directory, with the old key file, from what the nodes of the grid hold; as many may be lost\n"
    "as the profile forgives. It waits for the others for 60 seconds, or as long as it is told.\n";

// Until the gateway is there, connections are closed at once; clients try again.
std::atomic<Gateway*> serving = nullptr;

Task<void> start_gateway(std::vector<Loop*> loops, GatewayOptions options,
                         std::promise<Result<std::unique_ptr<Gateway>>>* started) {
  started->set_value(co_await Gateway::start(loops, std::move(options)));
}

Task<void> stop_gateway(Gateway* gateway, Loop* first, std::promise<void>* stopped) {
  co_await gateway->stop(first->after(10 * kSecond));
  stopped->set_value();
}

sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGTERM, SIGINT}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

int complain(const Error& error) {
  fmt::print(stderr, "hydra-gateway: {}\n", error.message);
  log::error("{}", error.message);
  return 1;
}

int run(const std::string& config) {
  bool created_keys = false;
  auto options = load_options(config, created_keys);
  if (!options) return complain(options.error());
  if (auto status = log::configure(options->log); !status) return complain(status.error());
  if (created_keys)
    log::warning(
        "made the key file {}: it is the one thing to keep. With a copy of it and the nodes, "
        "a lost gateway can be rebuilt (hydra-gateway recover); without it nothing that is "
        "stored can be read again. hydractl key export prints it",
        options->key_file);

  const sigset_t signals = block_signals();
  Runtime::Options runtime_options;
  runtime_options.workers = options->workers;
  runtime_options.serve = options->serve;
  auto runtime = Runtime::create(std::move(runtime_options));
  if (!runtime) return complain(runtime.error());
  const std::vector<Loop*> loops((*runtime)->loops().begin(), (*runtime)->loops().end());
  std::promise<Result<std::unique_ptr<Gateway>>> started;
  loops.front()->post(
      [&] { loops.front()->spawn(start_gateway(loops, std::move(options->gateway), &started)); });
  auto status = (*runtime)->start([](Loop& loop, std::unique_ptr<Stream> stream) {
    if (Gateway* gateway = serving.load(std::memory_order_acquire))
      gateway->serve(loop, std::move(stream));
  });
  if (!status) return complain(status.error());
  auto gateway = started.get_future().get();
  if (!gateway) return complain(gateway.error());
  serving.store(gateway->get(), std::memory_order_release);
  log::info("serving S3 on {} with {} workers", (*runtime)->local_address().text, loops.size());

  int signal = 0;
  sigwait(&signals, &signal);
  log::info("stopping");
  std::promise<void> stopped;
  loops.front()->post(
      [&] { loops.front()->spawn(stop_gateway(gateway->get(), loops.front(), &stopped)); });
  stopped.get_future().wait();
  serving.store(nullptr, std::memory_order_release);
  (*runtime)->stop();
  gateway->reset();
  log::info("stopped");
  return 0;
}

Task<void> start_recovery(Loop* loop, RecoverOptions options,
                          std::promise<Result<RecoverReport>>* ended) {
  ended->set_value(co_await recover(*loop, std::move(options)));
}

std::string utc(std::int64_t ms) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(static_cast<std::time_t>(ms / 1000)));
}

void print(const RecoverReport& report) {
  const auto now = static_cast<std::int64_t>(std::time(nullptr)) * 1000;
  fmt::print("recovered {} objects in {} buckets from {} nodes\n", report.objects, report.buckets,
             report.nodes);
  fmt::print("the last commit is {}, of {} ({} seconds ago); {} came after the snapshot\n",
             report.sequence, utc(report.last_commit_ms), (now - report.last_commit_ms) / 1000,
             report.replayed);
  if (!report.missing.empty())
    fmt::print("nodes that did not come: {}\n", fmt::join(report.missing, ", "));
  fmt::print("now start the gateway as ever\n");
}

int run_recover(const std::string& config, long wait_seconds) {
  bool created_keys = false;
  auto options = load_options(config, created_keys, KeyFile::kMustExist);
  if (!options) return complain(options.error());
  const GatewayOptions& gateway = options->gateway;
  RecoverOptions recovery;
  recovery.catalog_directory = gateway.catalog_directory;
  recovery.catalog = gateway.catalog;
  recovery.key_file_text = gateway.key_file_text;
  recovery.grid_addresses = gateway.grid_addresses;
  recovery.wait = wait_seconds * kSecond;
  recovery.say = [](std::string sentence) { fmt::print(stderr, "{}\n", sentence); };

  auto runtime = Runtime::create({.workers = 1});
  if (!runtime) return complain(runtime.error());
  Loop* loop = (*runtime)->loops().front();
  std::promise<Result<RecoverReport>> ended;
  loop->post([&] { loop->spawn(start_recovery(loop, std::move(recovery), &ended)); });
  if (auto status = (*runtime)->start(); !status) return complain(status.error());
  const auto report = ended.get_future().get();
  (*runtime)->stop();
  if (!report) return complain(report.error());
  print(*report);
  return 0;
}

int usage() {
  fmt::print(stderr, "{}", kUsage);
  return 2;
}

// The seconds of "60" or "60s"; -1: it is none.
long seconds_of(std::string text) {
  if (text.ends_with('s')) text.pop_back();
  if (text.empty() || text.size() > 6 || text.find_first_not_of("0123456789") != std::string::npos)
    return -1;
  return std::stol(text);
}

int run_recover(std::span<char*> arguments) {
  std::string config;
  long wait = 60;
  for (std::size_t i = 0; i + 1 < arguments.size(); i += 2) {
    const std::string name = arguments[i];
    if (name == "--config")
      config = arguments[i + 1];
    else if (name == "--wait")
      wait = seconds_of(arguments[i + 1]);
    else
      return usage();
  }
  if (arguments.size() % 2 != 0 || config.empty() || wait < 0) return usage();
  return run_recover(config, wait);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  if (first == "--help") {
    fmt::print("{}", kUsage);
    return 0;
  }
  if (first == "--version") {
    fmt::print("hydra-gateway {}\n", HYDRA_VERSION);
    return 0;
  }
  const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
  if (first == "recover") return run_recover(arguments.subspan(2));
  if (argc != 3 || first != "--config") return usage();
  return run(argv[2]);
}
