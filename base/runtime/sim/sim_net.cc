#include "base/runtime/sim/sim_net.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/runtime/sim/sim_connection.h"
#include "base/runtime/sim/sim_loop.h"

namespace hydra::sim {

namespace {
constexpr Nanos kKnockAgain = kSecond;               // retransmission of an unanswered connect
constexpr Range kRetransmit{0, 200 * kMillisecond};  // of a stalled message, after the heal
constexpr Range kBreak{0, 5 * kMillisecond};         // until a side hears that its path broke
constexpr Range kAcceptDelay{0, 50 * kMicrosecond};
constexpr std::size_t kMessageBytes = 64;  // what a message without data takes

std::pair<std::string, std::string> unordered(const std::string& a, const std::string& b) {
  return a < b ? std::pair(a, b) : std::pair(b, a);
}
}  // namespace

Network::Network(Scheduler& scheduler, const NetworkFaults& faults, std::uint64_t seed)
    : scheduler_(scheduler), faults_(faults), prng_(seed) {}
Network::~Network() = default;

void Network::partition(const std::string& a, const std::string& b) {
  partition_one_way(a, b);
  partition_one_way(b, a);
}

void Network::partition_one_way(const std::string& from, const std::string& to) {
  cut_.emplace(from, to);
}

void Network::isolate(const std::string& host) { isolated_.insert(host); }

void Network::heal(const std::string& a, const std::string& b) {
  cut_.erase({a, b});
  cut_.erase({b, a});
  resume_stalled();
}

void Network::heal_all() {
  cut_.clear();
  isolated_.clear();
  slow_.clear();
  resume_stalled();
}

void Network::set_slow(const std::string& a, const std::string& b, double factor) {
  slow_[unordered(a, b)] = factor;
}

void Network::break_connections(const std::string& a, const std::string& b) {
  for (const auto& [id, connection] : connections_)
    if (unordered(connection->ends[0].host, connection->ends[1].host) == unordered(a, b))
      break_later(connection, kBreak);
}

bool Network::stalled(const std::string& from, const std::string& to) const {
  if (!powered_.contains(to)) return true;
  if (from == to) return false;
  return cut_.contains({from, to}) || isolated_.contains(from) || isolated_.contains(to);
}

double Network::slowness(const std::string& a, const std::string& b) const {
  const auto found = slow_.find(unordered(a, b));
  return found == slow_.end() ? 1 : found->second;
}

void Network::host_started(const std::string& host) {
  running_.insert(host);
  powered_.insert(host);
  resume_stalled();
}

void Network::host_stopped(const std::string& host, bool power_lost) {
  running_.erase(host);
  if (power_lost) powered_.erase(host);
  std::erase_if(listeners_, [&](const auto& entry) {
    if (entry.second->host == host) entry.second->open = false;
    return entry.second->host == host;
  });
  const auto connections = connections_;  // closing forgets some
  for (const auto& [id, connection] : connections) {
    for (int side : {0, 1}) {
      Connection::End& end = connection->ends[side];
      if (end.host != host || !end.exists()) continue;
      if (!power_lost) {
        close(connection, side);
        continue;
      }
      end.closed = true;
      end.drop_inbox();
      connection->ways[side].wire.clear();
      // The peer hears nothing; its keep-alive may find out in time.
      if (faults_.break_after != kNever)
        scheduler_.after(faults_.break_after, EventKind::kNetwork, Scheduler::kWorld,
                         [this, connection, side] { break_side(connection, 1 - side); });
      forget_if_done(*connection);
    }
  }
}

Result<std::string> Network::add_listener(const std::string& address,
                                          std::shared_ptr<Listener> listener) {
  std::string key = address;
  if (key.ends_with(":0") && !key.starts_with("unix:"))
    key = fmt::format("{}{}", key.substr(0, key.size() - 1), next_port_++);
  if (!running_.contains(listener->host)) return fail(Code::kClosed, "the process is gone");
  if (listeners_.contains(key)) return fail(Code::kAlreadyExists, key + " is in use");
  address_hosts_[key] = listener->host;
  listeners_.emplace(key, std::move(listener));
  return key;
}

void Network::remove_listener(const std::string& address,
                              const std::shared_ptr<Listener>& listener) {
  listener->open = false;
  const auto found = listeners_.find(address);
  if (found != listeners_.end() && found->second == listener) listeners_.erase(found);
}

std::shared_ptr<Connection> Network::open(SimLoop& loop, const std::string& address) {
  auto connection = std::make_shared<Connection>();
  connection->id = next_id_++;
  connection->address = address;
  connection->ends[0].host = loop.process_name();
  connection->ends[0].attach(loop);
  if (loop.dead()) {
    connection->ends[0].closed = true;
    return connection;
  }
  connections_.emplace(connection->id, connection);
  scheduler_.after(prng_.in(faults_.latency), EventKind::kNetwork, Scheduler::kWorld,
                   [this, connection] { knock(connection); });
  return connection;
}

// The connect reaches the host that listens, or listened last, on the address.
void Network::knock(const std::shared_ptr<Connection>& connection) {
  if (connection->ends[0].closed) return forget_if_done(*connection);  // gave up
  const auto host = address_hosts_.find(connection->address);
  if (host != address_hosts_.end()) connection->ends[1].host = host->second;
  if (host != address_hosts_.end() && stalled(connection->ends[0].host, host->second)) {
    scheduler_.after(kKnockAgain, EventKind::kNetwork, Scheduler::kWorld,
                     [this, connection] { knock(connection); });
    return;
  }
  const auto listener = listeners_.find(connection->address);
  if (listener != listeners_.end() && !prng_.chance(faults_.refuse))
    return accept(connection, listener->second);
  if (host == address_hosts_.end()) connection->ends[1].host = connection->ends[0].host;
  send(connection, 1, Message{Kind::kRefused});
}

void Network::accept(const std::shared_ptr<Connection>& connection,
                     const std::shared_ptr<Listener>& listener) {
  Connection::End& end = connection->ends[1];
  end.attach(*listener->loop);
  end.window = connection->ends[0].window = faults_.window_bytes;
  send(connection, 1, Message{Kind::kAccepted});
  scheduler_.after(prng_.in(kAcceptDelay), EventKind::kNetwork, listener->loop->id(),
                   [this, connection, listener] {
                     auto stream = std::make_unique<SimStream>(*this, connection, 1);
                     if (listener->open) listener->handler(std::move(stream));
                   });
}

void Network::send_data(const std::shared_ptr<Connection>& connection, int side,
                        std::string bytes) {
  send(connection, side, Message{Kind::kData, 0, std::move(bytes)});
  if (prng_.chance(faults_.disconnect)) break_later(connection, kBreak);
}

// In lots of a quarter of the window, or when all is read, so that few messages do.
void Network::return_window(const std::shared_ptr<Connection>& connection, int side,
                            std::size_t bytes) {
  Connection::End& end = connection->ends[side];
  end.read_unacked += bytes;
  if (!end.inbox.empty() && end.read_unacked < faults_.window_bytes / 4) return;
  Message message{Kind::kWindow};
  message.window = std::exchange(end.read_unacked, 0);
  send(connection, side, std::move(message));
}

void Network::close(const std::shared_ptr<Connection>& connection, int side) {
  Connection::End& end = connection->ends[side];
  if (std::exchange(end.closed, true)) return;
  const bool unread = end.inbox_bytes > 0;
  end.drop_inbox();
  end.wake();
  if (!end.broken && connection->ends[1 - side].exists())
    send(connection, side, Message{unread ? Kind::kReset : Kind::kEnd});
  forget_if_done(*connection);
}

void Network::forget_if_done(const Connection& connection) {
  if (!connection.ends[0].exists() && !connection.ends[1].exists())
    connections_.erase(connection.id);
}

void Network::send(const std::shared_ptr<Connection>& connection, int side, Message message) {
  Connection::Way& way = connection->ways[side];
  const double slow = slowness(connection->ends[0].host, connection->ends[1].host);
  const double bytes = static_cast<double>(message.bytes.size() + kMessageBytes);
  const double cost = bytes * 1e9 / static_cast<double>(faults_.bytes_per_second);
  way.busy_until = std::max(way.busy_until, scheduler_.now()) + static_cast<Nanos>(cost * slow);
  Nanos latency = static_cast<Nanos>(static_cast<double>(prng_.in(faults_.latency)) * slow);
  if (prng_.chance(faults_.delay)) latency += prng_.in(faults_.delay_time);
  way.last_ready_at = std::max(way.last_ready_at, way.busy_until + latency);
  message.ready_at = way.last_ready_at;
  way.wire.push_back(std::move(message));
  arrange_delivery(connection, side);
}

void Network::arrange_delivery(const std::shared_ptr<Connection>& connection, int side) {
  Connection::Way& way = connection->ways[side];
  if (way.wire.empty() || way.stalled || std::exchange(way.delivery_arranged, true)) return;
  scheduler_.at(way.wire.front().ready_at, EventKind::kNetwork, Scheduler::kWorld,
                [this, connection, side] { deliver(connection, side); });
}

void Network::deliver(const std::shared_ptr<Connection>& connection, int side) {
  Connection::Way& way = connection->ways[side];
  way.delivery_arranged = false;
  if (way.wire.empty()) return;
  if (stalled(connection->ends[side].host, connection->ends[1 - side].host))
    return stall(connection, side);
  Message message = std::move(way.wire.front());
  way.wire.pop_front();
  receive(connection, 1 - side, std::move(message));
  arrange_delivery(connection, side);
}

void Network::stall(const std::shared_ptr<Connection>& connection, int side) {
  Connection::Way& way = connection->ways[side];
  way.stalled = true;
  const std::uint64_t stall = ++way.stalls;
  if (faults_.break_after == kNever) return;
  scheduler_.after(faults_.break_after, EventKind::kNetwork, Scheduler::kWorld,
                   [this, connection, side, stall] {
                     const Connection::Way& then = connection->ways[side];
                     if (then.stalled && then.stalls == stall) break_later(connection, kBreak);
                   });
}

void Network::resume_stalled() {
  for (const auto& [id, connection] : connections_) {
    for (int side : {0, 1}) {
      Connection::Way& way = connection->ways[side];
      if (!way.stalled) continue;
      if (stalled(connection->ends[side].host, connection->ends[1 - side].host)) continue;
      way.stalled = false;
      const Nanos again = scheduler_.now() + prng_.in(kRetransmit);
      for (Message& message : way.wire) message.ready_at = std::max(message.ready_at, again);
      way.last_ready_at = std::max(way.last_ready_at, again);
      arrange_delivery(connection, side);
    }
  }
}

void Network::receive(const std::shared_ptr<Connection>& connection, int side, Message message) {
  Connection::End& end = connection->ends[side];
  scheduler_.note(combine(connection->id, hash_bytes(as_bytes(message.bytes))));
  if (end.closed) {
    // The host answers for a socket that is gone.
    if (message.kind == Kind::kData) send(connection, side, Message{Kind::kReset});
    return;
  }
  if (end.broken) return;
  switch (message.kind) {
    case Kind::kAccepted:
      connection->outcome = Connection::Outcome::kOpen;
      break;
    case Kind::kRefused:
      connection->outcome = Connection::Outcome::kRefused;
      break;
    case Kind::kData:
      end.inbox_bytes += message.bytes.size();
      end.inbox.push_back(std::move(message.bytes));
      break;
    case Kind::kWindow:
      end.window += message.window;
      break;
    case Kind::kEnd:
      end.ended = true;
      break;
    case Kind::kReset:
      return break_side(connection, side);
  }
  end.wake();
}

void Network::break_side(const std::shared_ptr<Connection>& connection, int side) {
  Connection::End& end = connection->ends[side];
  if (!end.exists()) return;
  end.broken = true;
  end.drop_inbox();
  end.wake();
}

void Network::break_later(const std::shared_ptr<Connection>& connection, Range delay) {
  for (int side : {0, 1})
    scheduler_.after(prng_.in(delay), EventKind::kNetwork, Scheduler::kWorld,
                     [this, connection, side] { break_side(connection, side); });
}

std::string Network::report() const {
  std::string text;
  for (const auto& [id, connection] : connections_) {
    text += fmt::format("\n  connection {} from {} to {} ({})", id, connection->ends[0].host,
                        connection->address, connection->ends[1].host);
    for (int side : {0, 1}) {
      const Connection::Way& way = connection->ways[side];
      if (way.wire.empty() && connection->ends[side].inbox_bytes == 0) continue;
      text += fmt::format("; side {}: {} messages on the wire{}, {} bytes unread", side,
                          way.wire.size(), way.stalled ? " (stalled)" : "",
                          connection->ends[side].inbox_bytes);
    }
  }
  return text;
}

}  // namespace hydra::sim
