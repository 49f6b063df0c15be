// LogWalker: finds the records of a log from its bytes, past abandoned and damaged ones. Sans-I/O:
// it says which bytes it needs and is given them; so replay, compaction and the fuzzer share it.
// One walk, one owner, any thread.
//
// A valid header gives the length of its record. Where there is none, the walker looks on for the
// next one at the record alignment; if it finds one the bytes between are a Gap, if not the log
// ends where it lost the trail.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "nodeagent/store/log_format.h"

namespace hydra::agent {

class LogWalker {
 public:
  // Call step() again with bytes from `offset` on, at least `length` of them. `searching`: it will
  // want much more.
  struct Need {
    std::uint64_t offset;
    std::uint64_t length;
    bool searching;
  };
  struct Shard {
    RecordHeader header;
    std::optional<Trailer> trailer;  // none: it was not committed
  };
  struct Tombstone {
    RecordHeader header;
  };
  // Bytes that are no record, with a record behind them.
  struct Gap {
    std::uint64_t offset;
    std::uint64_t bytes;
  };
  // No record at or after `offset`; `clean`: only zeros are. After a seal there is nothing to look
  // for.
  struct End {
    std::uint64_t offset;
    bool clean;
    bool sealed;
    std::uint64_t seal_sequence;
  };
  using Step = std::variant<Need, Shard, Tombstone, Gap, End>;

  // Walks records of this node and generation within [from, log_bytes).
  LogWalker(NodeIdentity node, std::uint64_t generation, std::uint64_t from,
            std::uint64_t log_bytes);

  // The next thing found, given a window of the log that begins at `window_offset`. After End, do
  // not call.
  Step step(std::uint64_t window_offset, ByteView window);

 private:
  std::optional<RecordHeader> header_at(std::uint64_t offset, ByteView bytes) const;
  std::optional<Step> search(std::uint64_t window_offset, ByteView window);
  Step take(const RecordHeader& header, ByteView header_bytes, std::uint64_t window_offset,
            ByteView window);

  NodeIdentity node_;
  std::uint64_t generation_;
  std::uint64_t at_;  // of the next record; the next place to look at when searching
  std::uint64_t log_bytes_;
  std::optional<std::uint64_t> lost_at_;  // searching since this offset
  bool zeros_ = true;                     // all bytes since lost_at_
  // A shard whose header was read while its trailer is still needed.
  std::optional<RecordHeader> waiting_;
  RecordHeaderBytes waiting_bytes_{};
};

}  // namespace hydra::agent
