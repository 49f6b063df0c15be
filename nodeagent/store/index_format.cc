#include "nodeagent/store/index_format.h"

#include "base/crc32c.h"
#include "base/endian.h"

namespace hydra::agent {
namespace {

constexpr std::byte kShardPrefix{'S'};
constexpr std::byte kLogPrefix{'L'};
constexpr char kMetaKey[] = "M";

// Every value: version u8, flags u8, CRC32C of all the rest as its last four bytes.
constexpr std::size_t kShardFixedBytes = 56;
constexpr std::size_t kDataShardsAt = 2;
constexpr std::size_t kParityShardsAt = 3;
constexpr std::size_t kBlockBytesAt = 4;
constexpr std::size_t kGenerationAt = 8;
constexpr std::size_t kOffsetAt = 16;
constexpr std::size_t kRecordBytesAt = 24;
constexpr std::size_t kLengthAt = 32;
constexpr std::size_t kOrderAt = 40;
constexpr std::size_t kSequenceAt = 48;
static_assert(kSequenceAt + 8 == kShardFixedBytes);

constexpr std::size_t kLogStateBytes =
    48;  // version, flags, six zeros, five numbers of eight bytes
constexpr std::size_t kIndexMetaBytes = 48;  // version, flags, six zeros, node, three numbers
constexpr std::byte kSealedFlag{1};
constexpr std::byte kCleanFlag{1};

class Value {
 public:
  Value(std::size_t bytes, std::byte flags) : out_(bytes, '\0') {
    out_[0] = static_cast<char>(kIndexVersion);
    out_[1] = static_cast<char>(flags);
  }
  template <typename T>
  void put(std::size_t at, T number) {
    store_le<T>(out_.data() + at, number);
  }
  char* at(std::size_t offset) { return out_.data() + offset; }
  std::string seal() {
    const std::uint32_t crc = crc32c(as_bytes(out_));
    out_.resize(out_.size() + 4);
    store_le<std::uint32_t>(out_.data() + out_.size() - 4, crc);
    return std::move(out_);
  }

 private:
  std::string out_;
};

// The value without its checksum.
Result<ByteView> open_value(ByteView value, std::size_t least_bytes) {
  if (value.size() < least_bytes + 4) return fail(Code::kCorrupt, "an index value cut short");
  const ByteView body = value.first(value.size() - 4);
  if (load_le<std::uint32_t>(value.data() + body.size()) != crc32c(body))
    return fail(Code::kCorrupt, "an index value fails its checksum");
  if (body[0] != std::byte{kIndexVersion})
    return fail(Code::kUnsupported, "an index value of an unknown version");
  return body;
}

std::uint64_t number(ByteView body, std::size_t at) {
  return load_le<std::uint64_t>(body.data() + at);
}

}  // namespace

std::string shard_key(const ShardId& id) {
  std::string key(1, static_cast<char>(kShardPrefix));
  append(key, id.extent.view());
  key += static_cast<char>(id.index);
  return key;
}

std::optional<ShardId> parse_shard_key(ByteView key) {
  if (key.size() != 18 || key[0] != kShardPrefix) return std::nullopt;
  return ShardId{ExtentId::from(key.subspan(1, 16)), std::to_integer<std::uint8_t>(key[17])};
}

std::string log_key(std::uint64_t generation) {
  std::string key(9, static_cast<char>(kLogPrefix));
  store_be<std::uint64_t>(key.data() + 1, generation);
  return key;
}

std::optional<std::uint64_t> parse_log_key(ByteView key) {
  if (key.size() != 9 || key[0] != kLogPrefix) return std::nullopt;
  return load_be<std::uint64_t>(key.data() + 1);
}

std::string meta_key() { return kMetaKey; }
std::string first_shard_key() { return std::string(1, static_cast<char>(kShardPrefix)); }
std::string first_log_key() { return std::string(1, static_cast<char>(kLogPrefix)); }

std::string encode_index_entry(const IndexEntry& entry) {
  Value value(kShardFixedBytes + 4 * entry.block_crcs.size(), std::byte{0});
  value.put<std::uint8_t>(kDataShardsAt, entry.layout.profile.k);
  value.put<std::uint8_t>(kParityShardsAt, entry.layout.profile.m);
  value.put<std::uint32_t>(kBlockBytesAt, entry.layout.block_bytes);
  value.put<std::uint64_t>(kGenerationAt, entry.generation);
  value.put<std::uint64_t>(kOffsetAt, entry.offset);
  value.put<std::uint64_t>(kRecordBytesAt, entry.record_bytes);
  value.put<std::uint64_t>(kLengthAt, entry.layout.length);
  value.put<std::uint64_t>(kOrderAt, entry.order);
  value.put<std::uint64_t>(kSequenceAt, entry.sequence);
  for (std::size_t i = 0; i < entry.block_crcs.size(); ++i)
    value.put<std::uint32_t>(kShardFixedBytes + 4 * i, entry.block_crcs[i]);
  return value.seal();
}

Result<IndexEntry> decode_index_entry(ByteView value) {
  HYDRA_TRY(const ByteView body, open_value(value, kShardFixedBytes));
  IndexEntry entry;
  entry.layout.profile.k = load_le<std::uint8_t>(body.data() + kDataShardsAt);
  entry.layout.profile.m = load_le<std::uint8_t>(body.data() + kParityShardsAt);
  entry.layout.block_bytes = load_le<std::uint32_t>(body.data() + kBlockBytesAt);
  entry.generation = number(body, kGenerationAt);
  entry.offset = number(body, kOffsetAt);
  entry.record_bytes = number(body, kRecordBytesAt);
  entry.layout.length = number(body, kLengthAt);
  entry.order = number(body, kOrderAt);
  entry.sequence = number(body, kSequenceAt);
  if (!entry.layout.profile.valid() || entry.layout.block_bytes == 0 || entry.layout.length == 0 ||
      entry.generation == 0 || body.size() != kShardFixedBytes + 4ull * entry.layout.stripes())
    return fail(Code::kCorrupt, "an index entry of impossible geometry");
  entry.block_crcs.resize(entry.layout.stripes());
  for (std::size_t i = 0; i < entry.block_crcs.size(); ++i)
    entry.block_crcs[i] = load_le<std::uint32_t>(body.data() + kShardFixedBytes + 4 * i);
  return entry;
}

std::string encode_log_state(const LogState& state) {
  Value value(kLogStateBytes, state.sealed ? kSealedFlag : std::byte{0});
  value.put<std::uint64_t>(8, state.log_bytes);
  value.put<std::uint64_t>(16, state.scan_from);
  value.put<std::uint64_t>(24, state.tail);
  value.put<std::uint64_t>(32, state.live_bytes);
  value.put<std::uint64_t>(40, state.punched_bytes);
  return value.seal();
}

Result<LogState> decode_log_state(std::uint64_t generation, ByteView value) {
  HYDRA_TRY(const ByteView body, open_value(value, kLogStateBytes));
  LogState state;
  state.generation = generation;
  state.sealed = body[1] == kSealedFlag;
  state.log_bytes = number(body, 8);
  state.scan_from = number(body, 16);
  state.tail = number(body, 24);
  state.live_bytes = number(body, 32);
  state.punched_bytes = number(body, 40);
  return state;
}

std::string encode_index_meta(const IndexMeta& meta) {
  Value value(kIndexMetaBytes, meta.clean ? kCleanFlag : std::byte{0});
  std::memcpy(value.at(8), meta.node.bytes.data(), 16);
  value.put<std::uint64_t>(24, meta.sequence);
  value.put<std::uint64_t>(32, meta.last_sequence);
  value.put<std::uint64_t>(40, meta.next_generation);
  return value.seal();
}

Result<IndexMeta> decode_index_meta(ByteView value) {
  HYDRA_TRY(const ByteView body, open_value(value, kIndexMetaBytes));
  IndexMeta meta;
  meta.clean = body[1] == kCleanFlag;
  meta.node = NodeIdentity::from(body.subspan(8, 16));
  meta.sequence = number(body, 24);
  meta.last_sequence = number(body, 32);
  meta.next_generation = number(body, 40);
  return meta;
}

}  // namespace hydra::agent
