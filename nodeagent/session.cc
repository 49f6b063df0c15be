#include "nodeagent/session.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace hydra::agent {

namespace {
constexpr std::size_t kCreditSteps = 16;  // credit goes back in sixteenths of the window
constexpr std::size_t kSpareBuffers = 8;
constexpr std::size_t kLargeBlockBytes = 32u << 10;
constexpr std::size_t kLeastSentFromFile = 32u << 10;  // shorter bytes are copied as quickly

std::vector<PieceCheck> checks_of(const std::vector<BlockPiece>& pieces) {
  std::vector<PieceCheck> checks;
  checks.reserve(pieces.size());
  for (const BlockPiece& piece : pieces) checks.push_back({piece.length, piece.crc32c});
  return checks;
}

std::string read_result_head(std::uint64_t request_id, const std::vector<BlockPiece>& pieces,
                             std::size_t bytes) {
  FrameHeader header;
  header.type = FrameType::kReadResult;
  header.request_id = request_id;
  header.bulk_bytes = static_cast<std::uint32_t>(bytes);
  return encode_frame(header, encode(ReadResult{checks_of(pieces)}));
}
}  // namespace

Session::Session(std::shared_ptr<Device> device, std::unique_ptr<Stream> stream)
    : device_(std::move(device)),
      reply_bytes_(device_->loop, device_->read_window_bytes),
      link_(device_->loop, std::move(stream)) {}

Task<Error> Session::serve(std::shared_ptr<Session> self, Nanos heartbeat_interval) {
  Device& device = *self->device_;
  Link& link = self->link_;
  self->window_left_ = device.write_window_bytes;
  self->reply(FrameType::kCredit, 0, encode(Credit{device.write_window_bytes}));
  device.tasks.spawn(Link::write_frames(self->shared_link()));
  device.tasks.spawn(
      Link::keep_alive(self->shared_link(), heartbeat_interval, [shared = self->device_] {
        return encode_frame({.type = FrameType::kHeartbeat}, encode(Heartbeat{shared->load()}));
      }));
  Error why{Code::kClosed, "this agent closed it"};
  while (!link.closed.is_set()) {
    auto frame = co_await link.reader.next();
    if (!frame) {
      why = frame.error();
      break;
    }
    link.last_received = link.loop.now();
    const Status handled = co_await self->on_frame(*frame);
    if (!handled) {
      why = handled.error();
      break;
    }
  }
  self->close();
  for (const auto& [request_id, shard] : std::exchange(self->shards_, {})) {
    shard->abandoned = true;
    shard->arrival.resume_all();
  }
  co_return why;
}

Task<Status> Session::on_frame(Frame frame) {
  switch (frame.header.type) {
    case FrameType::kWrite:
      co_return co_await on_write(frame);
    case FrameType::kAbandon:
      on_abandon(frame.header.request_id);
      co_return Status();
    case FrameType::kHeartbeat:
      co_return Status();
    case FrameType::kError: {
      HYDRA_CO_TRY(ErrorMessage error, decode_error(frame.fields));
      co_return fail(error.code, std::move(error.message));
    }
    default:
      co_return on_request(frame);
  }
}

// Finds the shard that a block belongs to, or begins it. An error is the shard's, not the link's;
// kNotFound when the shard has ended already and the block is to be dropped in silence.
Result<std::shared_ptr<Session::IncomingShard>> Session::shard_for(const FrameHeader& header,
                                                                   const WriteBlock& block) {
  auto found = shards_.find(header.request_id);
  if ((header.flags & kFlagFirst) != 0) {
    if (found != shards_.end()) return fail(Code::kAlreadyExists, "a shard cannot begin twice");
    if (shards_.size() >= kMaxPendingShardsPerLink)
      return fail(Code::kUnavailable, "too many shards are being written on this link");
    HYDRA_TRY(const auto layout, erasure::Layout::of(block.profile, block.extent_length));
    auto shard = std::make_shared<IncomingShard>();
    shard->id = block.shard;
    shard->layout = layout;
    shard->request_id = header.request_id;
    found = shards_.emplace(header.request_id, std::move(shard)).first;
    device_->tasks.spawn(store_shard(shared_from_this(), found->second));
  }
  if (found == shards_.end()) return fail(Code::kNotFound);
  const IncomingShard& shard = *found->second;
  const bool last = (header.flags & kFlagLast) != 0;
  if (shard.ended || block.shard != shard.id || block.profile != shard.layout.profile ||
      block.extent_length != shard.layout.length || block.block != shard.next_block ||
      block.block >= shard.layout.stripes() ||
      header.bulk_bytes != shard.layout.block_size(block.block) ||
      last != (block.block + 1 == shard.layout.stripes()))
    return fail(Code::kInvalidArgument, "a block that does not fit its shard");
  return found->second;
}

Task<Status> Session::on_write(Frame frame) {
  const FrameHeader header = frame.header;
  const std::size_t bytes = header.bulk_bytes;
  HYDRA_CO_TRY(const WriteBlock block, decode_write_block(frame.fields));
  if (bytes > window_left_) co_return fail(Code::kTooLarge, "more bytes than there was credit for");
  window_left_ -= bytes;

  auto shard = shard_for(header, block);
  if (!shard) {
    if (shard.error().code != Code::kNotFound) {
      on_abandon(header.request_id);
      reply_error(header.request_id, shard.error());
    }
    HYDRA_CO_CHECK_OK(co_await link_.reader.skip_bulk());
    give_credit(bytes);
    co_return Status();
  }
  IncomingShard& incoming = **shard;
  Block received{take_buffer(bytes), block.crc32c, (header.flags & kFlagLast) != 0};
  HYDRA_CO_CHECK_OK(co_await link_.reader.read_bulk(received.bytes.span()));
  link_.last_received = link_.loop.now();
  if (incoming.ended) {  // it failed while these bytes came in
    keep_buffer(std::move(received.bytes));
    give_credit(bytes);
    co_return Status();
  }
  ++incoming.next_block;
  incoming.blocks.push_back(std::move(received));
  incoming.arrival.resume_all();
  // The store takes the block while it is in the cache, before more of them come in.
  if (bytes >= kLargeBlockBytes) co_await yield(device_->loop);
  co_return Status();
}

void Session::on_abandon(std::uint64_t request_id) {
  const auto found = shards_.find(request_id);
  if (found == shards_.end()) return;
  const auto shard = std::move(found->second);
  shards_.erase(found);
  shard->abandoned = true;
  shard->arrival.resume_all();
}

Task<void> Session::store_shard(std::shared_ptr<Session> self,
                                std::shared_ptr<IncomingShard> shard) {
  const Status outcome = co_await self->receive(*shard);
  shard->ended = true;
  for (Block& block : std::exchange(shard->blocks, {})) self->give_credit(block.bytes.size());
  if (shard->abandoned) co_return;
  self->shards_.erase(shard->request_id);
  if (outcome)
    self->reply(FrameType::kWriteResult, shard->request_id);
  else
    self->reply_error(shard->request_id, outcome.error());
}

// From the first block to the commit. Leaving early abandons the shard in the store.
Task<Status> Session::receive(IncomingShard& shard) {
  HYDRA_CO_TRY(const auto pending, co_await device_->store->begin(shard.id, shard.layout));
  while (true) {
    while (shard.blocks.empty() && !shard.abandoned)
      co_await detail::Waiter(device_->loop, shard.arrival, Deadline::never());
    if (shard.abandoned) co_return fail(Code::kAborted, "the sender gave up");
    Block block = std::move(shard.blocks.front());
    shard.blocks.pop_front();
    const Status stored = co_await pending->append(block.bytes.view(), block.crc32c);
    const std::size_t bytes = block.bytes.size();
    keep_buffer(std::move(block.bytes));
    give_credit(bytes);
    HYDRA_CO_CHECK_OK(stored);
    if (!block.last || shard.abandoned) continue;
    const bool replaces = device_->holds(shard.id);
    HYDRA_CO_CHECK_OK(co_await pending->commit());
    if (!replaces) device_->added(shard.id);
    co_return Status();
  }
}

// A request that is answered with one frame.
Status Session::on_request(const Frame& frame) {
  const std::uint64_t request_id = frame.header.request_id;
  if (link_.writer.queued() >= kMaxRepliesPerLink)
    return fail(Code::kTooLarge, "the gateway asks and does not read the answers");
  if (requests_ >= kMaxRequestsPerLink) {
    reply_error(request_id, {Code::kUnavailable, "too many requests wait on this link"});
    return Status();
  }
  TaskGroup& tasks = device_->tasks;
  const auto self = shared_from_this();
  switch (frame.header.type) {
    case FrameType::kRead: {
      HYDRA_TRY(const ReadRange range, decode_read_range(frame.fields));
      const Deadline deadline = deadline_from_ms(link_.loop, frame.header.deadline_ms);
      ++requests_;
      tasks.spawn(serve_read(self, request_id, range, deadline));
      return Status();
    }
    case FrameType::kFree: {
      HYDRA_TRY(FreeShards message, decode_free_shards(frame.fields));
      ++requests_;
      tasks.spawn(serve_free(self, request_id, std::move(message)));
      return Status();
    }
    case FrameType::kVerify: {
      HYDRA_TRY(const ShardQuery query, decode_shard_query(frame.fields));
      ++requests_;
      tasks.spawn(serve_verify(self, request_id, query.shard));
      return Status();
    }
    case FrameType::kInfo: {
      HYDRA_TRY(const ShardQuery query, decode_shard_query(frame.fields));
      serve_info(request_id, query.shard);
      return Status();
    }
    case FrameType::kList: {
      HYDRA_TRY(const ListShards message, decode_list_shards(frame.fields));
      serve_list(request_id, message);
      return Status();
    }
    default:
      return fail(Code::kCorrupt,
                  "a gateway does not send " + std::string(frame_type_name(frame.header.type)));
  }
}

Task<void> Session::serve_read(std::shared_ptr<Session> self, std::uint64_t request_id,
                               ReadRange range, Deadline deadline) {
  auto room = co_await self->reply_bytes_.acquire(range.length, deadline);
  if (!room)
    self->reply_error(request_id, room.error());
  else if (!self->link_.closed.is_set() && !self->send_from_file(request_id, range, *room))
    co_await self->send_bytes(request_id, range, *room);
  --self->requests_;
}

bool Session::send_from_file(std::uint64_t request_id, const ReadRange& range,
                             Semaphore::Hold& room) {
  if (range.length < kLeastSentFromFile || !link_.writer.sends_files()) return false;
  auto found = device_->store->run_of(range.shard, range.offset, range.length);
  if (!found) return false;
  std::string head = read_result_head(request_id, found->pieces, found->run.length);
  link_.writer.send(std::move(head), std::move(found->run), std::move(room));
  return true;
}

Task<void> Session::send_bytes(std::uint64_t request_id, const ReadRange& range,
                               Semaphore::Hold& room) {
  auto read = co_await device_->store->read(range.shard, range.offset, range.length);
  if (read) {
    std::string head = read_result_head(request_id, read->pieces, read->bytes.size());
    link_.writer.send(std::move(head), std::move(read->bytes), std::move(room));
  } else {
    reply_error(request_id, read.error());
  }
}

Task<void> Session::serve_free(std::shared_ptr<Session> self, std::uint64_t request_id,
                               FreeShards message) {
  Status outcome;
  for (const ShardId& shard : message.shards) {
    const bool held = self->device_->holds(shard);
    Status freed = co_await self->device_->store->free(shard);
    if (freed && held) self->device_->removed(shard);
    if (!freed && outcome) outcome = std::move(freed);
  }
  if (outcome)
    self->reply(FrameType::kFreeResult, request_id);
  else
    self->reply_error(request_id, outcome.error());
  --self->requests_;
}

Task<void> Session::serve_verify(std::shared_ptr<Session> self, std::uint64_t request_id,
                                 ShardId shard) {
  const Status intact = co_await self->device_->store->verify(shard);
  if (intact)
    self->reply(FrameType::kVerifyResult, request_id);
  else
    self->reply_error(request_id, intact.error());
  --self->requests_;
}

void Session::serve_info(std::uint64_t request_id, ShardId shard) {
  const auto info = device_->store->info(shard);
  if (!info) return reply_error(request_id, info.error());
  reply(FrameType::kInfoResult, request_id,
        encode(ListedShard{info->id, info->layout.profile, info->layout.length}));
}

void Session::serve_list(std::uint64_t request_id, const ListShards& message) {
  const auto listed = device_->store->list(message.after, message.limit);
  if (!listed) return reply_error(request_id, listed.error());
  ListResult result;
  result.shards.reserve(listed->size());
  for (const ShardInfo& info : *listed)
    result.shards.push_back({info.id, info.layout.profile, info.layout.length});
  reply(FrameType::kListResult, request_id, encode(result));
}

void Session::reply(FrameType type, std::uint64_t request_id, std::string_view fields) {
  link_.writer.send(encode_frame({.type = type, .request_id = request_id}, fields));
}

void Session::reply_error(std::uint64_t request_id, const Error& error) {
  device_->count_error(error);
  reply(FrameType::kError, request_id, encode(ErrorMessage{error.code, error.message}));
}

void Session::give_credit(std::size_t bytes) {
  owed_credit_ += bytes;
  if (owed_credit_ < device_->write_window_bytes / kCreditSteps) return;
  window_left_ += owed_credit_;
  reply(FrameType::kCredit, 0, encode(Credit{static_cast<std::uint32_t>(owed_credit_)}));
  owed_credit_ = 0;
}

// Large buffers are used again: fresh ones cost a page fault for every 4 KiB.
Buffer Session::take_buffer(std::size_t bytes) {
  const auto fits = [bytes](const Buffer& spare) {
    return spare.capacity() >= bytes && spare.capacity() / 4 <= bytes;
  };
  // The one that was used last is the likeliest to be in the cache.
  const auto found = std::find_if(spare_buffers_.rbegin(), spare_buffers_.rend(), fits);
  Buffer buffer;
  if (found == spare_buffers_.rend()) {
    buffer = Buffer(bytes);
  } else {
    buffer = std::move(*found);
    spare_buffers_.erase(std::next(found).base());
  }
  buffer.resize(bytes);
  return buffer;
}

void Session::keep_buffer(Buffer buffer) {
  if (spare_buffers_.size() == kSpareBuffers) spare_buffers_.erase(spare_buffers_.begin());
  spare_buffers_.push_back(std::move(buffer));
}

}  // namespace hydra::agent
