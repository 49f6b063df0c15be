// How keys of up to kMaxKeyBytes lie in LMDB rows, whose keys are at most 511 bytes.
// docs/FORMAT-kv.md is the page for people. Byte order of keys is byte order of rows, so that a
// scan of keys is a scan of rows.
//
// A key is cut into pieces of kPieceBytes. Its first piece lies in the root namespace; a full piece
// that continues is a row whose value names the child namespace in which the rest lies.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/endian.h"

namespace hydra::kv::lmdb_format {

constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kPieceBytes = 480;
constexpr std::size_t kNamespaceIdBytes = 8;

// The first byte of a row's key.
constexpr std::byte kMetaTag{0x00};   // the version row and no other
constexpr std::byte kRootTag{0x01};   // then a piece
constexpr std::byte kChildTag{0x02};  // then a namespace id (big-endian), then a piece

// The byte after a piece of exactly kPieceBytes; shorter pieces have none.
constexpr std::byte kEnds{0x00};
constexpr std::byte kContinues{0x01};

constexpr std::uint64_t kRootNamespace = 0;
constexpr std::uint64_t kFirstChildNamespace = 1;

constexpr std::size_t kMaxRowBytes = 1 + kNamespaceIdBytes + kPieceBytes + 1;
static_assert(kMaxRowBytes == 490 && kMaxRowBytes <= 511, "LMDB's limit for keys");

constexpr std::size_t prefix_bytes(std::uint64_t ns) {
  return ns == kRootNamespace ? 1 : 1 + kNamespaceIdBytes;
}

// The key of one row, built in place.
class RowKey {
 public:
  // The row that comes at or before every row of a namespace.
  static RowKey first_of(std::uint64_t ns) {
    RowKey row;
    if (ns == kRootNamespace) {
      row.add(kRootTag);
      return row;
    }
    row.add(kChildTag);
    store_be<std::uint64_t>(row.bytes_.data() + row.size_, ns);
    row.size_ += kNamespaceIdBytes;
    return row;
  }
  // The row that comes after every row of a namespace and at or before those of the next.
  static RowKey end_of(std::uint64_t ns) {
    if (ns != kRootNamespace && ns != UINT64_MAX) return first_of(ns + 1);
    RowKey row;
    row.add(ns == kRootNamespace ? kChildTag : std::byte{0xff});
    return row;
  }
  // The row of the first piece of `rest`, which may be empty when it is only sought.
  static RowKey of(std::uint64_t ns, ByteView rest) {
    if (rest.size() >= kPieceBytes)
      return full(ns, rest.first(kPieceBytes), rest.size() == kPieceBytes ? kEnds : kContinues);
    RowKey row = first_of(ns);
    row.add(rest);
    return row;
  }
  // The row where `piece` (of kPieceBytes) continues, and the place just after it.
  static RowKey continued(std::uint64_t ns, ByteView piece) { return full(ns, piece, kContinues); }
  static RowKey after_continued(std::uint64_t ns, ByteView piece) {
    return full(ns, piece, std::byte{0x02});
  }
  static RowKey version() {
    RowKey row;
    row.add(kMetaTag);
    row.add(as_bytes("version"));
    return row;
  }

  ByteView view() const { return {bytes_.data(), size_}; }

 private:
  static RowKey full(std::uint64_t ns, ByteView piece, std::byte suffix) {
    HYDRA_ASSERT(piece.size() == kPieceBytes);
    RowKey row = first_of(ns);
    row.add(piece);
    row.add(suffix);
    return row;
  }
  void add(std::byte byte) { bytes_[size_++] = byte; }
  void add(ByteView bytes) {
    if (!bytes.empty()) std::memcpy(bytes_.data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }

  std::array<std::byte, kMaxRowBytes> bytes_;
  std::size_t size_ = 0;
};

// A row's key taken apart. std::nullopt from parse: it is not one of ours.
struct Row {
  std::uint64_t ns;
  ByteView piece;
  bool continues;

  static std::optional<Row> parse(ByteView row) {
    if (row.empty()) return std::nullopt;
    Row out{kRootNamespace, {}, false};
    if (row[0] == kChildTag) {
      if (row.size() < prefix_bytes(kFirstChildNamespace)) return std::nullopt;
      out.ns = load_be<std::uint64_t>(row.data() + 1);
      if (out.ns == kRootNamespace) return std::nullopt;
    } else if (row[0] != kRootTag) {
      return std::nullopt;
    }
    out.piece = row.subspan(prefix_bytes(out.ns));
    if (out.piece.empty() || out.piece.size() > kPieceBytes + 1) return std::nullopt;
    if (out.piece.size() == kPieceBytes) return std::nullopt;
    if (out.piece.size() == kPieceBytes + 1) {
      std::byte suffix = out.piece.back();
      if (suffix != kEnds && suffix != kContinues) return std::nullopt;
      out.continues = suffix == kContinues;
      out.piece = out.piece.first(kPieceBytes);
    }
    return out;
  }
};

// The value of a row that continues: the id of its child namespace, the same bytes as in that one's
// rows.
using NamespaceId = std::array<std::byte, kNamespaceIdBytes>;
inline NamespaceId encode_namespace(std::uint64_t ns) {
  NamespaceId out;
  store_be<std::uint64_t>(out.data(), ns);
  return out;
}
inline std::optional<std::uint64_t> decode_namespace(ByteView value) {
  if (value.size() != kNamespaceIdBytes) return std::nullopt;
  auto ns = load_be<std::uint64_t>(value.data());
  if (ns == kRootNamespace) return std::nullopt;
  return ns;
}

}  // namespace hydra::kv::lmdb_format
