#include "gateway/heal/notices.h"

#include <algorithm>

namespace hydra::heal {

WritesInFlight::Hold WritesInFlight::begin(const ExtentId& name) {
  const std::lock_guard lock(mutex_);
  ++names_[name];
  return {this, name};
}

void WritesInFlight::end(const ExtentId& name) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(name);
  if (--found->second == 0) names_.erase(found);
}

bool WritesInFlight::contains(const ExtentId& name) const {
  const std::lock_guard lock(mutex_);
  return names_.contains(name);
}

std::size_t WritesInFlight::size() const {
  const std::lock_guard lock(mutex_);
  return names_.size();
}

void BrokenShards::report(NodeId node, const ShardId& shard, Breakage breakage) {
  reported_.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  const std::pair key(node, shard);
  const auto found = waiting_.find(key);
  if (found != waiting_.end())
    found->second = std::max(found->second, breakage);
  else if (waiting_.size() < kMost)
    waiting_.emplace(key, breakage);
  else
    dropped_.fetch_add(1, std::memory_order_relaxed);
}

std::vector<BrokenShards::Report> BrokenShards::take() {
  std::map<std::pair<NodeId, ShardId>, Breakage> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(waiting_);
  }
  std::vector<Report> out;
  for (const auto& [key, breakage] : taken) out.push_back({{key.first, key.second}, breakage});
  return out;
}

}  // namespace hydra::heal
