// LoopTransport: the Pistache transport in which a PistacheLoop lives. The reactor clones it once
// per worker; each clone takes one of the loops. Events with our tags go to the loop, accepted
// peers are handed out as plain sockets, everything else goes to the base class. Only runtime.cc
// and loop_transport.cc include this.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/runtime/pistache/pistache_internals.h"
#include "base/runtime/pistache/pistache_loop.h"

namespace hydra::runtime {

// What the clones of one reactor share.
struct Workers {
  std::vector<std::unique_ptr<PistacheLoop>> loops;
  // Runs on the loop that is to own the connection.
  std::function<void(PistacheLoop&, UniqueFd, std::string peer)> on_accept;
  std::size_t cloned = 0;       // how many loops have their transport
  std::vector<int> leaked_fds;  // what Pistache does not close
};

class LoopTransport final : public Pistache::Tcp::Transport, public Poller {
 public:
  // The prototype has no loop.
  LoopTransport(std::shared_ptr<Workers> workers, PistacheLoop* loop);
  ~LoopTransport() override;

  std::shared_ptr<Pistache::Aio::Handler> clone() const override;
  void registerPoller(Pistache::Polling::Epoll& poller) override;
  void onReady(const Pistache::Aio::FdSet& fds) override;

  Status add(int fd, std::uint64_t tag, bool writes) override;
  Status change(int fd, std::uint64_t tag, bool writes) override;
  void remove(int fd) override;

 private:
  void take_peers();
  void hand_out(UniqueFd fd, std::string peer);

  std::shared_ptr<Workers> workers_;
  PistacheLoop* loop_;
};

// Sets CLOEXEC on Pistache's epoll descriptor.
void close_on_exec(Pistache::Polling::Epoll& epoll);

}  // namespace hydra::runtime
