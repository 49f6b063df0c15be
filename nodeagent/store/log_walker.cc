#include "nodeagent/store/log_walker.h"

#include <algorithm>

#include "base/assert.h"
#include "base/endian.h"

namespace hydra::agent {
namespace {

// The `length` bytes at `offset`, or nothing when the window does not cover them.
std::optional<ByteView> cut(std::uint64_t window_offset, ByteView window, std::uint64_t offset,
                            std::uint64_t length) {
  if (offset < window_offset || offset - window_offset > window.size()) return std::nullopt;
  const std::uint64_t skip = offset - window_offset;
  if (window.size() - skip < length) return std::nullopt;
  return window.subspan(skip, length);
}

bool all_zeros(ByteView bytes) {
  // Every byte equals the one before it, and the first is zero.
  return bytes.empty() || (bytes[0] == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

LogWalker::LogWalker(NodeIdentity node, std::uint64_t generation, std::uint64_t from,
                     std::uint64_t log_bytes)
    : node_(node),
      generation_(generation),
      at_(std::max(round_up(from, kRecordAlignment), kFirstRecord)),
      log_bytes_(log_bytes) {}

std::optional<RecordHeader> LogWalker::header_at(std::uint64_t offset, ByteView bytes) const {
  if (load_le<std::uint32_t>(bytes.data()) != kRecordMagic) return std::nullopt;
  auto header = decode_record_header(bytes);
  if (!header || header->node != node_ || header->generation != generation_ ||
      header->offset != offset || header->record_bytes > log_bytes_ - offset)
    return std::nullopt;
  return std::move(*header);
}

LogWalker::Step LogWalker::take(const RecordHeader& header, ByteView header_bytes,
                                std::uint64_t window_offset, ByteView window) {
  if (header.type == RecordType::kShard) {
    const std::uint32_t blocks = header.layout.stripes();
    const std::uint64_t length = trailer_bytes(blocks);
    const auto bytes = cut(window_offset, window, header.end() - length, length);
    if (!bytes) {
      waiting_ = header;
      std::copy_n(header_bytes.begin(), kRecordHeaderBytes, waiting_bytes_.begin());
      return Need{header.end() - length, length, false};
    }
    auto trailer = decode_trailer(header_bytes, blocks, *bytes);
    waiting_.reset();
    at_ = header.end();
    if (!trailer) return Shard{header, std::nullopt};
    return Shard{header, std::move(*trailer)};
  }
  at_ = header.end();
  if (header.type == RecordType::kTombstone) return Tombstone{header};
  HYDRA_ASSERT(header.type == RecordType::kSeal);
  return End{header.offset, true, true, header.sequence};
}

// Looks for a valid header in the window. Returns what to tell the caller, or nothing when there is
// one at at_.
std::optional<LogWalker::Step> LogWalker::search(std::uint64_t window_offset, ByteView window) {
  while (log_bytes_ >= kRecordHeaderBytes && at_ <= log_bytes_ - kRecordHeaderBytes) {
    const auto bytes = cut(window_offset, window, at_, kRecordHeaderBytes);
    if (!bytes) return Need{at_, kRecordHeaderBytes, true};
    if (header_at(at_, *bytes)) {
      const Gap gap{*lost_at_, at_ - *lost_at_};
      lost_at_.reset();
      if (gap.bytes > 0) return gap;
      return std::nullopt;
    }
    zeros_ = zeros_ && all_zeros(bytes->first(kRecordAlignment));
    at_ += kRecordAlignment;
  }
  if (at_ < log_bytes_) {
    const auto rest = cut(window_offset, window, at_, log_bytes_ - at_);
    if (!rest) return Need{at_, log_bytes_ - at_, true};
    zeros_ = zeros_ && all_zeros(*rest);
  }
  return End{*lost_at_, zeros_, false, 0};
}

LogWalker::Step LogWalker::step(std::uint64_t window_offset, ByteView window) {
  for (;;) {
    if (waiting_)
      return take(RecordHeader(*waiting_), RecordHeaderBytes(waiting_bytes_), window_offset,
                  window);
    if (lost_at_)
      if (auto found = search(window_offset, window)) return *found;
    if (at_ >= log_bytes_ || log_bytes_ - at_ < kRecordHeaderBytes) {
      lost_at_ = at_;
      zeros_ = true;
      continue;
    }
    const auto bytes = cut(window_offset, window, at_, kRecordHeaderBytes);
    if (!bytes) return Need{at_, kRecordHeaderBytes, false};
    const auto header = header_at(at_, *bytes);
    if (!header) {
      lost_at_ = at_;
      zeros_ = true;
      continue;
    }
    if (header->type == RecordType::kPad) {
      at_ = header->end();
      continue;
    }
    return take(*header, *bytes, window_offset, window);
  }
}

}  // namespace hydra::agent
