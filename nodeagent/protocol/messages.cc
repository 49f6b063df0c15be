#include "nodeagent/protocol/messages.h"

#include <algorithm>
#include <string_view>

#include "base/assert.h"
#include "base/endian.h"

namespace hydra::agent {

namespace {

class FieldWriter {
 public:
  explicit FieldWriter(std::size_t expected_bytes) { out_.reserve(expected_bytes); }

  template <std::unsigned_integral T>
  FieldWriter& number(T value) {
    char bytes[sizeof value];
    store_le(bytes, value);
    out_.append(bytes, sizeof value);
    return *this;
  }
  FieldWriter& raw(ByteView bytes) {
    append(out_, bytes);
    return *this;
  }
  // A length of two bytes, then the text.
  FieldWriter& text(std::string_view value) {
    number(static_cast<std::uint16_t>(value.size()));
    out_.append(value);
    return *this;
  }
  FieldWriter& shard(const ShardId& id) { return raw(id.extent.view()).number(id.index); }
  FieldWriter& entry(const ListedShard& entry) {
    return shard(entry.shard)
        .number(entry.profile.k)
        .number(entry.profile.m)
        .number(entry.extent_length);
  }
  std::string finish() { return std::move(out_); }

 private:
  std::string out_;
};

// Reads past the end give zeros and make finish() fail.
class FieldReader {
 public:
  explicit FieldReader(ByteView bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  T number() {
    if (rest_.size() < sizeof(T)) return truncated(), T{0};
    const T value = load_le<T>(rest_.data());
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }
  template <std::size_t N>
  std::array<std::byte, N> raw() {
    std::array<std::byte, N> value{};
    if (rest_.size() < N) return truncated(), value;
    std::memcpy(value.data(), rest_.data(), N);
    rest_ = rest_.subspan(N);
    return value;
  }
  std::string text(std::size_t limit) {
    const std::size_t length = number<std::uint16_t>();
    if (length > limit || length > rest_.size()) return truncated(), std::string();
    std::string value(as_text(rest_.first(length)));
    rest_ = rest_.subspan(length);
    return value;
  }
  bool boolean() {
    const auto value = number<std::uint8_t>();
    if (value > 1) truncated();
    return value == 1;
  }
  template <typename AnyId>
  AnyId id() {
    return AnyId{raw<16>()};
  }
  ShardId shard() {
    ShardId value;
    value.extent = id<ExtentId>();
    value.index = number<std::uint8_t>();
    if (value.index >= erasure::kMaxShards) truncated();
    return value;
  }
  // Of a shard that may exist: the profile is valid, the index inside it, the length within its
  // limits.
  ListedShard entry() {
    ListedShard value;
    value.shard = shard();
    value.profile.k = number<std::uint8_t>();
    value.profile.m = number<std::uint8_t>();
    value.extent_length = number<std::uint64_t>();
    if (!value.profile.valid() || value.shard.index >= value.profile.shards()) truncated();
    if (value.extent_length == 0 || value.extent_length > erasure::kMaxExtentBytes) truncated();
    return value;
  }
  // How many entries of `entry_bytes` follow; checked against the limit and against what is there.
  std::size_t count(std::size_t limit, std::size_t entry_bytes) {
    const std::size_t value = number<std::uint16_t>();
    if (value > limit || value * entry_bytes != rest_.size()) return truncated(), 0;
    return value;
  }
  template <typename T>
  Result<T> finish(T value) const {
    if (broken_ || !rest_.empty()) return fail(Code::kCorrupt, "malformed fields of a message");
    return value;
  }

 private:
  void truncated() {
    broken_ = true;
    rest_ = {};
  }
  ByteView rest_;
  bool broken_ = false;
};

constexpr std::size_t kShardIdBytes = 17;
constexpr std::size_t kListedShardBytes = kShardIdBytes + 2 + 8;
constexpr std::size_t kPieceBytes = 8;
static_assert(2 + kMaxListEntries * kListedShardBytes <= 0xffff);
static_assert(2 + kMaxFreeShards * kShardIdBytes <= 0xffff);
static_assert(2 + kMaxReadPieces * kPieceBytes <= 0xffff);

}  // namespace

namespace {

FieldWriter& put_node(FieldWriter& out, const NodeDescription& node) {
  HYDRA_ASSERT(node.name.size() <= kMaxNameBytes && node.zone.size() <= kMaxNameBytes &&
               node.version.size() <= kMaxNameBytes);
  out.raw(node.identity.view()).number(node.capacity_bytes);
  out.number(static_cast<std::uint8_t>(node.role));
  return out.text(node.name).text(node.zone).text(node.version);
}
NodeDescription take_node(FieldReader& in) {
  NodeDescription node;
  node.identity = in.id<NodeIdentity>();
  node.capacity_bytes = in.number<std::uint64_t>();
  node.role = in.boolean() ? NodeRole::kCache : NodeRole::kStorage;
  node.name = in.text(kMaxNameBytes);
  node.zone = in.text(kMaxNameBytes);
  node.version = in.text(kMaxNameBytes);
  return node;
}
static_assert(static_cast<int>(NodeRole::kStorage) == 0 && static_cast<int>(NodeRole::kCache) == 1);

void put_cluster(FieldWriter& out, const std::optional<ClusterId>& cluster) {
  out.number(static_cast<std::uint8_t>(cluster.has_value()));
  out.raw(cluster.value_or(ClusterId{}).view());
}
std::optional<ClusterId> take_cluster(FieldReader& in) {
  const bool there = in.boolean();
  const auto cluster = in.id<ClusterId>();
  return there ? std::optional(cluster) : std::nullopt;
}

}  // namespace

std::string encode(const Hello& message) {
  FieldWriter out(128);
  put_node(out, message.node);
  put_cluster(out, message.cluster);
  return out.number(message.wanted_worker).raw(message.nonce).finish();
}

Result<Hello> decode_hello(ByteView fields) {
  FieldReader in(fields);
  Hello message;
  message.node = take_node(in);
  message.cluster = take_cluster(in);
  message.wanted_worker = in.number<std::uint32_t>();
  message.nonce = in.raw<32>();
  return in.finish(std::move(message));
}

std::string encode(const Join& message) {
  FieldWriter out(128);
  put_node(out, message.node);
  put_cluster(out, message.cluster);
  return out.raw(message.token.bytes).finish();
}

Result<Join> decode_join(ByteView fields) {
  FieldReader in(fields);
  Join message;
  message.node = take_node(in);
  message.cluster = take_cluster(in);
  message.token.bytes = in.raw<20>();
  return in.finish(std::move(message));
}

std::string encode(const Joined& message) {
  HYDRA_ASSERT(message.gateways.size() <= kMaxGateways);
  FieldWriter out(128);
  out.number(message.node).raw(message.cluster.view()).raw(message.secret.bytes);
  out.number(static_cast<std::uint8_t>(message.gateways.size()));
  for (const std::string& gateway : message.gateways) {
    HYDRA_ASSERT(gateway.size() <= kMaxNameBytes);
    out.text(gateway);
  }
  return out.finish();
}

Result<Joined> decode_joined(ByteView fields) {
  FieldReader in(fields);
  Joined message;
  message.node = in.number<std::uint32_t>();
  message.cluster = in.id<ClusterId>();
  message.secret.bytes = in.raw<32>();
  const std::size_t gateways = in.number<std::uint8_t>();
  if (message.node == 0 || gateways > kMaxGateways)
    return fail(Code::kCorrupt, "a JOINED that cannot be");
  for (std::size_t i = 0; i < gateways; ++i) message.gateways.push_back(in.text(kMaxNameBytes));
  return in.finish(std::move(message));
}

std::string encode(const Challenge& message) {
  return FieldWriter(80).raw(message.cluster.view()).raw(message.nonce).raw(message.proof).finish();
}

Result<Challenge> decode_challenge(ByteView fields) {
  FieldReader in(fields);
  Challenge message;
  message.cluster = in.id<ClusterId>();
  message.nonce = in.raw<32>();
  message.proof = in.raw<32>();
  return in.finish(message);
}

std::string encode(const ProofMessage& message) {
  return FieldWriter(32).raw(message.proof).finish();
}

Result<ProofMessage> decode_proof(ByteView fields) {
  FieldReader in(fields);
  ProofMessage message;
  message.proof = in.raw<32>();
  return in.finish(message);
}

std::string encode(const Welcome& message) {
  return FieldWriter(12)
      .number(message.node)
      .number(message.workers)
      .number(message.heartbeat_ms)
      .finish();
}

Result<Welcome> decode_welcome(ByteView fields) {
  FieldReader in(fields);
  Welcome message;
  message.node = in.number<std::uint32_t>();
  message.workers = in.number<std::uint32_t>();
  message.heartbeat_ms = in.number<std::uint32_t>();
  if (message.node == 0 || message.workers == 0 || message.workers > kMaxWorkers ||
      message.heartbeat_ms == 0)
    return fail(Code::kCorrupt, "a WELCOME that cannot be");
  return in.finish(message);
}

std::string encode(const Heartbeat& message) {
  const NodeLoad& load = message.load;
  FieldWriter out(65);
  out.number(load.capacity_bytes);
  out.number(load.used_bytes).number(load.free_bytes).number(load.shards).number(load.syncs);
  out.number(load.bytes_written).number(load.errors).number(load.sync_us);
  return out.number(static_cast<std::uint8_t>(load.fenced)).finish();
}

Result<Heartbeat> decode_heartbeat(ByteView fields) {
  FieldReader in(fields);
  Heartbeat message;
  message.load.capacity_bytes = in.number<std::uint64_t>();
  message.load.used_bytes = in.number<std::uint64_t>();
  message.load.free_bytes = in.number<std::uint64_t>();
  message.load.shards = in.number<std::uint64_t>();
  message.load.syncs = in.number<std::uint64_t>();
  message.load.bytes_written = in.number<std::uint64_t>();
  message.load.errors = in.number<std::uint64_t>();
  message.load.sync_us = in.number<std::uint64_t>();
  message.load.fenced = in.boolean();
  return in.finish(message);
}

std::string encode(const Credit& message) { return FieldWriter(4).number(message.bytes).finish(); }

Result<Credit> decode_credit(ByteView fields) {
  FieldReader in(fields);
  Credit message;
  message.bytes = in.number<std::uint32_t>();
  return in.finish(message);
}

std::string encode(const ErrorMessage& message) {
  return FieldWriter(4 + message.message.size())
      .number(static_cast<std::uint16_t>(message.code))
      .text(std::string_view(message.message).substr(0, kMaxErrorBytes))
      .finish();
}

Result<ErrorMessage> decode_error(ByteView fields) {
  FieldReader in(fields);
  ErrorMessage message;
  // A code that this side does not know yet keeps its number and reads as some failure.
  message.code = Code{in.number<std::uint16_t>()};
  message.message = in.text(kMaxErrorBytes);
  return in.finish(std::move(message));
}

std::string encode(const WriteBlock& message) {
  return FieldWriter(kListedShardBytes + 8)
      .entry({message.shard, message.profile, message.extent_length})
      .number(message.block)
      .number(message.crc32c)
      .finish();
}

Result<WriteBlock> decode_write_block(ByteView fields) {
  FieldReader in(fields);
  const ListedShard entry = in.entry();
  WriteBlock message{entry.shard, entry.profile, entry.extent_length, 0, 0};
  message.block = in.number<std::uint32_t>();
  message.crc32c = in.number<std::uint32_t>();
  return in.finish(message);
}

std::string encode(const ReadRange& message) {
  HYDRA_ASSERT(message.length > 0 && message.length <= kMaxReadBytes);
  return FieldWriter(kShardIdBytes + 12)
      .shard(message.shard)
      .number(message.offset)
      .number(message.length)
      .finish();
}

Result<ReadRange> decode_read_range(ByteView fields) {
  FieldReader in(fields);
  ReadRange message;
  message.shard = in.shard();
  message.offset = in.number<std::uint64_t>();
  message.length = in.number<std::uint32_t>();
  if (message.length == 0 || message.length > kMaxReadBytes)
    return fail(Code::kTooLarge, "a READ of no bytes, or of too many");
  if (message.offset > UINT64_MAX - message.length)
    return fail(Code::kInvalidArgument, "a READ beyond any shard");
  return in.finish(message);
}

std::string encode(const ReadResult& message) {
  HYDRA_ASSERT(message.pieces.size() <= kMaxReadPieces);
  FieldWriter out(2 + message.pieces.size() * kPieceBytes);
  out.number(static_cast<std::uint16_t>(message.pieces.size()));
  for (const PieceCheck& piece : message.pieces) out.number(piece.length).number(piece.crc32c);
  return out.finish();
}

Result<ReadResult> decode_read_result(ByteView fields) {
  FieldReader in(fields);
  ReadResult message;
  message.pieces.resize(in.count(kMaxReadPieces, kPieceBytes));
  for (PieceCheck& piece : message.pieces) {
    piece.length = in.number<std::uint32_t>();
    piece.crc32c = in.number<std::uint32_t>();
  }
  return in.finish(std::move(message));
}

std::string encode(const FreeShards& message) {
  HYDRA_ASSERT(message.shards.size() <= kMaxFreeShards);
  FieldWriter out(2 + message.shards.size() * kShardIdBytes);
  out.number(static_cast<std::uint16_t>(message.shards.size()));
  for (const ShardId& shard : message.shards) out.shard(shard);
  return out.finish();
}

Result<FreeShards> decode_free_shards(ByteView fields) {
  FieldReader in(fields);
  FreeShards message;
  message.shards.resize(in.count(kMaxFreeShards, kShardIdBytes));
  for (ShardId& shard : message.shards) shard = in.shard();
  return in.finish(std::move(message));
}

std::string encode(const ShardQuery& message) {
  return FieldWriter(kShardIdBytes).shard(message.shard).finish();
}

Result<ShardQuery> decode_shard_query(ByteView fields) {
  FieldReader in(fields);
  ShardQuery message;
  message.shard = in.shard();
  return in.finish(message);
}

std::string encode(const ListedShard& message) {
  return FieldWriter(kListedShardBytes).entry(message).finish();
}

Result<ListedShard> decode_listed_shard(ByteView fields) {
  FieldReader in(fields);
  const ListedShard message = in.entry();
  return in.finish(message);
}

std::string encode(const ListShards& message) {
  HYDRA_ASSERT(message.limit > 0 && message.limit <= kMaxListEntries);
  FieldWriter out(kShardIdBytes + 5);
  out.number(static_cast<std::uint8_t>(message.after.has_value()));
  return out.shard(message.after.value_or(ShardId{})).number(message.limit).finish();
}

Result<ListShards> decode_list_shards(ByteView fields) {
  FieldReader in(fields);
  ListShards message;
  const bool has_after = in.boolean();
  const ShardId after = in.shard();
  if (has_after) message.after = after;
  message.limit = in.number<std::uint32_t>();
  if (message.limit == 0 || message.limit > kMaxListEntries)
    return fail(Code::kTooLarge, "a LIST of no shards, or of too many");
  return in.finish(message);
}

std::string encode(const ListResult& message) {
  HYDRA_ASSERT(message.shards.size() <= kMaxListEntries);
  FieldWriter out(2 + message.shards.size() * kListedShardBytes);
  out.number(static_cast<std::uint16_t>(message.shards.size()));
  for (const ListedShard& shard : message.shards) out.entry(shard);
  return out.finish();
}

Result<ListResult> decode_list_result(ByteView fields) {
  FieldReader in(fields);
  ListResult message;
  message.shards.resize(in.count(kMaxListEntries, kListedShardBytes));
  for (ListedShard& shard : message.shards) shard = in.entry();
  return in.finish(std::move(message));
}

}  // namespace hydra::agent
