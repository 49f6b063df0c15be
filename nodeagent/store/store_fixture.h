// What the store's tests share: shards of known bytes, and short ways to write and check them.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "base/runtime/loop.h"
#include "nodeagent/store/store.h"

namespace hydra::agent {

inline constexpr char kStoreDirectory[] = "/store";

inline StoreOptions small_store() {
  StoreOptions options;
  options.directory = kStoreDirectory;
  options.log_bytes = 4u << 20;
  options.reserve_bytes = 1u << 20;
  return options;
}

inline ShardId shard_id(std::uint64_t number, std::uint8_t index = 0) {
  ShardId id;
  for (int i = 0; i < 8; ++i)
    id.extent.bytes[i] = static_cast<std::byte>((number >> (56 - 8 * i)) & 0xff);
  id.extent.bytes[15] = std::byte{0x5a};
  id.index = index;
  return id;
}

inline erasure::Layout layout_of(std::uint64_t length, std::uint8_t k = 1, std::uint8_t m = 1) {
  auto layout = erasure::Layout::of({k, m}, length);
  HYDRA_ASSERT(layout.has_value());
  return *layout;
}

// Bytes that depend on the seed and the place, so that no two shards or blocks look alike.
inline std::string shard_content(std::uint64_t seed, std::uint64_t bytes) {
  std::string content(bytes, '\0');
  std::uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
  for (std::size_t at = 0; at < content.size(); at += 8) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    std::memcpy(content.data() + at, &state, std::min<std::size_t>(8, content.size() - at));
  }
  return content;
}

inline ByteView block_of(const std::string& content, const erasure::Layout& layout,
                         std::uint32_t stripe) {
  return as_bytes(content).subspan(layout.block_shard_offset(stripe), layout.block_size(stripe));
}

// begin and all appends; the caller commits or abandons.
inline Task<Result<std::unique_ptr<PendingShard>>> start_shard(ShardStore& store, ShardId id,
                                                               erasure::Layout layout,
                                                               std::uint64_t seed) {
  const std::string content = shard_content(seed, layout.shard_bytes());
  HYDRA_CO_TRY(auto pending, co_await store.begin(id, layout));
  for (std::uint32_t i = 0; i < layout.stripes(); ++i) {
    const ByteView block = block_of(content, layout, i);
    HYDRA_CO_CHECK_OK(co_await pending->append(block, crc32c(block)));
  }
  co_return std::move(pending);
}

inline Task<Status> put_shard(ShardStore& store, ShardId id, erasure::Layout layout,
                              std::uint64_t seed) {
  HYDRA_CO_TRY(auto pending, co_await start_shard(store, id, layout, seed));
  co_return co_await pending->commit();
}

// The whole shard, every piece checked against its checksum. kCorrupt when one fails.
inline Task<Result<std::string>> get_shard(ShardStore& store, ShardId id, std::uint64_t offset = 0,
                                           std::uint64_t length = UINT64_MAX) {
  HYDRA_CO_TRY(ShardPieces read, co_await store.read(id, offset, length));
  std::uint32_t at = 0;
  for (const BlockPiece& piece : read.pieces) {
    EXPECT_EQ(piece.offset, at);
    at += piece.length;
    if (crc32c(read.bytes.view().subspan(piece.offset, piece.length)) != piece.crc32c)
      co_return fail(Code::kCorrupt, "a piece fails its checksum");
  }
  EXPECT_EQ(at, read.bytes.size());
  co_return std::string(as_text(read.bytes.view()));
}

#define ASSERT_OK_CO(...)                                                   \
  do {                                                                      \
    auto&& status_ = (__VA_ARGS__);                                         \
    if (!status_) {                                                         \
      ADD_FAILURE() << #__VA_ARGS__ << ": " << status_.error().to_string(); \
      co_return;                                                            \
    }                                                                       \
  } while (0)

}  // namespace hydra::agent
