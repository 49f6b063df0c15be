// Session: the agent's end of one link to a gateway worker: serves its requests from the store.
//
// Requests run side by side, bounded by the limits below, and are answered as they finish. When the
// link ends, the shards that were being written are abandoned. A Session belongs to the agent's
// loop and is kept alive by its tasks.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/runtime/sync.h"
#include "nodeagent/device.h"
#include "nodeagent/protocol/link.h"
#include "nodeagent/protocol/messages.h"
#include "nodeagent/store/store.h"

namespace hydra::agent {

constexpr std::size_t kMaxRequestsPerLink = 4096;  // in service or waiting; more are refused
constexpr std::size_t kMaxRepliesPerLink =
    2 * kMaxRequestsPerLink;                            // not written yet; more cut the link
constexpr std::size_t kMaxPendingShardsPerLink = 1024;  // being written; more are refused
constexpr std::uint32_t kMinWriteWindowBytes = 2 * kMaxPayloadBytes;

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Device> device, std::unique_ptr<Stream> stream);

  Link& link() { return link_; }
  // After the handshake: serves until the link ends; returns why it did.
  static Task<Error> serve(std::shared_ptr<Session> self, Nanos heartbeat_interval);
  void close() { link_.close(); }

 private:
  struct Block {
    Buffer bytes;
    std::uint32_t crc32c = 0;
    bool last = false;
  };
  // A shard on its way in. Shared by the reader, which queues blocks, and the task that stores
  // them.
  struct IncomingShard {
    ShardId id;
    erasure::Layout layout;
    std::uint64_t request_id = 0;
    std::uint32_t next_block = 0;
    bool abandoned = false;
    bool ended = false;  // no further block is wanted
    std::deque<Block> blocks;
    detail::WaitList arrival;
  };

  Task<Status> on_frame(Frame frame);
  Task<Status> on_write(Frame frame);
  Result<std::shared_ptr<IncomingShard>> shard_for(const FrameHeader& header,
                                                   const WriteBlock& block);
  void on_abandon(std::uint64_t request_id);
  Status on_request(const Frame& frame);

  static Task<void> store_shard(std::shared_ptr<Session> self,
                                std::shared_ptr<IncomingShard> shard);
  Task<Status> receive(IncomingShard& shard);
  static Task<void> serve_read(std::shared_ptr<Session> self, std::uint64_t request_id,
                               ReadRange range, Deadline deadline);
  // Answers a READ with bytes that lie in memory; false when they have to be read.
  bool send_from_file(std::uint64_t request_id, const ReadRange& range, Semaphore::Hold& room);
  Task<void> send_bytes(std::uint64_t request_id, const ReadRange& range, Semaphore::Hold& room);
  static Task<void> serve_free(std::shared_ptr<Session> self, std::uint64_t request_id,
                               FreeShards message);
  static Task<void> serve_verify(std::shared_ptr<Session> self, std::uint64_t request_id,
                                 ShardId shard);
  void serve_info(std::uint64_t request_id, ShardId shard);
  void serve_list(std::uint64_t request_id, const ListShards& message);

  // The link as its tasks hold it: with the whole session.
  std::shared_ptr<Link> shared_link() { return {shared_from_this(), &link_}; }
  void reply(FrameType type, std::uint64_t request_id, std::string_view fields = {});
  void reply_error(std::uint64_t request_id, const Error& error);
  // Gives window back to the sender, in large steps.
  void give_credit(std::size_t bytes);
  Buffer take_buffer(std::size_t bytes);
  void keep_buffer(Buffer buffer);

  std::shared_ptr<Device> device_;
  Semaphore reply_bytes_;
  Link link_;
  std::size_t requests_ = 0;
  std::size_t window_left_ = 0;  // what the sender may still send
  std::size_t owed_credit_ = 0;  // what it will be given back
  std::unordered_map<std::uint64_t, std::shared_ptr<IncomingShard>> shards_;
  std::vector<Buffer> spare_buffers_;
};

}  // namespace hydra::agent
