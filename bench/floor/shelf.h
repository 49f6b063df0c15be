// The six files of the floor, one a directory: preallocated, written at fixed places, unlinked at
// the end. Shared by all threads; each writes and reads its own bodies only.
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

  const BodyShape& shape() const { return shape_; }
  std::uint64_t syncs() const { return syncs_; }

 private:
  std::uint64_t offset_of(std::uint64_t body, std::uint64_t stripe) const;
  std::uint32_t& crc_of(std::uint64_t body, std::uint64_t stripe, int shard);

  std::string directory_;
  BodyShape shape_;
  std::array<int, kShards> files_;
  std::vector<std::uint32_t> crcs_;
  std::atomic<std::uint64_t> syncs_ = 0;
};

// Prints what failed, with errno, and exits.
[[noreturn]] void die(const std::string& what);

}  // namespace hydra::bench
