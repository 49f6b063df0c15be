// LinkShardWriter: a ShardWriter over a NodeLink. All blocks of the shard go out under one request
// id; the agent answers once, when the shard is durable or has failed. Belongs to the link's loop.
#pragma once

#include <memory>
#include <optional>

#include "nodeagent/client/node_link.h"

namespace hydra::agent {

class LinkShardWriter : public ShardWriter {
 public:
  // `link` may be null: then the first append fails.
  LinkShardWriter(std::shared_ptr<NodeLink> link, NodeId node, ShardId shard,
                  erasure::Layout layout);
  ~LinkShardWriter() override;

  Task<Status> append(ByteView block, std::uint32_t crc32c, bool last, Deadline deadline) override;

 private:
  Task<Status> send_block(ByteView block, std::uint32_t crc32c, bool last, Deadline deadline);
  std::string encode_head(ByteView block, std::uint32_t crc32c, bool last, Deadline deadline) const;

  std::shared_ptr<NodeLink> link_;
  NodeId node_;
  ShardId shard_;
  erasure::Layout layout_;
  std::shared_ptr<Call> call_;
  std::uint64_t request_id_ = 0;
  std::uint32_t next_block_ = 0;
  std::optional<Error> failure_;
};

}  // namespace hydra::agent
