#include "gateway/catalog/keys_format.h"

#include "base/endian.h"

namespace hydra::catalog {

namespace {

constexpr char kEscape = '\x00';
constexpr char kEscapedZero = '\xff';
constexpr char kEndOfText = '\x01';

// Times are kept as signed milliseconds; their sign is flipped so that earlier ones come first.
constexpr std::uint64_t kSignBit = 1ull << 63;

class KeyWriter {
 public:
  KeyWriter(Table table, std::size_t capacity) {
    out_.reserve(1 + capacity);
    out_ += static_cast<char>(table);
  }
  template <typename T>
  KeyWriter& number(T value) {
    char bytes[sizeof value];
    store_be<T>(bytes, value);
    out_.append(bytes, sizeof bytes);
    return *this;
  }
  KeyWriter& time(std::int64_t ms) {
    return number<std::uint64_t>(static_cast<std::uint64_t>(ms) ^ kSignBit);
  }
  KeyWriter& raw(std::string_view text) {
    out_ += text;
    return *this;
  }
  template <typename Tag>
  KeyWriter& id(const Id<Tag>& id) {
    return raw(as_text(id.view()));
  }
  KeyWriter& escaped(std::string_view text) {
    for (;;) {
      const std::size_t zero = text.find('\0');
      out_ += text.substr(0, zero);
      if (zero == std::string_view::npos) return *this;
      out_ += kEscape;
      out_ += kEscapedZero;
      text.remove_prefix(zero + 1);
    }
  }
  KeyWriter& end_of_text() {
    out_ += kEscape;
    out_ += kEndOfText;
    return *this;
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

class KeyReader {
 public:
  KeyReader(Table table, ByteView key) : rest_(as_text(key)) {
    ok_ = !rest_.empty() && rest_[0] == static_cast<char>(table);
    if (ok_) rest_.remove_prefix(1);
  }
  template <typename T>
  T number() {
    if (rest_.size() < sizeof(T)) ok_ = false;
    if (!ok_) return 0;
    const T value = load_be<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  std::int64_t time() { return static_cast<std::int64_t>(number<std::uint64_t>() ^ kSignBit); }
  template <typename AnyId>
  AnyId id() {
    constexpr std::size_t kBytes = sizeof(AnyId::bytes);
    if (rest_.size() < kBytes) ok_ = false;
    if (!ok_) return {};
    const AnyId id = AnyId::from(as_bytes(rest_.substr(0, kBytes)));
    rest_.remove_prefix(kBytes);
    return id;
  }
  std::string text() {
    std::string out;
    while (ok_) {
      const std::size_t zero = rest_.find(kEscape);
      if (zero == std::string_view::npos || zero + 1 >= rest_.size()) break;
      const char next = rest_[zero + 1];
      if (next != kEscapedZero && next != kEndOfText) break;
      out += rest_.substr(0, zero);
      rest_.remove_prefix(zero + 2);
      if (next == kEndOfText) return out;
      out += '\0';
    }
    ok_ = false;
    return out;
  }
  std::string_view rest() { return std::exchange(rest_, {}); }
  // Nothing was missing and nothing is left.
  bool done() const { return ok_ && rest_.empty(); }
  bool ok() const { return ok_; }

 private:
  std::string_view rest_;
  bool ok_ = false;
};

}  // namespace

std::string table_key(Table table) { return std::string(1, static_cast<char>(table)); }

std::string after_prefix(std::string_view prefix) {
  std::string out(prefix);
  while (!out.empty() && out.back() == '\xff') out.pop_back();
  if (!out.empty()) out.back() = static_cast<char>(static_cast<unsigned char>(out.back()) + 1);
  return out;
}

std::string bucket_key(std::string_view name) {
  return KeyWriter(Table::kBuckets, name.size()).raw(name).take();
}
std::string bucket_name_key(BucketId bucket) {
  return KeyWriter(Table::kBucketNames, 8).number(bucket).take();
}
std::string current_key(BucketId bucket, std::string_view key) {
  return KeyWriter(Table::kCurrent, 8 + key.size()).number(bucket).raw(key).take();
}
std::string versions_prefix(BucketId bucket, std::string_view key_prefix) {
  return KeyWriter(Table::kVersions, 8 + key_prefix.size())
      .number(bucket)
      .escaped(key_prefix)
      .take();
}
std::string versions_of(BucketId bucket, std::string_view key) {
  return KeyWriter(Table::kVersions, 10 + key.size())
      .number(bucket)
      .escaped(key)
      .end_of_text()
      .take();
}
std::string version_key(BucketId bucket, std::string_view key, std::uint64_t sequence) {
  return KeyWriter(Table::kVersions, 18 + key.size())
      .number(bucket)
      .escaped(key)
      .end_of_text()
      .number(~sequence)
      .take();
}
std::string null_version_key(BucketId bucket, std::string_view key) {
  return KeyWriter(Table::kNullVersions, 8 + key.size()).number(bucket).raw(key).take();
}
std::string uploads_prefix(BucketId bucket, std::string_view key_prefix) {
  return KeyWriter(Table::kUploads, 8 + key_prefix.size())
      .number(bucket)
      .escaped(key_prefix)
      .take();
}
std::string upload_key(BucketId bucket, std::string_view key, std::string_view upload_id) {
  return KeyWriter(Table::kUploads, 10 + key.size() + upload_id.size())
      .number(bucket)
      .escaped(key)
      .end_of_text()
      .raw(upload_id)
      .take();
}
std::string parts_prefix(std::string_view upload_id) {
  return KeyWriter(Table::kParts, 6 + upload_id.size()).escaped(upload_id).end_of_text().take();
}
std::string part_key(std::string_view upload_id, std::uint32_t number) {
  return KeyWriter(Table::kParts, 6 + upload_id.size())
      .escaped(upload_id)
      .end_of_text()
      .number(number)
      .take();
}
std::string completed_key(std::string_view upload_id) {
  return KeyWriter(Table::kCompleted, upload_id.size()).raw(upload_id).take();
}
std::string completed_by_time_key(std::int64_t completed_ms, std::string_view upload_id) {
  return KeyWriter(Table::kCompletedByTime, 8 + upload_id.size())
      .time(completed_ms)
      .raw(upload_id)
      .take();
}
std::string body_key(const BodyId& body) { return KeyWriter(Table::kBodies, 16).id(body).take(); }
std::string extent_key(const ExtentId& extent) {
  return KeyWriter(Table::kExtents, 16).id(extent).take();
}
std::string repair_key(const RepairRow& repair) {
  return KeyWriter(Table::kRepairs, 25)
      .number(repair.rank)
      .time(repair.since_ms)
      .id(repair.extent)
      .take();
}
std::string dead_key(std::int64_t died_ms, const ExtentId& extent) {
  return KeyWriter(Table::kDead, 24).time(died_ms).id(extent).take();
}
std::string stray_key(const Stray& stray) {
  return KeyWriter(Table::kStrays, 29)
      .time(stray.due_ms)
      .number(stray.node)
      .id(stray.shard.extent)
      .number(stray.shard.index)
      .take();
}
std::string alias_key(const ExtentId& stored_as) {
  return KeyWriter(Table::kAliases, 16).id(stored_as).take();
}
std::string partials_of(const BodyId& body) {
  return KeyWriter(Table::kPartials, 16).id(body).take();
}
std::string partial_key(const BodyId& body, std::uint64_t offset, std::uint64_t length) {
  return KeyWriter(Table::kPartials, 32).id(body).number(offset).number(length).take();
}
std::string trim_key(const BodyId& body) { return KeyWriter(Table::kTrims, 16).id(body).take(); }
std::string residents_of(const ExtentId& extent) {
  return KeyWriter(Table::kResidents, 16).id(extent).take();
}
std::string resident_key(const ExtentId& extent, const BodyId& body) {
  return KeyWriter(Table::kResidents, 32).id(extent).id(body).take();
}
std::string node_key(NodeId node) { return KeyWriter(Table::kNodes, 4).number(node).take(); }
std::string node_identity_key(const NodeIdentity& identity) {
  return KeyWriter(Table::kNodeIdentities, 16).id(identity).take();
}
std::string claim_key(const agent::ClaimId& id) {
  return KeyWriter(Table::kClaims, 16).raw(as_text(id)).take();
}
std::string ring_key(std::uint64_t epoch) {
  return KeyWriter(Table::kRings, 8).number(epoch).take();
}
std::string lease_key(std::string_view name) {
  return KeyWriter(Table::kLeases, name.size()).raw(name).take();
}
std::string walk_key(std::string_view name) {
  return KeyWriter(Table::kWalks, name.size()).raw(name).take();
}
std::string outbox_key(std::uint64_t sequence) {
  return KeyWriter(Table::kOutbox, 8).number(sequence).take();
}
std::string snapshot_key(std::uint64_t sequence) {
  return KeyWriter(Table::kSnapshots, 8).number(sequence).take();
}

std::optional<std::string_view> parse_bucket_key(ByteView key) {
  KeyReader reader(Table::kBuckets, key);
  if (!reader.ok()) return std::nullopt;
  return reader.rest();
}
std::optional<VersionName> parse_version_key(ByteView key) {
  KeyReader reader(Table::kVersions, key);
  VersionName name;
  name.bucket = reader.number<BucketId>();
  name.key = reader.text();
  name.sequence = ~reader.number<std::uint64_t>();
  if (!reader.done()) return std::nullopt;
  return name;
}
std::optional<UploadName> parse_upload_key(ByteView key) {
  KeyReader reader(Table::kUploads, key);
  UploadName name;
  name.bucket = reader.number<BucketId>();
  name.key = reader.text();
  name.upload_id = reader.rest();
  if (!reader.done()) return std::nullopt;
  return name;
}
std::optional<std::uint32_t> parse_part_key(ByteView key) {
  KeyReader reader(Table::kParts, key);
  reader.text();
  const auto number = reader.number<std::uint32_t>();
  if (!reader.done()) return std::nullopt;
  return number;
}
std::optional<CompletedName> parse_completed_by_time_key(ByteView key) {
  KeyReader reader(Table::kCompletedByTime, key);
  CompletedName name;
  name.completed_ms = reader.time();
  name.upload_id = reader.rest();
  if (!reader.done()) return std::nullopt;
  return name;
}
std::optional<RepairRow> parse_repair_key(ByteView key) {
  KeyReader reader(Table::kRepairs, key);
  RepairRow row;
  row.rank = reader.number<Rank>();
  row.since_ms = reader.time();
  row.extent = reader.id<ExtentId>();
  if (!reader.done()) return std::nullopt;
  return row;
}
std::optional<DeadName> parse_dead_key(ByteView key) {
  KeyReader reader(Table::kDead, key);
  DeadName name;
  name.died_ms = reader.time();
  name.extent = reader.id<ExtentId>();
  if (!reader.done()) return std::nullopt;
  return name;
}
std::optional<Stray> parse_stray_key(ByteView key) {
  KeyReader reader(Table::kStrays, key);
  Stray stray;
  stray.due_ms = reader.time();
  stray.node = reader.number<NodeId>();
  stray.shard.extent = reader.id<ExtentId>();
  stray.shard.index = reader.number<std::uint8_t>();
  if (!reader.done()) return std::nullopt;
  return stray;
}
std::optional<ExtentId> parse_extent_key(ByteView key) {
  KeyReader reader(Table::kExtents, key);
  const auto id = reader.id<ExtentId>();
  if (!reader.done()) return std::nullopt;
  return id;
}
std::optional<PartialName> parse_partial_key(ByteView key) {
  KeyReader reader(Table::kPartials, key);
  PartialName name;
  name.body = reader.id<BodyId>();
  name.offset = reader.number<std::uint64_t>();
  name.length = reader.number<std::uint64_t>();
  if (!reader.done()) return std::nullopt;
  return name;
}
std::optional<BodyId> parse_trim_key(ByteView key) {
  KeyReader reader(Table::kTrims, key);
  const auto id = reader.id<BodyId>();
  if (!reader.done()) return std::nullopt;
  return id;
}
std::optional<BodyId> parse_resident_key(ByteView key) {
  KeyReader reader(Table::kResidents, key);
  reader.id<ExtentId>();
  const auto id = reader.id<BodyId>();
  if (!reader.done()) return std::nullopt;
  return id;
}
std::optional<NodeId> parse_node_key(ByteView key) {
  KeyReader reader(Table::kNodes, key);
  const auto id = reader.number<NodeId>();
  if (!reader.done()) return std::nullopt;
  return id;
}
std::optional<agent::ClaimId> parse_claim_key(ByteView key) {
  agent::ClaimId id;
  if (key.size() != 1 + id.size() || key[0] != static_cast<std::byte>(Table::kClaims))
    return std::nullopt;
  std::memcpy(id.data(), key.data() + 1, id.size());
  return id;
}
std::optional<std::uint64_t> parse_ring_key(ByteView key) {
  KeyReader reader(Table::kRings, key);
  const auto epoch = reader.number<std::uint64_t>();
  if (!reader.done()) return std::nullopt;
  return epoch;
}
std::optional<std::uint64_t> parse_outbox_key(ByteView key) {
  KeyReader reader(Table::kOutbox, key);
  const auto sequence = reader.number<std::uint64_t>();
  if (!reader.done()) return std::nullopt;
  return sequence;
}
std::optional<std::uint64_t> parse_snapshot_key(ByteView key) {
  KeyReader reader(Table::kSnapshots, key);
  const auto sequence = reader.number<std::uint64_t>();
  if (!reader.done()) return std::nullopt;
  return sequence;
}

}  // namespace hydra::catalog
