// Dialer: keeps one link to each worker of one gateway, for ever: connects, shakes hands, serves,
// and tries again after a growing pause. Belongs to the agent's loop and is kept alive by its
// tasks.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "nodeagent/protocol/handshake.h"
#include "nodeagent/session.h"

namespace hydra::agent {

constexpr Nanos kFirstRetry = 100 * kMillisecond;
constexpr Nanos kLongestRetry = 3 * kSecond;
constexpr Nanos kConnectDeadline = 5 * kSecond;
constexpr Nanos kHandshakeDeadline = 10 * kSecond;

// Who dials: the same for all gateways.
struct Caller {
  NodeDescription description;
  NodeSecret secret;
  std::shared_ptr<const TlsContext> tls;  // by the node's key
  std::function<void(std::string_view)> log;
};

class Dialer : public std::enable_shared_from_this<Dialer> {
 public:
  Dialer(std::shared_ptr<Device> device, std::shared_ptr<const Caller> caller, Address gateway);

  void start();
  // Cuts the links and dials no more; tasks end soon after.
  void stop();
  std::size_t links() const { return links_; }

 private:
  static Task<void> keep_link(std::shared_ptr<Dialer> self, std::uint32_t worker);
  // One link from dialling to its end. True when it was up for a while.
  Task<bool> link_once(std::uint32_t worker);
  Task<Status> serve_session(std::shared_ptr<Session> session, std::uint32_t worker);
  Task<Result<Welcome>> shake_hands(Link& link, std::uint32_t worker);
  void set_workers(std::uint32_t workers);
  void note(std::string sentence);

  std::shared_ptr<Device> device_;
  std::shared_ptr<const Caller> caller_;
  Address gateway_;
  Event stopping_;
  std::string last_note_;      // so that a gateway that stays away is told of once
  std::uint32_t workers_ = 0;  // as the gateway said last
  std::vector<bool> kept_;     // by worker: a task keeps its link
  std::vector<std::shared_ptr<Session>> sessions_;  // by worker; null while there is no stream
  std::size_t links_ = 0;                           // sessions past their handshake
};

}  // namespace hydra::agent
