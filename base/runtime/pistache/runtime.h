// Runtime: the worker threads of a process. Each worker is one thread, one Pistache reactor worker
// and one Loop. With `serve`, Pistache's listener accepts connections in a thread of its own and
// they are spread evenly over the workers; without, the loops run alone (an agent, a tool).
//
// Made, started and stopped on the main thread, which it never blocks in between. SIGPIPE is
// ignored from create() on; no signal is ever delivered to a thread of the runtime.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "base/runtime/io.h"
#include "base/runtime/loop.h"
#include "base/runtime/tls.h"

namespace hydra {

struct ServeOptions {
  Address address;  // HOST:PORT; port 0 takes a free one, "*:9000" listens everywhere
  std::optional<TlsConfig> tls;
};

class Runtime {
 public:
  struct Options {
    std::uint32_t workers = 1;
    std::optional<ServeOptions> serve;
    bool io_uring = true;  // HYDRA_IO_URING=off in the environment turns it off as well
  };
  using OnConnection = std::function<void(Loop&, std::unique_ptr<Stream>)>;

  // Binds the port, but accepts nothing before start(). kAlreadyExists: "127.0.0.1:9000 is already
  // in use"; kInvalidArgument: the address or the certificate makes no sense.
  static Result<std::unique_ptr<Runtime>> create(Options options);
  ~Runtime();  // stops

  // The loops live until the runtime is destroyed. From another thread only post() may be called,
  // before and after start(); what is posted before runs when the threads do.
  std::span<Loop* const> loops() const;
  // Starts the threads. `on_connection` runs on the worker that owns the connection.
  Status start(OnConnection on_connection = {});
  // Where it serves, with the real port; empty when it does not.
  Address local_address() const;
  // Freezes all loops, waits for what the disk and the pool are doing, joins all threads, then
  // destroys all tasks, on the calling thread, which must not be a worker. Idempotent.
  void stop();

 private:
  struct Impl;
  explicit Runtime(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hydra
