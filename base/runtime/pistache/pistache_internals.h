// Private members of Pistache 0.0.5 that we cannot do without, reached by explicit instantiation
// (whose arguments are exempt from access checks), and why each is needed:
//  - Transport::peersQueue: its pop() reads the eventfd after finding the queue empty, so a peer
//  pushed in between
//    waits for the next one; we drain the queue ourselves until it is truly empty.
//  - NotifyFd never closes its eventfd; Transport, Listener and the reactor's workers each own one.
//  - Polling::Epoll opens its descriptor without CLOEXEC.
//  - FdSet::Entry does not tell whether the peer has shut its side down.
// Include in .cc files of this folder only.
#pragma once

#include <pistache/listener.h>
#include <pistache/os.h>
#include <pistache/peer.h>
#include <pistache/reactor.h>
#include <pistache/transport.h>

namespace hydra::runtime {

auto& peers_queue_of(Pistache::Tcp::Transport& transport);
auto& notifier_of(Pistache::Tcp::Transport& transport);
auto& shutdown_fd_of(Pistache::Tcp::Listener& listener);
auto& poller_of(Pistache::Tcp::Listener& listener);
auto& epoll_fd_of(Pistache::Polling::Epoll& epoll);

// A cast in this form alone reaches a private base class.
inline const Pistache::Polling::Event& event_of(const Pistache::Aio::FdSet::Entry& entry) {
  return (const Pistache::Polling::Event&)entry;
}

template <auto Member>
struct ExposePeersQueue {
  friend auto& peers_queue_of(Pistache::Tcp::Transport& transport) { return transport.*Member; }
};
template struct ExposePeersQueue<&Pistache::Tcp::Transport::peersQueue>;

template <auto Member>
struct ExposeNotifier {
  friend auto& notifier_of(Pistache::Tcp::Transport& transport) { return transport.*Member; }
};
template struct ExposeNotifier<&Pistache::Tcp::Transport::notifier>;

template <auto Member>
struct ExposeShutdownFd {
  friend auto& shutdown_fd_of(Pistache::Tcp::Listener& listener) { return listener.*Member; }
};
template struct ExposeShutdownFd<&Pistache::Tcp::Listener::shutdownFd>;

template <auto Member>
struct ExposePoller {
  friend auto& poller_of(Pistache::Tcp::Listener& listener) { return listener.*Member; }
};
template struct ExposePoller<&Pistache::Tcp::Listener::poller>;

template <auto Member>
struct ExposeEpollFd {
  friend auto& epoll_fd_of(Pistache::Polling::Epoll& epoll) { return epoll.*Member; }
};
template struct ExposeEpollFd<&Pistache::Polling::Epoll::epoll_fd>;

}  // namespace hydra::runtime
