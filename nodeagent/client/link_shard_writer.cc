#include "nodeagent/client/link_shard_writer.h"

#include <utility>

namespace hydra::agent {

LinkShardWriter::LinkShardWriter(std::shared_ptr<NodeLink> link, NodeId node, ShardId shard,
                                 erasure::Layout layout)
    : link_(std::move(link)), node_(node), shard_(shard), layout_(layout) {}

LinkShardWriter::~LinkShardWriter() {
  if (call_ == nullptr) return;
  link_->forget(request_id_);
  const auto& outcome = call_->outcome;
  const bool answered = outcome && (*outcome || outcome->error().code != Code::kTimeout);
  if (answered) return;
  link_->writer().send(encode_frame({.type = FrameType::kAbandon, .request_id = request_id_}, {}));
}

Task<Status> LinkShardWriter::append(ByteView block, std::uint32_t crc32c, bool last,
                                     Deadline deadline) {
  if (failure_) co_return fail(*failure_);
  Status sent = co_await send_block(block, crc32c, last, deadline);
  if (!sent) failure_ = sent.error();
  if (link_ != nullptr && (last || !sent))
    link_->node().reputation->ended(node_, link_->loop().now(), sent);
  co_return sent;
}

Task<Status> LinkShardWriter::send_block(ByteView block, std::uint32_t crc32c, bool last,
                                         Deadline deadline) {
  if (link_ == nullptr || !link_->up()) co_return fail(NodeLink::unavailable(node_));
  if (next_block_ >= layout_.stripes() || block.size() != layout_.block_size(next_block_) ||
      last != (next_block_ + 1 == layout_.stripes()))
    co_return fail(Code::kInvalidArgument, "the block does not fit the layout of its shard");

  if (call_ == nullptr) {
    call_ = std::make_shared<Call>(FrameType::kWriteResult);
    request_id_ = link_->enlist(call_);
  }
  HYDRA_CO_CHECK_OK(co_await link_->credit().take(block.size(), deadline));
  if (call_->outcome) {  // an early answer is a failure
    link_->credit().give(block.size());
    co_return *call_->outcome;
  }
  Status sent = co_await link_->writer().send_borrowed(encode_head(block, crc32c, last, deadline),
                                                       block, deadline);
  if (!sent) {
    link_->credit().give(block.size());
    co_return sent;
  }
  ++next_block_;
  if (!last) co_return Status();
  co_return co_await NodeLink::outcome(link_, request_id_, call_, deadline);
}

std::string LinkShardWriter::encode_head(ByteView block, std::uint32_t crc32c, bool last,
                                         Deadline deadline) const {
  FrameHeader header;
  header.type = FrameType::kWrite;
  header.flags =
      static_cast<std::uint16_t>((next_block_ == 0 ? kFlagFirst : 0) | (last ? kFlagLast : 0));
  header.request_id = request_id_;
  header.deadline_ms = deadline_to_ms(link_->loop(), deadline);
  header.bulk_bytes = static_cast<std::uint32_t>(block.size());
  return encode_frame(
      header, encode(WriteBlock{shard_, layout_.profile, layout_.length, next_block_, crc32c}));
}

}  // namespace hydra::agent
