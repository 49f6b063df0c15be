// The six files of the floor and a spare one, one a directory: preallocated, written at fixed
// places, unlinked at the end. Shared by all threads; each writes and reads its own bodies only.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/floor/physics.h"

namespace hydra::bench {

// How a body lies on the shelf: full stripes, then one of short blocks, padded to 64 bytes.
struct BodyShape {
  explicit BodyShape(std::uint64_t plain_bytes);

  std::uint64_t plain;
  std::uint64_t sealed;
  std::uint64_t stripes;
  std::uint64_t shard_bytes;  // up to the next page

  std::size_t block_bytes(std::uint64_t stripe) const;
};

class Shelf {
 public:
  // Makes directory/shard-0 to shard-5 with room for so many bodies; exits on failure.
  Shelf(std::string directory, BodyShape shape, std::uint64_t bodies);
  ~Shelf();

  // Six blocks of one stripe, end to end: their CRCs are kept, the bytes written.
  void write(std::uint64_t body, std::uint64_t stripe, const Byte* blocks);
  void sync();
  // Four data blocks, end to end; false when a CRC does not fit.
  bool read(std::uint64_t body, std::uint64_t stripe, Byte* blocks) const;

  // Rebuilds one shard of a body into a file of its own, from four others, and syncs it; false when
  // a CRC does not fit.
  bool rebuild(std::uint64_t body, int lost, Physics& physics);
  // Writes back and drops what the page cache holds of the shards, so that they are read from disk.
  void forget_cached() const;

  const BodyShape& shape() const { return shape_; }
  std::uint64_t syncs() const { return syncs_; }

 private:
  std::uint64_t offset_of(std::uint64_t body, std::uint64_t stripe) const;
  // A block and whether it fits its CRC.
  bool read_block(std::uint64_t body, std::uint64_t stripe, int shard, Byte* block) const;
  std::size_t crc_place(std::uint64_t body, std::uint64_t stripe, int shard) const;

  std::string directory_;
  BodyShape shape_;
  std::array<int, kShards + 1> files_;  // the last one takes what is rebuilt
  std::vector<std::uint32_t> crcs_;
  std::atomic<std::uint64_t> syncs_ = 0;
};

// Prints what failed, with errno, and exits.
[[noreturn]] void die(const std::string& what);

}  // namespace hydra::bench
