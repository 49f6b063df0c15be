#include "base/runtime/pistache/runtime.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <latch>
#include <thread>
#include <utility>
#include <vector>

#include "base/runtime/pistache/address.h"
#include "base/runtime/pistache/loop_transport.h"
#include "base/runtime/pistache/net.h"
#include "base/runtime/pistache/socket.h"
#include "base/runtime/pistache/system_error.h"
#include "base/runtime/pistache/threads.h"

namespace hydra {

using namespace runtime;

namespace {

// Buffers of up to a few MiB come and go with every request. By default the allocator maps each
// anew, or gives the memory back in between, and then the kernel zeroes it page by page again.
void keep_buffers_mapped() {
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

constexpr int kBacklog = 4096;
constexpr const char* kWorkerName = "hydra-worker";

// Pistache reports failed accepts here, on its accept thread, and tries again at once: when the
// machine is out of something, wait a little, or it would spin.
class AcceptLog final : public Pistache::Log::StringLogger {
 public:
  void log(Pistache::Log::Level, const std::string& message) override {
    for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
      if (message.find(::strerror(error)) == std::string::npos) continue;
      const timespec pause{0, 20 * kMillisecond};
      nanosleep(&pause, nullptr);
      return;
    }
  }
  bool isEnabledFor(Pistache::Log::Level level) const override {
    return level == Pistache::Log::Level::WARN;
  }
};

bool io_uring_wanted(const Runtime::Options& options) {
  const char* const setting = std::getenv("HYDRA_IO_URING");
  return options.io_uring && !(setting != nullptr && std::string_view(setting) == "off");
}

}  // namespace

struct Runtime::Impl {
  explicit Impl(Options wanted)
      : options(std::move(wanted)),
        pool(std::max(2u, std::thread::hardware_concurrency())),
        workers(std::make_shared<Workers>()) {}

  Status make_loops();
  Status bind();
  void make_reactor();

  Options options;
  ThreadPool pool;
  std::shared_ptr<Workers> workers;
  std::vector<Loop*> loops;
  OnConnection on_connection;
  std::shared_ptr<const TlsContext> tls;
  // One of the two.
  std::unique_ptr<Pistache::Tcp::Listener> listener;
  std::unique_ptr<Pistache::Aio::Reactor> reactor;
  Address local;
  bool started = false;
  bool stopped = false;
};

Status Runtime::Impl::make_loops() {
  for (std::uint32_t index = 0; index < options.workers; ++index) {
    HYDRA_TRY(auto loop, PistacheLoop::create(index, pool, io_uring_wanted(options)));
    loops.push_back(loop.get());
    workers->loops.push_back(std::move(loop));
  }
  workers->on_accept = [this](PistacheLoop& loop, UniqueFd fd, std::string peer) {
    tune_socket(fd.get(), false);
    auto socket = std::make_shared<Socket>(std::move(fd), std::move(peer));
    if (const Status attached = socket->attach(loop); !attached) {
      --loop.accepted_connections();
      return;
    }
    socket->count_as_accepted();
    std::unique_ptr<Stream> stream = std::make_unique<SocketStream>(std::move(socket));
    on_connection(loop, tls ? tls->wrap(loop, std::move(stream)) : std::move(stream));
  };
  return {};
}

Status Runtime::Impl::bind() {
  const Address& address = options.serve->address;
  HYDRA_TRY(HostPort host_port, parse_host_port(address));
  HYDRA_TRY(const auto resolved, resolve(host_port, true, false));
  using Option = Pistache::Tcp::Options;
  try {
    listener = std::make_unique<Pistache::Tcp::Listener>();
    listener->init(
        options.workers,
        Pistache::Flags<Option>(Option::ReuseAddr | Option::CloseOnExec | Option::NoDelay),
        kWorkerName, kBacklog, std::make_shared<AcceptLog>());
    listener->setTransportFactory(
        [this] { return std::make_shared<LoopTransport>(workers, nullptr); });
    listener->bind(Pistache::Address(text_of(resolved.front())));
    close_on_exec(poller_of(*listener));
  } catch (const std::exception& error) {
    listener.reset();
    const std::string_view text = error.what();
    if (text.find(::strerror(EADDRINUSE)) != std::string_view::npos)
      return fail(Code::kAlreadyExists, address.text + " is already in use");
    return fail(Code::kIo, "cannot listen on " + address.text + ": " + std::string(text));
  }
  SocketAddress bound = resolved.front();
  bound.set_port(static_cast<std::uint16_t>(listener->getPort()));
  local.text = text_of(bound);
  return {};
}

void Runtime::Impl::make_reactor() {
  reactor = std::make_unique<Pistache::Aio::Reactor>();
  reactor->init(Pistache::Aio::AsyncContext(options.workers, kWorkerName));
  reactor->addHandler(std::make_shared<LoopTransport>(workers, nullptr));
}

Runtime::Runtime(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Runtime::~Runtime() { stop(); }

Result<std::unique_ptr<Runtime>> Runtime::create(Options options) {
  if (options.workers == 0 || options.workers > 255)
    return fail(Code::kInvalidArgument, "the number of workers must be 1 to 255");
  ::signal(SIGPIPE, SIG_IGN);
  keep_buffers_mapped();
  std::unique_ptr<Runtime> runtime(new Runtime(std::make_unique<Impl>(std::move(options))));
  Impl& impl = *runtime->impl_;
  if (impl.options.serve && impl.options.serve->tls) {
    HYDRA_TRY(impl.tls, TlsContext::create({.role = TlsContext::Role::kServer,
                                            .identity = impl.options.serve->tls}));
  }
  HYDRA_CHECK_OK(impl.make_loops());
  if (impl.options.serve) {
    HYDRA_CHECK_OK(impl.bind());
    return runtime;
  }
  try {
    impl.make_reactor();
  } catch (const std::exception& error) {
    return fail(Code::kIo, std::string("cannot make the reactor: ") + error.what());
  }
  return runtime;
}

std::span<Loop* const> Runtime::loops() const { return impl_->loops; }
Address Runtime::local_address() const { return impl_->local; }

Status Runtime::start(OnConnection on_connection) {
  HYDRA_ASSERT(!impl_->started && !impl_->stopped);
  HYDRA_ASSERT(on_connection != nullptr || impl_->listener == nullptr);
  impl_->on_connection = std::move(on_connection);
  const SignalsBlocked blocked;
  try {
    if (impl_->listener) {
      impl_->listener->runThreaded();
      impl_->workers->leaked_fds.push_back(
          static_cast<int>(shutdown_fd_of(*impl_->listener).tag().value()));
    } else {
      impl_->reactor->run();
    }
  } catch (const std::exception& error) {
    return fail(Code::kIo, std::string("cannot start the workers: ") + error.what());
  }
  impl_->started = true;
  return {};
}

void Runtime::stop() {
  if (std::exchange(impl_->stopped, true)) return;
  Impl& impl = *impl_;
  if (impl.started) {
    std::latch frozen(static_cast<std::ptrdiff_t>(impl.workers->loops.size()));
    for (const auto& loop : impl.workers->loops) {
      loop->post([&loop = *loop, &frozen] {
        loop.quiesce();
        frozen.count_down();
      });
    }
    frozen.wait();
  }
  // Destroying them joins the accept thread and the workers.
  if (impl.listener) impl.listener->shutdown();
  if (impl.reactor) impl.reactor->shutdown();
  impl.listener.reset();
  impl.reactor.reset();
  for (const int fd : std::exchange(impl.workers->leaked_fds, {})) ::close(fd);
  impl.pool.stop();
  for (const auto& loop : impl.workers->loops) loop->tear_down();
  impl.on_connection = nullptr;
}

}  // namespace hydra
