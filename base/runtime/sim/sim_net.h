// The simulated network. A connection is two directions; each carries messages in order, with a
// random latency and a bounded window of unread bytes. Hosts are processes by name; an address is
// only a key.
//
// Faults: refused connects, broken connections, delays, slow links, and partitions, in which
// messages wait until heal() or until NetworkFaults::break_after breaks the stream. A crashed
// process closes its connections as its kernel would; one that lost power goes silent.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/runtime/io.h"
#include "base/runtime/sim/faults.h"
#include "base/runtime/sim/scheduler.h"
#include "base/runtime/sync.h"

namespace hydra::sim {

class SimLoop;
struct Connection;

// All links between the hosts of one Simulation.
class Network {
 public:
  Network(Scheduler& scheduler, const NetworkFaults& faults, std::uint64_t seed);
  ~Network();

  // Both ways, or only what `from` sends (its acknowledgements to what it hears are lost, too).
  void partition(const std::string& a, const std::string& b);
  void partition_one_way(const std::string& from, const std::string& to);
  // Cuts the host off from every other, present and future.
  void isolate(const std::string& host);
  void heal(const std::string& a, const std::string& b);
  void heal_all();  // also what isolate() did, and slow links
  // Multiplies latency and divides bandwidth in both directions. 1 is normal.
  void set_slow(const std::string& a, const std::string& b, double factor);
  // Breaks what is connected between two hosts now, as a reset of the path would.
  void break_connections(const std::string& a, const std::string& b);

  std::size_t connections() const { return connections_.size(); }
  std::string report() const;

  // For Process.
  void host_started(const std::string& host);
  void host_stopped(const std::string& host, bool power_lost);

  // For the loops' ends: streams, acceptors and connects.
  struct Listener {
    SimLoop* loop;
    std::string host;
    AcceptHandler handler;
    bool open = true;
  };
  Result<std::string> add_listener(const std::string& address, std::shared_ptr<Listener> listener);
  void remove_listener(const std::string& address, const std::shared_ptr<Listener>& listener);
  std::shared_ptr<Connection> open(SimLoop& loop, const std::string& address);
  // side 0 is the one that connected.
  void send_data(const std::shared_ptr<Connection>& connection, int side, std::string bytes);
  void return_window(const std::shared_ptr<Connection>& connection, int side, std::size_t bytes);
  void close(const std::shared_ptr<Connection>& connection, int side);
  const NetworkFaults& faults() const { return faults_; }
  Prng& prng() { return prng_; }

 private:
  enum class Kind : std::uint8_t { kAccepted, kRefused, kData, kWindow, kEnd, kReset };
  friend struct Connection;
  struct Message {
    Kind kind;
    Nanos ready_at;
    std::string bytes;
    std::size_t window = 0;
  };

  bool stalled(const std::string& from, const std::string& to) const;
  double slowness(const std::string& a, const std::string& b) const;
  void send(const std::shared_ptr<Connection>& connection, int side, Message message);
  void arrange_delivery(const std::shared_ptr<Connection>& connection, int side);
  void deliver(const std::shared_ptr<Connection>& connection, int side);
  void receive(const std::shared_ptr<Connection>& connection, int side, Message message);
  void stall(const std::shared_ptr<Connection>& connection, int side);
  void resume_stalled();
  void knock(const std::shared_ptr<Connection>& connection);
  void accept(const std::shared_ptr<Connection>& connection,
              const std::shared_ptr<Listener>& listener);
  void break_side(const std::shared_ptr<Connection>& connection, int side);
  void break_later(const std::shared_ptr<Connection>& connection, Range delay);
  void forget_if_done(const Connection& connection);

  Scheduler& scheduler_;
  const NetworkFaults& faults_;
  Prng prng_;
  std::uint64_t next_id_ = 1;
  std::uint32_t next_port_ = 20'000;
  std::map<std::uint64_t, std::shared_ptr<Connection>> connections_;
  std::map<std::string, std::shared_ptr<Listener>> listeners_;
  std::map<std::string, std::string> address_hosts_;  // who listened there last
  std::set<std::string> running_;
  std::set<std::string> powered_;
  std::set<std::string> isolated_;
  std::set<std::pair<std::string, std::string>> cut_;  // (from, to)
  std::map<std::pair<std::string, std::string>, double> slow_;
};

// A Network as one loop sees it.
class LoopNet final : public Net {
 public:
  explicit LoopNet(SimLoop& loop) : loop_(loop) {}
  Task<Result<std::unique_ptr<Stream>>> connect(Address to, Deadline deadline) override;
  Result<std::unique_ptr<Acceptor>> listen(Address at, AcceptHandler handler) override;

 private:
  SimLoop& loop_;
};

}  // namespace hydra::sim
