// The receiving side of a connection: one buffer, reused for every head. The head of the current
// request stays in place (pinned) while its body is read behind it.
#pragma once

#include "base/assert.h"
#include "base/bytes.h"
#include "base/runtime/io.h"

namespace hydra::http {

class Input {
 public:
  // `head_bytes` for the longest head, and room behind it for the framing of a chunked body.
  Input(Stream& stream, std::size_t head_bytes)
      : stream_(stream), memory_(head_bytes + kFramingBytes) {
    memory_.resize(memory_.capacity());
  }

  ByteView unread() const { return {memory_.data() + begin_, end_ - begin_}; }
  void consume(std::size_t bytes) {
    HYDRA_ASSERT(bytes <= end_ - begin_);
    begin_ += bytes;
  }

  // Keeps what was consumed so far where it is, until rewind().
  void pin() { pinned_ = begin_; }
  // Moves what is unread to the front of the buffer; views into it end here.
  void rewind() {
    std::memmove(memory_.data(), memory_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = pinned_ = 0;
  }

  // Appends to what is unread; 0 when the peer ended its side.
  Task<Result<std::size_t>> fill(Deadline deadline) {
    if (begin_ == end_) begin_ = end_ = pinned_;
    HYDRA_ASSERT(end_ < memory_.size());
    auto count = co_await stream_.read(memory_.span().subspan(end_), deadline);
    if (count) end_ += *count;
    co_return count;
  }

  // Past the buffer; only while nothing is unread.
  Task<Result<std::size_t>> read_direct(MutableBytes into, Deadline deadline) {
    HYDRA_ASSERT(begin_ == end_);
    return stream_.read(into, deadline);
  }

 private:
  static constexpr std::size_t kFramingBytes = 4096;

  Stream& stream_;
  Buffer memory_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t pinned_ = 0;
};

}  // namespace hydra::http
