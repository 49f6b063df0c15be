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
  for (int i = 0; i < kShards; ++i) {
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
  for (int i = 0; i < kShards; ++i) {
    const std::string place = directory_ + "/shard-" + std::to_string(i);
    close(files_[i]);
    unlink((place + "/log").c_str());
    rmdir(place.c_str());
  }
}

std::uint64_t Shelf::offset_of(std::uint64_t body, std::uint64_t stripe) const {
  return body * shape_.shard_bytes + stripe * kBlockBytes;
}

std::uint32_t& Shelf::crc_of(std::uint64_t body, std::uint64_t stripe, int shard) {
  return crcs_[(body * shape_.stripes + stripe) * kShards + static_cast<std::size_t>(shard)];
}

void Shelf::write(std::uint64_t body, std::uint64_t stripe, const Byte* blocks) {
  const std::size_t bytes = shape_.block_bytes(stripe);
  for (int i = 0; i < kShards; ++i) {
    const Byte* block = blocks + static_cast<std::size_t>(i) * bytes;
    crc_of(body, stripe, i) = Physics::crc32c(block, bytes);
    const auto offset = static_cast<off_t>(offset_of(body, stripe));
    if (pwrite(files_[i], block, bytes, offset) != static_cast<ssize_t>(bytes)) die("pwrite");
  }
}

void Shelf::sync() {
  for (const int file : files_)
    if (fdatasync(file) != 0) die("fdatasync");
  syncs_ += kShards;
}

bool Shelf::read(std::uint64_t body, std::uint64_t stripe, Byte* blocks) const {
  const std::size_t bytes = shape_.block_bytes(stripe);
  for (int i = 0; i < kDataShards; ++i) {
    Byte* block = blocks + static_cast<std::size_t>(i) * bytes;
    const auto offset = static_cast<off_t>(offset_of(body, stripe));
    if (pread(files_[i], block, bytes, offset) != static_cast<ssize_t>(bytes)) die("pread");
    const auto at = (body * shape_.stripes + stripe) * kShards + static_cast<std::size_t>(i);
    if (Physics::crc32c(block, bytes) != crcs_[at]) return false;
  }
  return true;
}

}  // namespace hydra::bench
