// hydra-gateway: the S3 endpoint of a grid. Reads its configuration, starts the workers, and stops in order on
// SIGTERM or SIGINT.
#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <future>

#include "gateway/options.h"

namespace {

using namespace hydra;

constexpr const char* kUsage =
    "usage: hydra-gateway --config FILE\n"
    "       hydra-gateway --version | --help\n\n"
    "The S3 endpoint of a HydraGrid. conf/gateway.yaml explains every key of FILE; each can be\n"
    "overridden by an environment variable, as s3.listen by HYDRA_S3_LISTEN.\n";

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
    log::warning("made the key file {}: keep a copy of it away from this machine; without it "
                 "nothing that is stored can be read again", options->key_file);

  const sigset_t signals = block_signals();
  Runtime::Options runtime_options;
  runtime_options.workers = options->workers;
  runtime_options.serve = options->serve;
  auto runtime = Runtime::create(std::move(runtime_options));
  if (!runtime) return complain(runtime.error());
  const std::vector<Loop*> loops((*runtime)->loops().begin(), (*runtime)->loops().end());
  std::promise<Result<std::unique_ptr<Gateway>>> started;
  loops.front()->post([&] {
    loops.front()->spawn(start_gateway(loops, std::move(options->gateway), &started));
  });
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
  loops.front()->post([&] {
    loops.front()->spawn(stop_gateway(gateway->get(), loops.front(), &stopped));
  });
  stopped.get_future().wait();
  serving.store(nullptr, std::memory_order_release);
  (*runtime)->stop();
  gateway->reset();
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
    fmt::print("hydra-gateway {}\n", HYDRA_VERSION);
    return 0;
  }
  if (argc != 3 || first != "--config") {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  return run(argv[2]);
}
