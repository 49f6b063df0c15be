#include "nodeagent/protocol/link.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "nodeagent/protocol/messages.h"

namespace hydra::agent {

namespace {
constexpr std::size_t kReadAheadBytes = 128u << 10;  // holds any header and fields, and then some
constexpr std::size_t kReadBytes = 32u << 10;        // asked for when frames are small
constexpr std::size_t kReadBytesAmongBulk =
    4u << 10;  // after large bulk, so that little of the next is copied
constexpr std::uint32_t kLargeBulkBytes = 32u << 10;
constexpr std::size_t kBatchBytes = 1u << 20;  // of frames that share a write
constexpr std::size_t kBatchFrames = 128;
static_assert(kReadAheadBytes >= kFrameHeaderBytes + kMaxFieldsBytes + kReadBytes);
}  // namespace

std::uint32_t deadline_to_ms(const Loop& loop, Deadline deadline) {
  if (deadline.is_never()) return 0;
  const Nanos left = (deadline.at - loop.now()) / kMillisecond;
  return static_cast<std::uint32_t>(std::clamp<Nanos>(left, 1, UINT32_MAX));
}

Deadline deadline_from_ms(const Loop& loop, std::uint32_t deadline_ms) {
  return deadline_ms == 0 ? Deadline::never() : loop.after(deadline_ms * kMillisecond);
}

FrameReader::FrameReader(Stream& stream)
    : stream_(stream), ahead_(kReadAheadBytes), read_size_(kReadBytes) {
  ahead_.resize(kReadAheadBytes);
}

// Reads until `wanted` bytes lie ahead.
Task<Status> FrameReader::fill(std::size_t wanted, Deadline deadline) {
  if (begin_ == end_) begin_ = end_ = 0;
  const std::size_t ask = std::max(wanted, read_size_);
  if (begin_ + ask > ahead_.size()) {
    std::memmove(ahead_.data(), ahead_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  while (end_ - begin_ < wanted) {
    const auto room = ahead_.span().subspan(end_, begin_ + ask - end_);
    auto got = co_await stream_.read(room, deadline);
    if (!got) co_return fail(got.error());
    if (*got == 0) {
      if (begin_ == end_) co_return fail(Code::kClosed, "the peer ended the link");
      co_return fail(Code::kClosed, "the link ended in the middle of a frame");
    }
    end_ += *got;
  }
  co_return Status();
}

Task<Result<Frame>> FrameReader::next(Deadline deadline) {
  HYDRA_ASSERT(bulk_left_ == 0);
  if (end_ - begin_ < kFrameHeaderBytes)
    HYDRA_CO_CHECK_OK(co_await fill(kFrameHeaderBytes, deadline));
  Frame frame;
  HYDRA_CO_TRY(frame.header,
               decode_frame_header(ByteView(ahead_.data() + begin_, kFrameHeaderBytes)));
  const std::size_t whole = kFrameHeaderBytes + frame.header.fields_bytes;
  if (end_ - begin_ < whole) HYDRA_CO_CHECK_OK(co_await fill(whole, deadline));
  frame.fields = {ahead_.data() + begin_ + kFrameHeaderBytes, frame.header.fields_bytes};
  HYDRA_CO_CHECK_OK(check_fields(frame.header, frame.fields));
  begin_ += whole;
  bulk_left_ = frame.header.bulk_bytes;
  read_size_ = bulk_left_ >= kLargeBulkBytes ? kReadBytesAmongBulk : kReadBytes;
  co_return frame;
}

Task<Status> FrameReader::read_bulk(MutableBytes into) {
  HYDRA_ASSERT(into.size() == bulk_left_);
  bulk_left_ = 0;
  const std::size_t ready = std::min(into.size(), end_ - begin_);
  if (ready > 0) std::memcpy(into.data(), ahead_.data() + begin_, ready);
  begin_ += ready;
  into = into.subspan(ready);
  while (!into.empty()) {
    auto got = co_await stream_.read(into, Deadline::never());
    if (!got) co_return fail(got.error());
    if (*got == 0) co_return fail(Code::kClosed, "the link ended in the middle of a frame");
    into = into.subspan(*got);
  }
  co_return Status();
}

Task<Status> FrameReader::skip_bulk() {
  while (bulk_left_ > 0) {
    if (begin_ == end_) HYDRA_CO_CHECK_OK(co_await fill(1, Deadline::never()));
    const auto skipped = std::min<std::size_t>(bulk_left_, end_ - begin_);
    begin_ += skipped;
    bulk_left_ -= static_cast<std::uint32_t>(skipped);
  }
  co_return Status();
}

void FrameWriter::push(Entry entry) {
  queue_.push_back(std::move(entry));
  if (!idle_.is_set()) idle_.set();
}

Task<Status> send_frame(Stream& stream, FrameType type, std::string fields, Deadline deadline) {
  const std::string frame = encode_frame({.type = type}, fields);
  const ByteView piece = as_bytes(frame);
  co_return co_await stream.write({&piece, 1}, deadline);
}

Task<Result<Frame>> expect_frame(FrameReader& reader, FrameType type, Deadline deadline) {
  HYDRA_CO_TRY(const Frame frame, co_await reader.next(deadline));
  if (frame.header.type == FrameType::kError) {
    HYDRA_CO_TRY(ErrorMessage error, decode_error(frame.fields));
    co_return fail(error.code, "refused: " + error.message);
  }
  if (frame.header.type != type)
    co_return fail(Code::kUnauthenticated, "the peer does not follow the handshake");
  co_return frame;
}

void FrameWriter::send(std::string head, Buffer bulk, Semaphore::Hold hold) {
  if (closed_) return;
  Entry entry;
  entry.head = std::move(head);
  entry.bulk = std::move(bulk);
  entry.hold = std::move(hold);
  push(std::move(entry));
}

void FrameWriter::send(std::string head, FileRun bulk, Semaphore::Hold hold) {
  HYDRA_ASSERT(sends_files());
  if (closed_) return;
  Entry entry;
  entry.head = std::move(head);
  entry.run = std::make_unique<FileRun>(std::move(bulk));
  entry.hold = std::move(hold);
  push(std::move(entry));
}

Task<Status> FrameWriter::send_borrowed(std::string head, ByteView bulk, Deadline deadline) {
  if (closed_) co_return fail(Code::kUnavailable, "the link is down");
  const auto borrow = std::make_shared<Borrow>();
  Entry entry;
  entry.head = std::move(head);
  entry.borrowed = bulk;
  entry.borrow = borrow;
  push(std::move(entry));
  while (!borrow->outcome) {
    if (co_await detail::Waiter(loop_, borrow->done_waiters, deadline)) continue;
    if (borrow->outcome) break;
    if (!borrow->started) {
      std::erase_if(queue_, [&](const Entry& queued) { return queued.borrow == borrow; });
      co_return fail(Code::kTimeout, "the link did not take the bytes in time");
    }
    // The stream still reads our bytes: only closing it makes it let go of them.
    stream_.close();
    deadline = Deadline::never();
  }
  co_return *std::move(borrow->outcome);
}

// Moves frames from the queue to the batch and lists their bytes. A batch ends with a file's bytes.
void FrameWriter::take_batch() {
  std::size_t bytes = 0;
  while (!queue_.empty() && bytes < kBatchBytes && batch_.size() < kBatchFrames) {
    batch_.push_back(std::move(queue_.front()));
    queue_.pop_front();
    Entry& entry = batch_.back();
    if (entry.borrow != nullptr) entry.borrow->started = true;
    const ByteView bulk = entry.borrow != nullptr ? entry.borrowed : entry.bulk.view();
    bytes += entry.head.size() + bulk.size();
    pieces_.push_back(as_bytes(entry.head));
    if (!bulk.empty()) pieces_.push_back(bulk);
    if (entry.run != nullptr) break;
  }
}

Task<Status> FrameWriter::write_batch() {
  HYDRA_CO_CHECK_OK(co_await stream_.write(pieces_, Deadline::never()));
  if (const FileRun* const run = batch_.back().run.get())
    co_return co_await file_sender_->send(*run, Deadline::never());
  co_return Status();
}

void FrameWriter::settle(std::deque<Entry>& entries, const Status& outcome) {
  for (Entry& entry : entries) {
    if (entry.borrow == nullptr) continue;
    entry.borrow->outcome = outcome;
    entry.borrow->done_waiters.resume_all();
  }
  entries.clear();
}

Task<void> FrameWriter::run() {
  while (!closed_) {
    if (queue_.empty()) {
      idle_.reset();
      co_await idle_.wait();
      continue;
    }
    take_batch();
    busy_since_ = loop_.now();
    const Status written = co_await write_batch();
    busy_since_ = 0;
    pieces_.clear();
    settle(batch_, written);
    if (!written) close();
  }
}

void FrameWriter::close() {
  closed_ = true;
  idle_.set();
  settle(queue_, fail(Code::kUnavailable, "the link is down"));
}

Task<void> Link::write_frames(std::shared_ptr<Link> link) {
  co_await link->writer.run();
  link->close();
}

Task<void> Link::keep_alive(std::shared_ptr<Link> link, Nanos interval,
                            std::function<std::string()> make_heartbeat) {
  link->last_received = link->loop.now();
  while (!link->closed.is_set()) {
    link->writer.send(make_heartbeat());
    if (co_await link->closed.wait(link->loop.after(interval))) break;
    const Nanos now = link->loop.now();
    const Nanos busy_since = link->writer.busy_since();
    if (now - link->last_received > kLinkSilence) link->close();
    if (busy_since != 0 && now - busy_since > kLinkSilence) link->close();
  }
}

}  // namespace hydra::agent
