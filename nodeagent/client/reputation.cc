#include "nodeagent/client/reputation.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace hydra::agent {

namespace {

constexpr double kHalfLife = 600.0 * kSecond;
constexpr double kLossesToHalve = 4;
constexpr double kFlappingAt = 3;
constexpr double kSteadyAt = 1.5;
constexpr double kCalls = 64;
constexpr double kReads = 8;
constexpr double kNoFault = 5.0 * kMillisecond;
constexpr double kEjectBelow = 0.5;   // speed
constexpr double kEjectAbove = 0.25;  // errors
constexpr double kMostMedians = 8;    // of one read
constexpr std::size_t kPeers = 3;     // with fewer nodes of known latency, none of them is slow
constexpr std::uint32_t kFewReads = 8;
constexpr std::uint32_t kMedianEvery = 16;  // reads
constexpr Nanos kSentence = 10 * kSecond;
constexpr Nanos kLongestSentence = 300 * kSecond;
constexpr Nanos kForgiven = 600 * kSecond;  // since it came back: the next sentence is short again
constexpr Nanos kProbeInterval = 500 * kMillisecond;
constexpr std::uint32_t kGoodProbes = 3;

bool blames_node(Code code) {
  return code == Code::kTimeout || code == Code::kCorrupt || code == Code::kIo ||
         code == Code::kFenced || code == Code::kInternal;
}

}  // namespace

void Reputation::advance(Node& node, Nanos now) const {
  if (now <= node.since) return;
  const double faded = std::exp2(-static_cast<double>(now - node.since) / kHalfLife);
  node.presence = node.presence * faded + (node.linked ? 1 - faded : 0);
  node.losses *= faded;
  if (node.losses < kSteadyAt) node.flapping = false;
  node.since = now;
}

Reputation::Node Reputation::at(const Node& node, Nanos now) const {
  Node copy = node;
  advance(copy, now);
  return copy;
}

void Reputation::link_up(NodeId id, Nanos now) {
  const auto [found, is_new] = nodes_.try_emplace(id);
  Node& node = found->second;
  if (is_new) node.since = now;
  advance(node, now);
  node.linked = true;
}

void Reputation::link_lost(NodeId id, Nanos now) {
  const auto found = nodes_.find(id);
  if (found == nodes_.end() || !found->second.linked) return;
  Node& node = found->second;
  advance(node, now);
  node.linked = false;
  node.losses += 1;
  if (node.losses >= kFlappingAt) node.flapping = true;
}

void Reputation::ended(NodeId id, Nanos now, const Status& outcome) {
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return;
  Node& node = found->second;
  const bool failed = !outcome && blames_node(outcome.error().code);
  node.errors += ((failed ? 1 : 0) - node.errors) / kCalls;
  if (!failed) return;
  if (node.ejected_until == 0 ? node.errors > kEjectAbove : now >= node.ejected_until)
    eject(node, now);
}

double Reputation::speed_of(double latency) const {
  if (median_ <= 0 || latency <= 0) return 1;
  return std::min(1.0, 2 * std::max(median_, kNoFault) / latency);
}

double Reputation::speed(const Node& node) const {
  return node.samples < kFewReads ? 1 : speed_of(node.latency);
}

double Reputation::median() const {
  std::vector<double> known;
  for (const auto& [id, node] : nodes_)
    if (node.samples >= kFewReads && node.linked) known.push_back(node.latency);
  if (known.size() < kPeers) return 0;
  // The lower one of two in the middle: the quick half says what is usual.
  const auto middle = known.begin() + static_cast<std::ptrdiff_t>((known.size() - 1) / 2);
  std::nth_element(known.begin(), middle, known.end());
  return *middle;
}

void Reputation::small_read(NodeId id, Nanos now, Nanos latency) {
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return;
  Node& node = found->second;
  if (node.ejected_until != 0) {
    probe_ended(node, now, latency);
    return;
  }
  ++node.samples;
  const double weight = std::min(static_cast<double>(node.samples), kReads);
  auto counted = static_cast<double>(latency);
  if (median_ > 0) counted = std::min(counted, kMostMedians * std::max(median_, kNoFault));
  node.latency += (counted - node.latency) / weight;
  if (++since_median_ >= kMedianEvery) {
    since_median_ = 0;
    median_ = median();
  }
  if (speed(node) < kEjectBelow) eject(node, now);
}

void Reputation::eject(Node& node, Nanos now) {
  const bool forgiven =
      node.sentence == 0 || (node.ejected_until == 0 && now - node.returned >= kForgiven);
  node.sentence = forgiven ? kSentence : std::min(2 * node.sentence, kLongestSentence);
  node.ejected_until = node.next_probe = now + node.sentence;
  node.good_probes = 0;
}

// Reads that are under way when a node is ejected say nothing new.
void Reputation::probe_ended(Node& node, Nanos now, Nanos latency) {
  if (now < node.ejected_until) return;
  if (speed_of(static_cast<double>(latency)) < kEjectBelow) {
    eject(node, now);
    return;
  }
  if (++node.good_probes < kGoodProbes) return;
  node.ejected_until = 0;
  node.returned = now;
  node.latency = 0;
  node.samples = 0;
  node.errors = std::min(node.errors, kEjectAbove / 2);  // a fresh start, not a clean slate
}

bool Reputation::ask_first(NodeId id, Nanos now) {
  const auto found = nodes_.find(id);
  if (found == nodes_.end() || found->second.ejected_until == 0) return true;
  Node& node = found->second;
  if (now < node.next_probe) return false;
  node.next_probe = now + kProbeInterval;
  return true;
}

bool Reputation::takes_new(NodeId id, Nanos now) {
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return true;
  if (found->second.flapping) advance(found->second, now);
  return !found->second.flapping;
}

NodeScore Reputation::score(NodeId id, Nanos now) const {
  NodeScore score;
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return score;
  const Node node = at(found->second, now);
  score.presence = node.presence;
  score.steadiness = std::exp2(-node.losses / kLossesToHalve);
  score.errors = node.errors;
  score.speed = speed(node);
  score.ejected = node.ejected_until != 0;
  score.flapping = node.flapping;
  score.score = score.presence * score.steadiness * (1 - score.errors) * score.speed;
  return score;
}

}  // namespace hydra::agent
