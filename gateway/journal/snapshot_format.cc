#include "gateway/journal/snapshot_format.h"

#include <cstring>

#include "base/endian.h"
#include "base/kv/kv.h"

namespace hydra::journal {

namespace {
constexpr std::uint32_t kMagic = 0x4e534748;  // "HGSN"
constexpr std::uint8_t kVersion = 1;
constexpr std::uint32_t kEndMark = 0xffffffff;  // in place of a key's length

template <typename T>
void append_number(std::string& out, T value) {
  char bytes[sizeof value];
  store_le(bytes, value);
  out.append(bytes, sizeof bytes);
}
}  // namespace

void append_head(std::string& out, const SnapshotHead& head) {
  append_number(out, kMagic);
  out += static_cast<char>(kVersion);
  append(out, head.cluster.view());
  append_number(out, head.sequence);
  append(out, ByteView(head.mark));
}

void append_row(std::string& out, ByteView key, ByteView value) {
  append_number(out, static_cast<std::uint32_t>(key.size()));
  append_number(out, static_cast<std::uint32_t>(value.size()));
  append(out, key);
  append(out, value);
}

void append_end(std::string& out, std::uint64_t rows) {
  append_number(out, kEndMark);
  append_number(out, rows);
}

Result<std::size_t> SnapshotDecoder::take_head(ByteView bytes) {
  if (bytes.size() < kSnapshotHeadBytes) return 0;
  if (load_le<std::uint32_t>(bytes.data()) != kMagic)
    return fail(Code::kCorrupt, "this is no snapshot");
  if (bytes[4] != std::byte{kVersion})
    return fail(Code::kUnsupported,
                "a snapshot of version " + std::to_string(std::to_integer<int>(bytes[4])));
  SnapshotHead head;
  head.cluster = ClusterId::from(bytes.subspan(5, 16));
  head.sequence = load_le<std::uint64_t>(bytes.data() + 21);
  std::memcpy(head.mark.data(), bytes.data() + 29, head.mark.size());
  head_ = head;
  return kSnapshotHeadBytes;
}

Result<std::size_t> SnapshotDecoder::take(ByteView bytes, const Visit& visit) {
  if (complete_) return fail(Code::kCorrupt, "a snapshot with more behind its end");
  if (!head_) return take_head(bytes);
  if (bytes.size() < kSnapshotRowOverhead) return 0;
  const auto key_bytes = load_le<std::uint32_t>(bytes.data());
  if (key_bytes == kEndMark) {
    if (bytes.size() < kSnapshotEndBytes) return 0;
    if (load_le<std::uint64_t>(bytes.data() + 4) != rows_)
      return fail(Code::kCorrupt, "a snapshot that lacks rows");
    complete_ = true;
    return kSnapshotEndBytes;
  }
  const auto value_bytes = load_le<std::uint32_t>(bytes.data() + 4);
  if (key_bytes == 0 || key_bytes > kv::kMaxKeyBytes || value_bytes > kv::kMaxValueBytes)
    return fail(Code::kCorrupt, "a snapshot with a row that no catalog holds");
  const std::size_t size = kSnapshotRowOverhead + key_bytes + value_bytes;
  if (bytes.size() < size) return 0;
  const ByteView key = bytes.subspan(kSnapshotRowOverhead, key_bytes);
  if (as_text(key) <= std::string_view(last_key_))
    return fail(Code::kCorrupt, "a snapshot whose rows are out of order");
  HYDRA_CHECK_OK(visit(key, bytes.subspan(kSnapshotRowOverhead + key_bytes, value_bytes)));
  last_key_ = as_text(key);
  ++rows_;
  return size;
}

Status SnapshotDecoder::feed(ByteView bytes, const Visit& visit) {
  append(held_, bytes);
  std::size_t at = 0;
  while (at < held_.size()) {
    HYDRA_TRY(const std::size_t took, take(as_bytes(held_).subspan(at), visit));
    if (took == 0) break;
    at += took;
  }
  held_.erase(0, at);
  return {};
}

}  // namespace hydra::journal
