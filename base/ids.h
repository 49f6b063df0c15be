// The 16-byte random identifiers of the grid. Never reused.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstring>
#include <functional>
#include <string>

#include "base/bytes.h"

namespace hydra {

template <typename Tag>
struct Id {
  std::array<std::byte, 16> bytes{};

  auto operator<=>(const Id&) const = default;
  ByteView view() const { return bytes; }
  static Id from(ByteView sixteen) {
    Id id;
    std::memcpy(id.bytes.data(), sixteen.data(), id.bytes.size());
    return id;
  }
  // 32 lower-case hexadecimal digits.
  std::string to_string() const {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (std::byte b : bytes) {
      text += kDigits[std::to_integer<unsigned>(b) >> 4];
      text += kDigits[std::to_integer<unsigned>(b) & 15];
    }
    return text;
  }
};

using ExtentId = Id<struct ExtentTag>;
using BodyId = Id<struct BodyTag>;
using ClusterId = Id<struct ClusterTag>;
using NodeIdentity = Id<struct NodeTag>;  // an agent's own name for itself, kept on its device

// Extent ids that begin with six bytes ff are those of the journal's records and roots
// (docs/FORMAT-journal.md): no row of the catalog names them. All others begin with a time.
inline bool is_reserved(const ExtentId& id) {
  for (std::size_t i = 0; i < 6; ++i)
    if (id.bytes[i] != std::byte{0xff}) return false;
  return true;
}

// The short number the catalog gives a node when it joins; 0 is no node.
using NodeId = std::uint32_t;

// One column of an extent.
struct ShardId {
  ExtentId extent;
  std::uint8_t index = 0;
  auto operator<=>(const ShardId&) const = default;
};

}  // namespace hydra

template <typename Tag>
struct std::hash<hydra::Id<Tag>> {
  std::size_t operator()(const hydra::Id<Tag>& id) const {
    std::size_t value;
    std::memcpy(&value, id.bytes.data(), sizeof value);
    return value;
  }
};
template <>
struct std::hash<hydra::ShardId> {
  std::size_t operator()(const hydra::ShardId& id) const {
    return std::hash<hydra::ExtentId>()(id.extent) * 31 + id.index;
  }
};
