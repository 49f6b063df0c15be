// The rows of a whole catalog as one stream: what a snapshot's body holds. Sans-I/O; the body's own
// seals guard its integrity. docs/FORMAT-journal.md has the table. Belongs to one thread at a time.
//
// Local rows (journal_format.h) are left out.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "gateway/journal/journal_format.h"

namespace hydra::journal {

struct SnapshotHead {
  ClusterId cluster;
  std::uint64_t sequence = 0;  // all commits up to this one are in it
  Mark mark{};                 // of that commit's record
  bool operator==(const SnapshotHead&) const = default;
};

constexpr std::size_t kSnapshotHeadBytes = 5 + 16 + 8 + 16;
constexpr std::size_t kSnapshotRowOverhead = 4 + 4;
constexpr std::size_t kSnapshotEndBytes = 4 + 8;

void append_head(std::string& out, const SnapshotHead& head);
void append_row(std::string& out, ByteView key, ByteView value);
void append_end(std::string& out, std::uint64_t rows);

// Takes the stream in pieces of any size.
class SnapshotDecoder {
 public:
  using Visit = std::function<Status(ByteView key, ByteView value)>;  // views are valid during it

  // kCorrupt, kUnsupported, or what `visit` returned.
  Status feed(ByteView bytes, const Visit& visit);
  const std::optional<SnapshotHead>& head() const { return head_; }
  std::uint64_t rows() const { return rows_; }
  bool complete() const { return complete_; }  // the end was there, and nothing after it

 private:
  // Takes one item from the front of `bytes`; 0: more bytes are needed.
  Result<std::size_t> take(ByteView bytes, const Visit& visit);
  Result<std::size_t> take_head(ByteView bytes);

  std::string held_;
  std::optional<SnapshotHead> head_;
  std::uint64_t rows_ = 0;
  std::string last_key_;
  bool complete_ = false;
};

}  // namespace hydra::journal
