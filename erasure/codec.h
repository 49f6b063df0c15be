// Codec: the erasure code of one profile, by ISA-L. A systematic code over GF(2^8), polynomial
// 0x11d: the first k shards are the data, the m parity shards come from a Cauchy matrix, and any k
// of the k+m shards give back all. docs/FORMAT-extent.md defines the matrix; it is a disk format
// and does not change.
//
// Immutable after construction but for a mutexed cache; any thread may call it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "erasure/profile.h"

namespace hydra::erasure {

struct Shard {
  std::uint8_t index;  // 0..k-1 data, k..k+m-1 parity
  ByteView bytes;
};
struct MissingShard {
  std::uint8_t index;
  MutableBytes bytes;  // receives the rebuilt shard
};

class Codec {
 public:
  explicit Codec(Profile profile);  // asserts that it is valid
  ~Codec();
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;

  Profile profile() const { return profile_; }

  // Computes the parity of k data columns into m outputs, all of one length above 0. Works in
  // strips that stay in cache. With k = 1 every parity is a copy of the data. Asserts the counts
  // and lengths.
  void encode(std::span<const ByteView> data, std::span<const MutableBytes> parity) const;

  // Rebuilds the missing shards from any k present ones (the first k are used), all of one length
  // above 0. As every byte column stands alone, the same byte range of each shard or block will do.
  // kUnavailable when fewer than k are present; kInvalidArgument for an index that is out of range
  // or named twice, or for unequal lengths. Outputs must not overlap the inputs.
  Status reconstruct(std::span<const Shard> present, std::span<const MissingShard> missing) const;

  // The coefficient with which data shard `column` enters shard `row` (the identity for row < k).
  std::uint8_t coefficient(int row, int column) const;

 private:
  struct State;
  Profile profile_;
  std::unique_ptr<State> state_;
};

// The process's one Codec of a profile, made at first use. Thread-safe; the reference stays valid
// to the end.
const Codec& codec_for(Profile profile);

}  // namespace hydra::erasure
