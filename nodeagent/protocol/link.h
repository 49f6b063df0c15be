// Link: one stream between a gateway worker and an agent, with a reader and a writer of frames.
//
// Both ends use it. A Link belongs to one loop and is kept alive (shared_ptr) by the tasks that
// read and write it. One task reads; any task of the loop may send. Bytes are not copied on the way
// out: a frame's bulk is either owned by the queue (a Buffer) or borrowed from a sender who waits
// until it was written. On the way in, small frames are parsed from one read-ahead buffer, and bulk
// goes straight to where the reader wants it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/runtime/file_sending.h"
#include "base/runtime/io.h"
#include "base/runtime/sync.h"
#include "nodeagent/protocol/frame_format.h"

namespace hydra::agent {

constexpr Nanos kHeartbeatInterval = kSecond;
constexpr Nanos kLinkSilence = 10 * kSecond;  // a link that says nothing for so long is cut

// Links over TCP are TLS by the node's key, also on the loopback, so that neither side has to guess
// what the other will do. A unix socket is protected by its directory.
inline bool link_needs_tls(const Address& address) { return !address.is_unix(); }

// A request's deadline as its frame carries it; 0 for none, at least 1 otherwise.
std::uint32_t deadline_to_ms(const Loop& loop, Deadline deadline);
Deadline deadline_from_ms(const Loop& loop, std::uint32_t deadline_ms);

struct Frame {
  FrameHeader header;
  ByteView fields;  // checked; valid until the next call of next()
};

class FrameReader {
 public:
  explicit FrameReader(Stream& stream);

  // The next frame's header and fields. kClosed when the peer ended between frames; kCorrupt,
  // kUnsupported and kTooLarge mean that the stream is lost.
  Task<Result<Frame>> next(Deadline deadline = Deadline::never());
  // When header.bulk_bytes > 0, exactly one of these follows next(). `into` has that size.
  Task<Status> read_bulk(MutableBytes into);
  Task<Status> skip_bulk();

  // Nothing was read ahead.
  bool drained() const { return begin_ == end_; }

 private:
  Task<Status> fill(std::size_t wanted, Deadline deadline);

  Stream& stream_;
  Buffer ahead_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t read_size_;
  std::uint32_t bulk_left_ = 0;
};

// For the handshake, which speaks in turns: writes one frame; reads one, which must be of the given
// type. An ERROR of the peer becomes that error, "refused: " before its message.
Task<Status> send_frame(Stream& stream, FrameType type, std::string fields, Deadline deadline);
Task<Result<Frame>> expect_frame(FrameReader& reader, FrameType type, Deadline deadline);

// The queue of frames to be written, and the one task that writes them: what is queued in one turn
// goes out in one write.
class FrameWriter {
 public:
  FrameWriter(Loop& loop, Stream& stream)
      : loop_(loop),
        stream_(stream),
        file_sender_(dynamic_cast<FileSender*>(&stream)),
        idle_(loop) {}

  // Queues a frame (made by encode_frame) with its bulk. `hold` is kept until it was written.
  // Dropped when the writer is closed.
  void send(std::string head, Buffer bulk = {}, Semaphore::Hold hold = {});
  // The same with bulk that is sent from its file, if the stream can do that.
  bool sends_files() const { return file_sender_ != nullptr; }
  void send(std::string head, FileRun bulk, Semaphore::Hold hold);
  // Sends a frame whose bulk stays the caller's; returns when it may be reused. If the deadline
  // passes while the frame waits, it is taken back (kTimeout); if it passes in the middle of the
  // write, the stream is closed.
  Task<Status> send_borrowed(std::string head, ByteView bulk, Deadline deadline);

  // Writes until close() or an error.
  Task<void> run();
  void close();

  // Frames that wait to be written.
  std::size_t queued() const { return queue_.size(); }
  // When the write that is under way began; 0 when none is.
  Nanos busy_since() const { return busy_since_; }

 private:
  struct Borrow {
    detail::WaitList done_waiters;
    bool started = false;
    std::optional<Status> outcome;
  };
  struct Entry {
    std::string head;
    Buffer bulk;
    ByteView borrowed;
    std::shared_ptr<Borrow> borrow;  // shared: either frame may be torn down first
    std::unique_ptr<FileRun> run;
    Semaphore::Hold hold;
  };
  void push(Entry entry);
  void take_batch();
  Task<Status> write_batch();
  void settle(std::deque<Entry>& entries, const Status& outcome);

  Loop& loop_;
  Stream& stream_;
  FileSender* const file_sender_;  // the stream, or null
  Event idle_;                     // set when there is something to do
  bool closed_ = false;
  Nanos busy_since_ = 0;
  std::deque<Entry> queue_;
  std::deque<Entry> batch_;
  std::vector<ByteView> pieces_;
};

struct Link {
  Link(Loop& owner, std::unique_ptr<Stream> connected)
      : loop(owner),
        stream(std::move(connected)),
        reader(*stream),
        writer(owner, *stream),
        closed(owner) {}

  // Ends the link at once; its tasks end soon after.
  void close() {
    if (closed.is_set()) return;
    closed.set();
    writer.close();
    stream->close();
  }
  // Sends a heartbeat each interval, and closes the link when the peer has been silent, or a write
  // has not moved, for kLinkSilence. Runs until the link is closed. `make_heartbeat` gives the
  // frame.
  static Task<void> keep_alive(std::shared_ptr<Link> link, Nanos interval,
                               std::function<std::string()> make_heartbeat);
  static Task<void> write_frames(std::shared_ptr<Link> link);

  Loop& loop;
  std::unique_ptr<Stream> stream;
  FrameReader reader;
  FrameWriter writer;
  Event closed;
  Nanos last_received = 0;  // kept by whoever reads
};

}  // namespace hydra::agent
