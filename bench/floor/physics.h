// What no server can leave out of storing, serving and rebuilding: MD5, AES-256-GCM, RS 4+2,
// CRC32C. Straight calls of OpenSSL and ISA-L with nothing of the product between, so that no
// slowness of ours can hide in the floor. A Physics belongs to one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace hydra::bench {

constexpr int kDataShards = 4;
constexpr int kParityShards = 2;
constexpr int kShards = kDataShards + kParityShards;
constexpr std::size_t kBlockBytes = 256 * 1024;
constexpr std::size_t kStripeBytes = kDataShards * kBlockBytes;
constexpr std::size_t kSegmentBytes = 64 * 1024;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kSealedBytes = kSegmentBytes + kTagBytes;

using Byte = unsigned char;

class Physics {
 public:
  Physics();
  ~Physics();

  void md5_begin();
  void md5_update(const Byte* data, std::size_t bytes);
  void md5_finish();

  // One segment; `out` gets the ciphertext and the tag.
  void seal(std::uint64_t index, const Byte* plain, std::size_t bytes, Byte* out);
  // False when the tag does not fit. `sealed` holds bytes + 16.
  bool open(std::uint64_t index, const Byte* sealed, std::size_t bytes, Byte* plain);

  // Parity of four data blocks that lie end to end, into two that do.
  void encode(Byte* data, std::size_t block_bytes, Byte* parity);

  // The block `lost` from any four others: `blocks` has those of the shards `from`, end to end.
  void rebuild(int lost, const std::array<int, kDataShards>& from, Byte* blocks,
               std::size_t block_bytes, Byte* out);

  static std::uint32_t crc32c(const Byte* data, std::size_t bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hydra::bench
