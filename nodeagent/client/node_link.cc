#include "nodeagent/client/node_link.h"

#include <algorithm>
#include <utility>

#include "base/crc32c.h"

namespace hydra::agent {

Task<Status> CreditWindow::take(std::size_t bytes, Deadline deadline) {
  if (!closed_ && queue_.empty() && available_ >= bytes) {
    available_ -= bytes;
    co_return Status();
  }
  if (!closed_) {
    Request request(*this, bytes);
    co_await detail::Waiter(loop_, request.waiting, deadline);
    if (request.granted) co_return Status();
    const bool timed_out = request.window != nullptr;
    request.leave();
    if (timed_out) {
      grant();  // it may have been in the way of a smaller one
      co_return fail(Code::kTimeout, "the node did not take the bytes in time");
    }
  }
  co_return fail(Code::kUnavailable, "the link is down");
}

void CreditWindow::grant() {
  while (!queue_.empty() && queue_.front()->bytes <= available_) {
    Request& request = *queue_.front();
    queue_.pop_front();
    request.window = nullptr;
    request.granted = true;
    available_ -= request.bytes;
    request.waiting.resume_one();
  }
}

void CreditWindow::give(std::size_t bytes) {
  available_ += bytes;
  grant();
}

void CreditWindow::close() {
  closed_ = true;
  for (Request* request : std::exchange(queue_, {})) {
    request->window = nullptr;
    request->waiting.resume_one();
  }
}

NodeLink::NodeLink(Loop& loop, std::unique_ptr<Stream> stream, std::shared_ptr<NodeRecord> node)
    : link_(std::make_shared<Link>(loop, std::move(stream))),
      node_(std::move(node)),
      credit_(loop) {}

void NodeLink::start() {
  const std::string heartbeat = encode_frame({.type = FrameType::kHeartbeat}, encode(Heartbeat{}));
  loop().spawn(Link::write_frames(link_));
  loop().spawn(Link::keep_alive(link_, kHeartbeatInterval, [heartbeat] { return heartbeat; }));
  loop().spawn(read_frames(shared_from_this()));
}

Error NodeLink::unavailable(NodeId node) {
  return {Code::kUnavailable, "there is no link to node " + std::to_string(node)};
}

void NodeLink::close(std::string why) {
  link_->close();
  credit_.close();
  const auto calls = std::exchange(calls_, {});
  for (const auto& [id, call] : calls) {
    call->outcome = fail(Code::kUnavailable,
                         "the link to node " + std::to_string(node_->id) + " was lost: " + why);
    call->waiters.resume_all();
  }
  if (node_->link.get() == this) {
    node_->reputation->link_lost(node_->id, loop().now());
    const auto self =
        std::exchange(node_->link, nullptr);  // may be the last owner; freed on return
  }
}

std::uint64_t NodeLink::enlist(std::shared_ptr<Call> call) {
  const std::uint64_t request_id = next_request_++;
  calls_.emplace(request_id, std::move(call));
  return request_id;
}

std::uint64_t NodeLink::send(const std::shared_ptr<Call>& call, FrameType type,
                             std::string_view fields, Deadline deadline) {
  FrameHeader header;
  header.type = type;
  header.request_id = enlist(call);
  header.deadline_ms = deadline_to_ms(loop(), deadline);
  writer().send(encode_frame(header, fields));
  return header.request_id;
}

Task<Status> NodeLink::outcome(std::shared_ptr<NodeLink> self, std::uint64_t request_id,
                               std::shared_ptr<Call> call, Deadline deadline) {
  while (!call->outcome) {
    if (co_await detail::Waiter(self->loop(), call->waiters, deadline)) continue;
    if (call->outcome) break;
    self->forget(request_id);
    call->outcome =
        fail(Code::kTimeout, "node " + std::to_string(self->node_->id) + " did not answer in time");
  }
  co_return *call->outcome;
}

void NodeLink::settle(std::uint64_t request_id, Status outcome) {
  const auto found = calls_.find(request_id);
  if (found == calls_.end()) return;
  const auto call = std::move(found->second);
  calls_.erase(found);
  call->outcome = std::move(outcome);
  call->waiters.resume_all();
}

Task<void> NodeLink::read_frames(std::shared_ptr<NodeLink> self) {
  Link& link = *self->link_;
  Status status;
  while (status && self->up()) {
    auto frame = co_await link.reader.next();
    if (!frame) {
      status = fail(frame.error());
      break;
    }
    link.last_received = link.loop.now();
    if (frame->header.type == FrameType::kReadResult)
      status = co_await self->on_bulk(*frame);
    else
      status = self->on_frame(*frame);
  }
  self->close(status ? "closed by this side" : status.error().message);
}

Status NodeLink::on_frame(const Frame& frame) {
  const std::uint64_t request_id = frame.header.request_id;
  switch (frame.header.type) {
    case FrameType::kHeartbeat: {
      HYDRA_TRY(const Heartbeat heartbeat, decode_heartbeat(frame.fields));
      node_->load = heartbeat.load;
      node_->last_heartbeat = link_->last_received;
      return Status();
    }
    case FrameType::kCredit: {
      HYDRA_TRY(const Credit credit, decode_credit(frame.fields));
      credit_.give(credit.bytes);
      return Status();
    }
    case FrameType::kError: {
      HYDRA_TRY(ErrorMessage error, decode_error(frame.fields));
      if (request_id == 0) return fail(error.code, std::move(error.message));
      settle(request_id, fail(error.code, std::move(error.message)));
      return Status();
    }
    default:
      break;
  }
  const auto found = calls_.find(request_id);
  if (found == calls_.end()) return Status();  // its deadline has passed
  if (found->second->reply != frame.header.type)
    return fail(Code::kCorrupt, "a reply of the wrong type");
  found->second->fields = as_text(frame.fields);
  settle(request_id, Status());
  return Status();
}

// READ_RESULT: straight into the caller's buffer, then each piece is checked while it is in the
// cache.
Task<Status> NodeLink::on_bulk(Frame frame) {
  FrameReader& reader = link_->reader;
  const std::size_t bulk_bytes = frame.header.bulk_bytes;
  HYDRA_CO_TRY(const ReadResult result, decode_read_result(frame.fields));
  std::uint64_t covered = 0;
  for (const PieceCheck& piece : result.pieces) covered += piece.length;
  if (covered != bulk_bytes) co_return fail(Code::kCorrupt, "pieces do not cover the bytes");

  const auto found = calls_.find(frame.header.request_id);
  if (found == calls_.end()) co_return co_await reader.skip_bulk();
  const std::shared_ptr<Call> call = found->second;
  if (call->reply != FrameType::kReadResult || bulk_bytes > call->into.size())
    co_return fail(Code::kCorrupt, "a reply that was not asked for");

  MutableBytes rest = call->into.first(bulk_bytes);
  if (bulk_bytes > 0) HYDRA_CO_CHECK_OK(co_await reader.read_bulk(rest));
  link_->last_received = loop().now();
  bool intact = true;
  for (const PieceCheck& piece : result.pieces) {
    intact = intact && crc32c(rest.first(piece.length)) == piece.crc32c;
    rest = rest.subspan(piece.length);
  }
  call->received = bulk_bytes;
  settle(frame.header.request_id,
         intact ? Status()
                : fail(Code::kCorrupt,
                       "bytes of a shard arrived damaged from node " + std::to_string(node_->id)));
  co_return Status();
}

}  // namespace hydra::agent
