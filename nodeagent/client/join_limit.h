// JoinLimit: slows down a host that tries claim tokens. After kMaxFailedJoins failures within a
// minute nothing more from it is looked at until that minute has passed. Belongs to one loop.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/runtime/loop.h"

namespace hydra::agent {

constexpr int kMaxFailedJoins = 10;
constexpr Nanos kFailedJoinsWindow = 60 * kSecond;
constexpr std::size_t kMaxCountedHosts = 1024;  // with more, the oldest count is forgotten

class JoinLimit {
 public:
  // `peer` as Stream::peer() gives it; its port does not count.
  bool allows(std::string_view peer, Nanos now) const {
    const auto found = hosts_.find(host_of(peer));
    return found == hosts_.end() || now - found->second.since >= kFailedJoinsWindow ||
           found->second.failures < kMaxFailedJoins;
  }
  void count_failure(std::string_view peer, Nanos now) {
    Count& count = hosts_[std::string(host_of(peer))];
    if (count.failures == 0 || now - count.since >= kFailedJoinsWindow) count = {now, 0};
    ++count.failures;
    if (hosts_.size() > kMaxCountedHosts) forget_oldest();
  }

 private:
  struct Count {
    Nanos since = 0;
    int failures = 0;
  };

  static std::string_view host_of(std::string_view peer) { return peer.substr(0, peer.rfind(':')); }
  void forget_oldest() {
    auto oldest = hosts_.begin();
    for (auto it = hosts_.begin(); it != hosts_.end(); ++it)
      if (it->second.since < oldest->second.since) oldest = it;
    hosts_.erase(oldest);
  }

  std::map<std::string, Count, std::less<>> hosts_;
};

}  // namespace hydra::agent
