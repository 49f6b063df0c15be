// What a simulated file holds: sparse bytes, size and reserved space, and the changes that lead
// from one image to the next. Internal to the simulated disk.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/runtime/sim/random.h"

namespace hydra::sim {

constexpr std::uint64_t kSectorBytes = 512;  // a disk writes a sector whole or not at all
constexpr std::uint64_t kPageBytes = 4096;   // space is taken by the page

// Bytes of which most may never have been written and read as zeros. Copies share pages until one
// is written.
class SparseBytes {
 public:
  void read(std::uint64_t offset, MutableBytes into) const;
  void write(std::uint64_t offset, ByteView from);
  void clear(std::uint64_t offset, std::uint64_t length);

 private:
  using Page = std::array<std::byte, kPageBytes>;
  std::map<std::uint64_t, std::shared_ptr<Page>> pages_;  // by number
};

// A set of whole pages, kept as intervals of page numbers.
class PageSet {
 public:
  void add(std::uint64_t first, std::uint64_t end);
  void remove(std::uint64_t first, std::uint64_t end);
  std::uint64_t count() const { return count_; }
  // How many pages of [first, end) are not in the set.
  std::uint64_t missing(std::uint64_t first, std::uint64_t end) const;

 private:
  std::map<std::uint64_t, std::uint64_t> runs_;  // first page -> one past the last
  std::uint64_t count_ = 0;
};

struct Change {
  enum class Kind : std::uint8_t { kWrite, kAllocate, kPunch };
  Kind kind = Kind::kWrite;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::string bytes;         // of kWrite
  std::uint64_t number = 0;  // rises with each change of a disk

  std::uint64_t end() const { return offset + length; }
};

struct FileImage {
  SparseBytes bytes;
  std::uint64_t size = 0;
  PageSet pages;

  void apply(const Change& change);
  // What a power cut leaves of a change that was never synced: all, nothing, or some of its
  // sectors, with or without the new size.
  void apply_unsynced(const Change& change, Prng& prng);
  // Only the sectors of a write that the coin chooses.
  void apply_torn(const Change& change, Prng& prng);
  std::string contents() const;
};

}  // namespace hydra::sim
