#include "base/runtime/pistache/loop_transport.h"

#include <fcntl.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <utility>

namespace hydra::runtime {

using Pistache::Aio::FdSet;
using Pistache::Polling::Mode;
using Pistache::Polling::NotifyOn;
using Pistache::Polling::Tag;

namespace {

// The base class demands a handler; we take peers before it would call one.
class UnusedHandler final : public Pistache::Tcp::Handler {
  PROTOTYPE_OF(Pistache::Tcp::Handler, UnusedHandler)
  void onInput(const char*, size_t, const std::shared_ptr<Pistache::Tcp::Peer>&) override {}
};

Readiness readiness_of(const FdSet::Entry& entry) {
  const bool readable = entry.isReadable();
  const bool writable = entry.isWritable();
  // An error alone has no flag in Pistache's event.
  if (entry.isHangup() || !(readable || writable)) return {true, true, true};
  return {readable, writable, event_of(entry).flags.hasFlag(NotifyOn::Shutdown)};
}

NotifyOn interest_in(bool writes) {
  return writes ? NotifyOn::Read | NotifyOn::Shutdown | NotifyOn::Write
                : NotifyOn::Read | NotifyOn::Shutdown;
}

// The descriptors in an epoll set, as the kernel lists them.
std::vector<int> registered_fds(int epoll_fd) {
  std::vector<int> fds;
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(epoll_fd));
  for (std::string line; std::getline(info, line);) {
    int fd = -1;
    if (std::sscanf(line.c_str(), "tfd: %d", &fd) == 1) fds.push_back(fd);
  }
  return fds;
}

std::string text_of(const Pistache::Address& address) {
  const std::string host = address.host();
  const std::string port = address.port().toString();
  return host.find(':') == std::string::npos ? host + ":" + port : "[" + host + "]:" + port;
}

}  // namespace

void close_on_exec(Pistache::Polling::Epoll& epoll) {
  fcntl(epoll_fd_of(epoll), F_SETFD, FD_CLOEXEC);
}

LoopTransport::LoopTransport(std::shared_ptr<Workers> workers, PistacheLoop* loop)
    : Transport(std::make_shared<UnusedHandler>()), workers_(std::move(workers)), loop_(loop) {}

LoopTransport::~LoopTransport() {
  while (auto entry = peers_queue_of(*this).popSafe()) ::close(entry->peer->fd());
}

std::shared_ptr<Pistache::Aio::Handler> LoopTransport::clone() const {
  HYDRA_ASSERT(workers_->cloned < workers_->loops.size());
  return std::make_shared<LoopTransport>(workers_, workers_->loops[workers_->cloned++].get());
}

// Called once, before the worker's thread starts. Throws what Pistache throws.
void LoopTransport::registerPoller(Pistache::Polling::Epoll& poller) {
  close_on_exec(poller);
  // So far the set holds nothing but the worker's own shutdown eventfd.
  for (const int fd : registered_fds(epoll_fd_of(poller))) workers_->leaked_fds.push_back(fd);
  Transport::registerPoller(poller);
  workers_->leaked_fds.push_back(static_cast<int>(notifier_of(*this).tag().value()));
  poller.addFd(loop_->wake_fd(), Pistache::Flags<NotifyOn>(NotifyOn::Read),
               Tag(PistacheLoop::kWakeTag), Mode::Edge);
  poller.addFd(loop_->timer_fd(), Pistache::Flags<NotifyOn>(NotifyOn::Read),
               Tag(PistacheLoop::kTimerTag), Mode::Edge);
  loop_->set_poller(this);
}

void LoopTransport::onReady(const FdSet& fds) {
  loop_->begin_turn();
  std::vector<Pistache::Polling::Event> foreign;
  bool peers = false;
  for (const FdSet::Entry& entry : fds) {
    const Tag tag = entry.getTag();
    if ((tag.value() & PistacheLoop::kOwnTag) != 0) {
      loop_->dispatch(tag.value(), readiness_of(entry));
    } else if (tag == peers_queue_of(*this).tag()) {
      peers = true;
    } else {
      foreign.emplace_back(tag);
      if (entry.isReadable()) foreign.back().flags.setFlag(NotifyOn::Read);
      if (entry.isWritable()) foreign.back().flags.setFlag(NotifyOn::Write);
    }
  }
  if (peers && !loop_->quiesced()) take_peers();
  if (!foreign.empty()) {
    try {
      Transport::onReady(FdSet(std::move(foreign)));
    } catch (const std::exception&) {
      // Its queues are not used by us; nothing of ours depends on it.
    }
  }
  loop_->finish_turn();
}

void LoopTransport::take_peers() {
  auto& queue = peers_queue_of(*this);
  do {
    while (auto entry = queue.popSafe())
      hand_out(UniqueFd(entry->peer->fd()), text_of(entry->peer->address()));
  } while (!queue.empty());
}

// Pistache picks a worker by the descriptor's number, which may put all connections on one; even it
// out.
void LoopTransport::hand_out(UniqueFd fd, std::string peer) {
  PistacheLoop* target = loop_;
  for (const auto& loop : workers_->loops)
    if (loop->accepted_connections() < target->accepted_connections()) target = loop.get();
  ++target->accepted_connections();
  if (target == loop_) {
    workers_->on_accept(*loop_, std::move(fd), std::move(peer));
    return;
  }
  target->post([workers = workers_.get(), target, fd = std::make_shared<UniqueFd>(std::move(fd)),
                peer = std::move(peer)] { workers->on_accept(*target, std::move(*fd), peer); });
}

Status LoopTransport::add(int fd, std::uint64_t tag, bool writes) {
  try {
    reactor()->registerFd(key(), fd, interest_in(writes), Tag(tag), Mode::Edge);
    return {};
  } catch (const std::exception& error) {
    return fail(Code::kIo, std::string("cannot watch a descriptor: ") + error.what());
  }
}

Status LoopTransport::change(int fd, std::uint64_t tag, bool writes) {
  try {
    reactor()->modifyFd(key(), fd, interest_in(writes), Tag(tag), Mode::Edge);
    return {};
  } catch (const std::exception& error) {
    return fail(Code::kIo, std::string("cannot watch a descriptor: ") + error.what());
  }
}

void LoopTransport::remove(int fd) {
  try {
    reactor()->removeFd(key(), fd);
  } catch (const std::exception&) {
    // It is being closed, which removes it too.
  }
}

}  // namespace hydra::runtime
