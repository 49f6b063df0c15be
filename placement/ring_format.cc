#include "placement/ring_format.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/endian.h"

namespace hydra::placement {

namespace {

using namespace ring_format;

template <std::unsigned_integral T>
void put(std::string& out, T value) {
  char bytes[sizeof value];
  store_le(bytes, value);
  out.append(bytes, sizeof bytes);
}

void put_node(std::string& out, const Node& node) {
  put(out, node.id);
  put<std::uint16_t>(out, node.draining ? kFlagDraining : 0);
  put(out, static_cast<std::uint8_t>(node.name.size()));
  put(out, static_cast<std::uint8_t>(node.zone.size()));
  put(out, node.capacity_bytes);
  put(out, std::bit_cast<std::uint64_t>(node.weight));
  out += node.name;
  out += node.zone;
}

void put_table(std::string& out, const RingTable& table, std::span<const Node> roster) {
  put(out, table.profile.k);
  put(out, table.profile.m);
  put(out, table.width);
  put<std::uint8_t>(out, 0);
  for (const NodeId id : table.slots) {
    const auto at =
        std::lower_bound(roster.begin(), roster.end(), id,
                         [](const Node& node, NodeId wanted) { return node.id < wanted; });
    HYDRA_ASSERT(at != roster.end() && at->id == id);
    put(out, static_cast<std::uint16_t>(at - roster.begin()));
  }
}

// Takes the next bytes off the front of what is left; an empty view when there are too few.
class Cursor {
 public:
  explicit Cursor(ByteView bytes) : left_(bytes) {}
  bool has(std::size_t count) const { return left_.size() >= count; }
  ByteView take(std::size_t count) {
    HYDRA_ASSERT(has(count));
    const ByteView taken = left_.first(count);
    left_ = left_.subspan(count);
    return taken;
  }
  bool empty() const { return left_.empty(); }

 private:
  ByteView left_;
};

tl::unexpected<Error> corrupt(const char* what) {
  return fail(Code::kCorrupt, std::string("ring epoch: ") + what);
}

Status take_node(Cursor& cursor, ClusterMap& roster) {
  if (!cursor.has(kNodeBytes)) return corrupt("truncated node");
  const std::byte* at = cursor.take(kNodeBytes).data();
  const auto name_bytes = load_le<std::uint8_t>(at + kNodeNameBytesAt);
  const auto zone_bytes = load_le<std::uint8_t>(at + kNodeZoneBytesAt);
  const auto flags = load_le<std::uint16_t>(at + kNodeFlagsAt);
  if ((flags & ~kFlagDraining) != 0) return corrupt("unknown node flags");
  Node node;
  node.id = NodeId{load_le<std::uint32_t>(at + kNodeIdAt)};
  node.capacity_bytes = load_le<std::uint64_t>(at + kNodeCapacityAt);
  node.weight = std::bit_cast<double>(load_le<std::uint64_t>(at + kNodeWeightAt));
  node.draining = (flags & kFlagDraining) != 0;
  if (!cursor.has(std::size_t{name_bytes} + zone_bytes)) return corrupt("truncated node");
  node.name = as_text(cursor.take(name_bytes));
  node.zone = as_text(cursor.take(zone_bytes));
  if (roster.size() > 0 && roster.nodes().back().id >= node.id) return corrupt("order of nodes");
  if (!roster.put(std::move(node))) return corrupt("bad node");
  return {};
}

Result<RingTable> take_table(Cursor& cursor, std::span<const Node> roster) {
  if (!cursor.has(kTableBytes)) return corrupt("truncated table");
  const std::byte* at = cursor.take(kTableBytes).data();
  RingTable table;
  table.profile = {load_le<std::uint8_t>(at + kTableKAt), load_le<std::uint8_t>(at + kTableMAt)};
  table.width = load_le<std::uint8_t>(at + kTableWidthAt);
  if (!table.profile.valid() || table.width > table.profile.shards() ||
      table.width > roster.size() || load_le<std::uint8_t>(at + kTableZeroAt) != 0)
    return corrupt("bad table");
  const std::size_t slots = std::size_t{kArcs} * table.width;
  if (!cursor.has(slots * kSlotBytes)) return corrupt("truncated table");
  const ByteView bytes = cursor.take(slots * kSlotBytes);
  table.slots.reserve(slots);
  for (std::size_t i = 0; i < slots; ++i) {
    const auto index = load_le<std::uint16_t>(bytes.data() + i * kSlotBytes);
    if (index >= roster.size()) return corrupt("slot names no node");
    const NodeId id = roster[index].id;
    const auto row = table.slots.end() - static_cast<std::ptrdiff_t>(i % table.width);
    if (std::find(row, table.slots.end(), id) != table.slots.end())
      return corrupt("a node twice on an arc");
    table.slots.push_back(id);
  }
  return table;
}

}  // namespace

std::string encode_ring(const Ring& ring) {
  std::string out;
  put(out, kMagic);
  put(out, kVersion);
  put<std::uint16_t>(out, kArcBits);
  put(out, ring.epoch());
  put(out, static_cast<std::uint32_t>(ring.roster().size()));
  put(out, static_cast<std::uint32_t>(ring.tables().size()));
  HYDRA_ASSERT(out.size() == kHeaderBytes);
  for (const Node& node : ring.roster().nodes()) put_node(out, node);
  for (const RingTable& table : ring.tables()) put_table(out, table, ring.roster().nodes());
  put(out, crc32c(as_bytes(out)));
  return out;
}

Result<Ring> decode_ring(ByteView bytes) {
  if (bytes.size() < kHeaderBytes + kCrcBytes) return corrupt("truncated");
  const std::byte* header = bytes.data();
  if (load_le<std::uint32_t>(header + kMagicAt) != kMagic) return corrupt("bad magic");
  if (load_le<std::uint16_t>(header + kVersionAt) != kVersion)
    return fail(Code::kUnsupported, "ring epoch: unknown version");
  const ByteView content = bytes.first(bytes.size() - kCrcBytes);
  if (load_le<std::uint32_t>(bytes.data() + content.size()) != crc32c(content))
    return corrupt("bad checksum");
  if (load_le<std::uint16_t>(header + kArcBitsAt) != kArcBits) return corrupt("number of arcs");

  Cursor cursor(content.subspan(kHeaderBytes));
  ClusterMap roster;
  const auto node_count = load_le<std::uint32_t>(header + kNodeCountAt);
  for (std::uint32_t i = 0; i < node_count; ++i) HYDRA_CHECK_OK(take_node(cursor, roster));
  std::vector<RingTable> tables;
  const auto table_count = load_le<std::uint32_t>(header + kTableCountAt);
  for (std::uint32_t i = 0; i < table_count; ++i) {
    HYDRA_TRY(RingTable table, take_table(cursor, roster.nodes()));
    if (!tables.empty() && tables.back().profile >= table.profile)
      return corrupt("order of tables");
    tables.push_back(std::move(table));
  }
  if (!cursor.empty()) return corrupt("bytes after the end");
  return Ring(load_le<std::uint64_t>(header + kEpochAt), std::move(roster), std::move(tables));
}

}  // namespace hydra::placement
