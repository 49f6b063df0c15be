// NodeLink: the gateway's end of one link: requests in flight, credit for writes, heartbeats and
// latencies.
//
// Made by GridClient::adopt, on the worker's loop, and kept alive by its own tasks until the link
// ends. When it ends, every pending call fails with kUnavailable. At most one NodeLink of a node is
// its record's current one.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/runtime/sync.h"
#include "nodeagent/client/grid.h"
#include "nodeagent/client/latency.h"
#include "nodeagent/protocol/link.h"
#include "nodeagent/protocol/messages.h"

namespace hydra::agent {

class NodeLink;

// What a GridClient remembers of a node, with a link or without.
struct NodeRecord {
  NodeId id = 0;
  NodeDescription description;
  NodeLoad load;
  Nanos last_heartbeat = 0;
  Nanos linked_at = 0;
  LatencyHistogram small_reads;
  std::shared_ptr<Reputation> reputation;
  std::shared_ptr<NodeLink> link;  // the current one; null when there is none
};

// One request in flight. Shared by who asked and by the link's reader, so that either may leave
// first.
struct Call {
  explicit Call(FrameType expected_reply) : reply(expected_reply) {}

  FrameType reply;
  MutableBytes into;             // READ: where the bulk goes
  std::shared_ptr<Buffer> keep;  // what `into` points into
  std::size_t received = 0;      // bytes of `into` that were filled
  std::string fields;            // of the reply, except READ_RESULT
  std::optional<Status> outcome;
  detail::WaitList waiters;
};

// Bytes that may still be sent; first come, first served.
class CreditWindow {
 public:
  explicit CreditWindow(Loop& loop) : loop_(loop) {}
  CreditWindow(const CreditWindow&) = delete;
  CreditWindow& operator=(const CreditWindow&) = delete;
  ~CreditWindow() { close(); }

  // kTimeout, or kUnavailable once closed.
  Task<Status> take(std::size_t bytes, Deadline deadline);
  void give(std::size_t bytes);
  void close();

 private:
  // A take() that waits. It lives in that coroutine's frame and is in queue_ until it is answered.
  struct Request {
    Request(CreditWindow& owner, std::size_t wanted) : window(&owner), bytes(wanted) {
      owner.queue_.push_back(this);
    }
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;
    ~Request() { leave(); }
    void leave() {
      if (window != nullptr) std::erase(std::exchange(window, nullptr)->queue_, this);
    }

    CreditWindow* window;  // null: no longer queued
    std::size_t bytes;
    bool granted = false;
    detail::WaitList waiting;
  };
  void grant();

  Loop& loop_;
  bool closed_ = false;
  std::size_t available_ = 0;
  std::deque<Request*> queue_;
};

class NodeLink : public std::enable_shared_from_this<NodeLink> {
 public:
  NodeLink(Loop& loop, std::unique_ptr<Stream> stream, std::shared_ptr<NodeRecord> node);

  // Starts the tasks that read, write and keep alive.
  void start();
  // Ends the link and fails its calls; `why` is for a person.
  void close(std::string why);
  bool up() const { return !link_->closed.is_set(); }

  Loop& loop() { return link_->loop; }
  FrameWriter& writer() { return link_->writer; }
  CreditWindow& credit() { return credit_; }
  NodeRecord& node() { return *node_; }

  // Puts a call on the list of those in flight and gives its request id.
  std::uint64_t enlist(std::shared_ptr<Call> call);
  void forget(std::uint64_t request_id) { calls_.erase(request_id); }
  // Enlists and sends a request without bulk.
  std::uint64_t send(const std::shared_ptr<Call>& call, FrameType type, std::string_view fields,
                     Deadline deadline);
  // Waits for the call's outcome; forgets it when the deadline passes (kTimeout).
  static Task<Status> outcome(std::shared_ptr<NodeLink> self, std::uint64_t request_id,
                              std::shared_ptr<Call> call, Deadline deadline);
  // The error of a call on a node whose link is down.
  static Error unavailable(NodeId node);

 private:
  static Task<void> read_frames(std::shared_ptr<NodeLink> self);
  Status on_frame(const Frame& frame);
  Task<Status> on_bulk(Frame frame);
  void settle(std::uint64_t request_id, Status outcome);

  std::shared_ptr<Link> link_;
  std::shared_ptr<NodeRecord> node_;
  CreditWindow credit_;
  std::uint64_t next_request_ = 1;
  std::unordered_map<std::uint64_t, std::shared_ptr<Call>> calls_;
};

}  // namespace hydra::agent
