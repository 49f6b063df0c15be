// The state of one simulated connection, shared by the network and both streams. Internal to the
// simulation.
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "base/runtime/file_sending.h"
#include "base/runtime/sim/sim_net.h"
#include "base/runtime/sync.h"

namespace hydra::sim {

struct Connection {
  struct End {
    std::string host;
    SimLoop* loop = nullptr;  // null: the far side has not accepted yet
    std::optional<Event> readable;
    std::optional<Event> writable;
    std::deque<std::string> inbox;
    std::size_t inbox_bytes = 0;
    std::size_t head_offset = 0;   // already read of inbox.front()
    std::size_t read_unacked = 0;  // read, but the peer's window is not yet returned
    std::size_t window = 0;        // bytes that may be sent
    bool closed = false;           // by its owner, or its process is gone
    bool ended = false;            // the peer ended its side
    bool broken = false;
    bool reading = false;  // a read or a write of its stream is pending
    bool writing = false;

    bool exists() const { return loop != nullptr && !closed; }
    void attach(SimLoop& to);
    void wake();
    void drop_inbox();
    std::size_t take(MutableBytes into, std::size_t most);
  };
  // What one side has sent and the other has not received yet.
  struct Way {
    std::deque<Network::Message> wire;
    Nanos busy_until = 0;
    Nanos last_ready_at = 0;
    bool delivery_arranged = false;
    bool stalled = false;
    std::uint64_t stalls = 0;
  };
  enum class Outcome : std::uint8_t { kWaiting, kOpen, kRefused };

  std::uint64_t id;
  std::string address;
  Outcome outcome = Outcome::kWaiting;
  End ends[2];
  Way ways[2];
};

// One side's hold on a connection.
class SimStream final : public Stream, public FileSender {
 public:
  SimStream(Network& network, std::shared_ptr<Connection> connection, int side)
      : network_(network), connection_(std::move(connection)), side_(side) {}
  ~SimStream() override;

  Task<Result<std::size_t>> read(MutableBytes into, Deadline deadline) override;
  Task<Status> write(std::span<const ByteView> pieces, Deadline deadline) override;
  Task<Status> send(const FileRun& run, Deadline deadline) override;
  void close() override { network_.close(connection_, side_); }
  void move_to(Loop& target, std::unique_ptr<Stream> self,
               std::function<void(std::unique_ptr<Stream>)> then) override;
  std::string peer() const override;

 private:
  Connection::End& end() { return connection_->ends[side_]; }
  Task<Status> write_piece(ByteView piece, Deadline deadline);
  bool busy() { return end().reading || end().writing; }

  Network& network_;
  std::shared_ptr<Connection> connection_;
  int side_;
};

}  // namespace hydra::sim
