#include "gateway/journal/journal_format.h"

#include <algorithm>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/endian.h"
#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/row_bytes.h"

namespace hydra::journal {

namespace {

using catalog::RowReader;
using catalog::RowWriter;

constexpr std::uint32_t kMagic = 0x4c4a4748;  // "HGJL"
constexpr std::uint8_t kFieldsVersion = 1;
constexpr std::size_t kCrcOffset = 60;
static_assert(kCrcOffset + 4 == kHeaderBytes);
static_assert(sizeof(ExtentId::bytes) == 16 && std::tuple_size_v<Mark> == 16);

constexpr std::uint8_t kPut = 1;
constexpr std::uint8_t kErase = 0;
constexpr std::size_t kLeastEntryBytes = 1 + 4;
constexpr std::size_t kRootExtentBytes = 16 + 1 + 1 + 4;
constexpr std::size_t kLeastRootNodeBytes = 4 + 16 + 4 + 4;

Status check_version(RowReader& in, const char* what) {
  const auto version = in.number<std::uint8_t>();
  if (!in.ok()) return fail(Code::kCorrupt, std::string(what) + " is empty");
  if (version != kFieldsVersion)
    return fail(Code::kUnsupported, std::string(what) + " of version " + std::to_string(version));
  return {};
}
Status check_end(const RowReader& in, const char* what) {
  if (in.ok() && in.at_end()) return {};
  return fail(Code::kCorrupt, std::string(what) + " is damaged");
}
template <std::size_t n>
void get_array(RowReader& in, std::array<std::byte, n>& out) {
  const ByteView bytes = in.raw(n);
  if (in.ok()) std::copy(bytes.begin(), bytes.end(), out.begin());
}

}  // namespace

ExtentId reserved_id(Kind kind, std::uint64_t sequence) {
  ExtentId id;
  std::fill_n(id.bytes.begin(), 6, std::byte{0xff});
  id.bytes[6] = static_cast<std::byte>(kind);
  store_be(id.bytes.data() + 8, sequence);
  return id;
}

std::optional<ReservedName> parse_reserved(const ExtentId& id) {
  const auto kind = static_cast<Kind>(id.bytes[6]);
  if (!is_reserved(id) || id.bytes[7] != std::byte{0} ||
      (kind != Kind::kRecord && kind != Kind::kRoot))
    return std::nullopt;
  return ReservedName{kind, load_be<std::uint64_t>(id.bytes.data() + 8)};
}

ShardId before_reserved() { return {reserved_id(static_cast<Kind>(0), 0), 0}; }

std::string encode(const Header& header) {
  std::string out(kHeaderBytes, '\0');
  store_le(out.data(), kMagic);
  out[4] = static_cast<char>(kSealedVersion);
  out[5] = static_cast<char>(header.kind);
  store_le(out.data() + 8, header.kek_id);
  store_le(out.data() + 12, header.plain_bytes);
  store_le(out.data() + 16, header.sequence);
  store_le(out.data() + 24, header.acknowledged);
  std::memcpy(out.data() + 32, header.previous.data(), header.previous.size());
  std::memcpy(out.data() + 48, header.nonce.data(), header.nonce.size());
  store_le(out.data() + kCrcOffset, crc32c(as_bytes(out).first(kCrcOffset)));
  return out;
}

Result<Header> decode_header(ByteView sealed) {
  if (sealed.size() < kLeastSealedBytes) return fail(Code::kCorrupt, "a record without its header");
  const std::byte* in = sealed.data();
  if (load_le<std::uint32_t>(in) != kMagic ||
      load_le<std::uint32_t>(in + kCrcOffset) != crc32c(sealed.first(kCrcOffset)))
    return fail(Code::kCorrupt, "a record with a damaged header");
  if (in[4] != std::byte{kSealedVersion})
    return fail(Code::kUnsupported,
                "a record of version " + std::to_string(std::to_integer<int>(in[4])));
  Header header;
  header.kind = static_cast<Kind>(in[5]);
  header.kek_id = load_le<std::uint32_t>(in + 8);
  header.plain_bytes = load_le<std::uint32_t>(in + 12);
  header.sequence = load_le<std::uint64_t>(in + 16);
  header.acknowledged = load_le<std::uint64_t>(in + 24);
  std::memcpy(header.previous.data(), in + 32, header.previous.size());
  std::memcpy(header.nonce.data(), in + 48, header.nonce.size());
  if ((header.kind != Kind::kRecord && header.kind != Kind::kRoot) || in[6] != std::byte{0} ||
      in[7] != std::byte{0} || sealed.size() != kLeastSealedBytes + header.plain_bytes)
    return fail(Code::kCorrupt, "a record with a header that makes no sense");
  return header;
}

Mark mark_of(ByteView sealed) {
  HYDRA_ASSERT(sealed.size() >= kLeastSealedBytes);
  Mark mark;
  const ByteView tag = sealed.last(mark.size());
  std::copy(tag.begin(), tag.end(), mark.begin());
  return mark;
}

std::string encode_commit(const ClusterId& cluster, std::int64_t made_ms,
                          const catalog::Change::Batch& batch) {
  std::size_t bytes = 64;
  for (const auto& [key, value] : batch) bytes += 9 + key.size() + (value ? value->size() : 0);
  RowWriter out(kFieldsVersion, bytes);
  out.raw(cluster.view());
  out.time(made_ms);
  out.count(batch.size());
  for (const auto& [key, value] : batch) {
    out.number(value ? kPut : kErase);
    out.text(key);
    if (value) out.text(*value);
  }
  return out.take();
}

Result<Commit> decode_commit(ByteView plain) {
  RowReader in(plain);
  HYDRA_CHECK_OK(check_version(in, "a commit"));
  Commit commit;
  commit.cluster = in.id<ClusterId>();
  commit.made_ms = in.time();
  for (std::size_t n = in.count(kLeastEntryBytes); n > 0 && in.ok(); --n) {
    const auto what = in.at_most(kPut);
    std::string key(in.text());
    std::optional<std::string> value;
    if (what == kPut) value.emplace(in.text());
    // In order, each once.
    if (key.empty() || (!commit.batch.empty() && key <= commit.batch.rbegin()->first)) in.damaged();
    if (in.ok()) commit.batch.emplace_hint(commit.batch.end(), std::move(key), std::move(value));
  }
  HYDRA_CHECK_OK(check_end(in, "a commit"));
  return commit;
}

std::string encode(const Root& root) {
  RowWriter out(kFieldsVersion, 256);
  out.raw(root.cluster.view());
  out.time(root.made_ms);
  out.number(root.copies);
  out.number(root.objects);
  out.number(root.plain_bytes);
  out.raw(root.body.view());
  out.number(root.key.kek_id);
  out.raw(root.key.sealed);
  out.count(root.extents.size());
  for (const RootExtent& extent : root.extents) {
    out.raw(extent.stored_as.view());
    out.number(extent.profile.k);
    out.number(extent.profile.m);
    out.number(extent.length);
  }
  out.count(root.nodes.size());
  for (const RootNode& node : root.nodes) {
    out.number(node.id);
    out.raw(node.identity.view());
    out.text(node.name);
    out.text(node.zone);
  }
  return out.take();
}

Result<Root> decode_root(ByteView plain) {
  RowReader in(plain);
  HYDRA_CHECK_OK(check_version(in, "a root"));
  Root root;
  root.cluster = in.id<ClusterId>();
  root.made_ms = in.time();
  root.copies = in.number<std::uint8_t>();
  root.objects = in.number<std::uint64_t>();
  root.plain_bytes = in.number<std::uint64_t>();
  root.body = in.id<BodyId>();
  root.key.kek_id = in.number<std::uint32_t>();
  get_array(in, root.key.sealed);
  for (std::size_t n = in.count(kRootExtentBytes); n > 0 && in.ok(); --n) {
    RootExtent extent;
    extent.stored_as = in.id<ExtentId>();
    extent.profile.k = in.number<std::uint8_t>();
    extent.profile.m = in.number<std::uint8_t>();
    extent.length = in.number<std::uint32_t>();
    if (!extent.profile.valid() || extent.length == 0) in.damaged();
    root.extents.push_back(extent);
  }
  for (std::size_t n = in.count(kLeastRootNodeBytes); n > 0 && in.ok(); --n) {
    RootNode node;
    node.id = in.number<NodeId>();
    node.identity = in.id<NodeIdentity>();
    node.name = in.text();
    node.zone = in.text();
    root.nodes.push_back(std::move(node));
  }
  HYDRA_CHECK_OK(check_end(in, "a root"));
  return root;
}

std::string encode(const JournalRow& row) {
  RowWriter out(kFieldsVersion, 48);
  out.number(row.sequence);
  out.raw(row.mark);
  out.number(row.gap);
  out.number(row.bytes);
  return out.take();
}

Result<JournalRow> decode_journal_row(ByteView bytes) {
  RowReader in(bytes);
  HYDRA_CHECK_OK(check_version(in, "the journal's row"));
  JournalRow row;
  row.sequence = in.number<std::uint64_t>();
  get_array(in, row.mark);
  row.gap = in.number<std::uint64_t>();
  row.bytes = in.number<std::uint64_t>();
  HYDRA_CHECK_OK(check_end(in, "the journal's row"));
  return row;
}

bool is_local(std::string_view key) {
  return key.starts_with(catalog::table_key(catalog::Table::kOutbox)) ||
         key.starts_with(catalog::table_key(catalog::Table::kJournal));
}

std::uint64_t first_sequence(std::int64_t wall_ms, std::uint64_t greatest_seen) {
  const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(0, wall_ms));
  return std::max(ms << 20, greatest_seen + 1);
}

}  // namespace hydra::journal
