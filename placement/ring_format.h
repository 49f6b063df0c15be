// How an epoch of the ring is written, version 1; docs/FORMAT-ring.md is its page. Little-endian.
// Sans I/O.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "placement/ring.h"

namespace hydra::placement {

namespace ring_format {

constexpr std::uint32_t kMagic = 0x4e525948;  // the bytes "HYRN"
constexpr std::uint16_t kVersion = 1;

// Offsets of the header.
constexpr std::size_t kMagicAt = 0;        // u32
constexpr std::size_t kVersionAt = 4;      // u16
constexpr std::size_t kArcBitsAt = 6;      // u16
constexpr std::size_t kEpochAt = 8;        // u64
constexpr std::size_t kNodeCountAt = 16;   // u32
constexpr std::size_t kTableCountAt = 20;  // u32
constexpr std::size_t kHeaderBytes = 24;

// Offsets of a node record; its name and its zone follow.
constexpr std::size_t kNodeIdAt = 0;         // u32
constexpr std::size_t kNodeFlagsAt = 4;      // u16, bit 0: draining
constexpr std::size_t kNodeNameBytesAt = 6;  // u8
constexpr std::size_t kNodeZoneBytesAt = 7;  // u8
constexpr std::size_t kNodeCapacityAt = 8;   // u64
constexpr std::size_t kNodeWeightAt = 16;    // u64, the bits of an IEEE 754 double
constexpr std::size_t kNodeBytes = 24;
constexpr std::uint16_t kFlagDraining = 1;

// Offsets of a table record; kArcs * width slots of u16 follow, each an index into the node
// records.
constexpr std::size_t kTableKAt = 0;      // u8
constexpr std::size_t kTableMAt = 1;      // u8
constexpr std::size_t kTableWidthAt = 2;  // u8
constexpr std::size_t kTableZeroAt = 3;   // u8, zero
constexpr std::size_t kTableBytes = 4;
constexpr std::size_t kSlotBytes = 2;

constexpr std::size_t kCrcBytes = 4;  // at the end: CRC32C of all that is before

static_assert(kTableCountAt + 4 == kHeaderBytes);
static_assert(kNodeWeightAt + 8 == kNodeBytes);
static_assert(kTableZeroAt + 1 == kTableBytes);
static_assert(kMaxNodes <= 1u << (8 * kSlotBytes));
static_assert(kMaxNodeText <= 0xff);

}  // namespace ring_format

std::string encode_ring(const Ring& ring);

// kCorrupt for anything that encode_ring would not write, kUnsupported for another version.
Result<Ring> decode_ring(ByteView bytes);

}  // namespace hydra::placement
