#include "bench/floor/shelf.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace hydra::bench {

void die(const std::string& what) {
  std::fprintf(stderr, "hydra-floor: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

BodyShape::BodyShape(std::uint64_t plain_bytes) : plain(plain_bytes) {
  const std::uint64_t segments = (plain + kSegmentBytes - 1) / kSegmentBytes;
  sealed = plain + segments * kTagBytes;
  stripes = (sealed + kStripeBytes - 1) / kStripeBytes;
  shard_bytes = (stripes - 1) * kBlockBytes + block_bytes(stripes - 1);
  shard_bytes = (shard_bytes + 4095) / 4096 * 4096;
}

std::size_t BodyShape::block_bytes(std::uint64_t stripe) const {
  const std::uint64_t left = std::min<std::uint64_t>(sealed - stripe * kStripeBytes, kStripeBytes);
  return ((left + kDataShards - 1) / kDataShards + 63) / 64 * 64;
}

Shelf::Shelf(std::string directory, BodyShape shape, std::uint64_t bodies)
    : directory_(std::move(directory)), shape_(shape), crcs_(bodies * shape.stripes * kShards) {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const std::string place = directory_ + "/shard-" + std::to_string(i);
    if (mkdir(place.c_str(), 0700) != 0 && errno != EEXIST) die(place);
    files_[i] = open((place + "/log").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (files_[i] < 0) die(place + "/log");
    const auto bytes = static_cast<off_t>(bodies * shape_.shard_bytes);
    if (fallocate(files_[i], 0, 0, bytes) != 0) die("fallocate in " + place);
    if (fsync(files_[i]) != 0) die("fsync in " + place);
  }
}

Shelf::~Shelf() {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const std::string place = directory_ + "/shard-" + std::to_string(i);
    close(files_[i]);
    unlink((place + "/log").c_str());
    rmdir(place.c_str());
  }
}

std::uint64_t Shelf::offset_of(std::uint64_t body, std::uint64_t stripe) const {
  return body * shape_.shard_bytes + stripe * kBlockBytes;
}

std::size_t Shelf::crc_place(std::uint64_t body, std::uint64_t stripe, int shard) const {
  return (body * shape_.stripes + stripe) * kShards + static_cast<std::size_t>(shard);
}

void Shelf::write(std::uint64_t body, std::uint64_t stripe, const Byte* blocks) {
  const std::size_t bytes = shape_.block_bytes(stripe);
  for (int i = 0; i < kShards; ++i) {
    const Byte* block = blocks + static_cast<std::size_t>(i) * bytes;
    crcs_[crc_place(body, stripe, i)] = Physics::crc32c(block, bytes);
    const auto offset = static_cast<off_t>(offset_of(body, stripe));
    if (pwrite(files_[i], block, bytes, offset) != static_cast<ssize_t>(bytes)) die("pwrite");
  }
}

void Shelf::sync() {
  for (int i = 0; i < kShards; ++i)
    if (fdatasync(files_[i]) != 0) die("fdatasync");
  syncs_ += kShards;
}

bool Shelf::read_block(std::uint64_t body, std::uint64_t stripe, int shard, Byte* block) const {
  const std::size_t bytes = shape_.block_bytes(stripe);
  const auto offset = static_cast<off_t>(offset_of(body, stripe));
  if (pread(files_[shard], block, bytes, offset) != static_cast<ssize_t>(bytes)) die("pread");
  return Physics::crc32c(block, bytes) == crcs_[crc_place(body, stripe, shard)];
}

bool Shelf::read(std::uint64_t body, std::uint64_t stripe, Byte* blocks) const {
  for (int i = 0; i < kDataShards; ++i)
    if (!read_block(body, stripe, i, blocks + i * shape_.block_bytes(stripe))) return false;
  return true;
}

bool Shelf::rebuild(std::uint64_t body, int lost, Physics& physics) {
  static thread_local std::vector<Byte> memory((kDataShards + 1) * kBlockBytes);
  std::array<int, kDataShards> from;
  for (int i = 0, shard = 0; i < kDataShards; ++shard)
    if (shard != lost) from[i++] = shard;
  const int spare = files_.back();
  for (std::uint64_t stripe = 0; stripe < shape_.stripes; ++stripe) {
    const std::size_t bytes = shape_.block_bytes(stripe);
    Byte* const rebuilt = memory.data() + kDataShards * bytes;
    for (int i = 0; i < kDataShards; ++i)
      if (!read_block(body, stripe, from[i], memory.data() + i * bytes)) return false;
    physics.rebuild(lost, from, memory.data(), bytes, rebuilt);
    if (Physics::crc32c(rebuilt, bytes) != crcs_[crc_place(body, stripe, lost)]) return false;
    const auto offset = static_cast<off_t>(offset_of(body, stripe));
    if (pwrite(spare, rebuilt, bytes, offset) != static_cast<ssize_t>(bytes)) die("pwrite");
  }
  if (fdatasync(spare) != 0) die("fdatasync");
  ++syncs_;
  return true;
}

void Shelf::forget_cached() const {
  for (const int file : files_)
    if (fdatasync(file) != 0 || posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) != 0)
      die("posix_fadvise");
}

}  // namespace hydra::bench
