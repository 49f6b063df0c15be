#include "placement/failure_detector.h"

#include <algorithm>

#include "base/assert.h"

namespace hydra::placement {

std::string_view to_string(NodeState state) {
  switch (state) {
    case NodeState::kHealthy:
      return "healthy";
    case NodeState::kSuspect:
      return "suspect";
    case NodeState::kDown:
      return "down";
  }
  return "unknown";
}

FailureDetector::FailureDetector(Limits limits) : limits_(limits) {
  HYDRA_ASSERT(limits.suspect_after > 0 && limits.down_after >= limits.suspect_after);
}

void FailureDetector::expect(NodeId node, Nanos now) { records_.try_emplace(node, Record{now}); }

void FailureDetector::heartbeat(NodeId node, Nanos now) {
  Record& record = records_.try_emplace(node, Record{now}).first->second;
  record.since = record.heard ? std::max(record.since, now) : now;
  record.heard = true;
  record.linked = true;
}

void FailureDetector::link_lost(NodeId node) {
  const auto found = records_.find(node);
  if (found != records_.end()) found->second.linked = false;
}

void FailureDetector::forget(NodeId node) { records_.erase(node); }

NodeState FailureDetector::state_of(const Record& record, Nanos now) const {
  const Nanos silent = now - record.since;
  if (silent >= limits_.down_after) return NodeState::kDown;
  if (silent >= limits_.suspect_after || !record.linked) return NodeState::kSuspect;
  return NodeState::kHealthy;
}

NodeState FailureDetector::state(NodeId node, Nanos now) const {
  const auto found = records_.find(node);
  return found == records_.end() ? NodeState::kDown : state_of(found->second, now);
}

std::vector<FailureDetector::Entry> FailureDetector::states(Nanos now) const {
  std::vector<Entry> entries;
  for (const auto& [node, record] : records_) entries.push_back({node, state_of(record, now)});
  return entries;
}

std::vector<FailureDetector::Change> FailureDetector::changes(Nanos now) {
  std::vector<Change> changes;
  for (auto& [node, record] : records_) {
    const NodeState state = state_of(record, now);
    if (state == record.reported) continue;
    changes.push_back({node, record.reported, state});
    record.reported = state;
  }
  return changes;
}

std::optional<Nanos> FailureDetector::last_heard(NodeId node) const {
  const auto found = records_.find(node);
  if (found == records_.end() || !found->second.heard) return std::nullopt;
  return found->second.since;
}

}  // namespace hydra::placement
