// The half of rows_format.h that clients never see: bodies, extents, nodes, leases, claims.
#include <cstring>

#include "gateway/catalog/row_bytes.h"
#include "gateway/catalog/row_checks.h"
#include "gateway/catalog/rows_format.h"

namespace hydra::catalog {

namespace {

// A piece: extent (16), offset (4), length (4).
constexpr std::size_t kPieceBytes = 24;
static_assert(kPieceBytes == sizeof(ExtentId::bytes) + 4 + 4);
constexpr std::uint8_t kReencodedFlag = 1;
constexpr std::uint8_t kKnownExtentFlags = kReencodedFlag;
constexpr std::uint8_t kToTrimFlag = 1;
constexpr std::uint8_t kKnownBodyFlags = kToTrimFlag;
// Rows of bodies did not tell whole slices from others in their first version.
constexpr std::uint8_t kBodyRowVersion = 2;
// Rows of nodes: the first version knew no flag but draining, and no role.
constexpr std::uint8_t kNodeRowVersion = 2;
constexpr std::uint8_t kDrainingFlag = 1;
constexpr std::uint8_t kRemovedFlag = 2;
constexpr std::uint8_t kZoneFixedFlag = 4;
constexpr std::uint8_t kKnownNodeFlags = kDrainingFlag | kRemovedFlag | kZoneFixedFlag;
constexpr auto kGreatestRole = static_cast<std::uint8_t>(agent::NodeRole::kCache);
static_assert(kGreatestRole == 1);

void put_profile(RowWriter& out, erasure::Profile profile) {
  out.number(profile.k);
  out.number(profile.m);
}
erasure::Profile get_profile(RowReader& in) {
  erasure::Profile profile;
  profile.k = in.number<std::uint8_t>();
  profile.m = in.number<std::uint8_t>();
  if (!profile.valid()) in.damaged();
  return profile;
}

}  // namespace

std::string encode(const Body& row) {
  RowWriter out(kBodyRowVersion, 22 + row.pieces.size() * kPieceBytes);
  out.number(row.plain_bytes);
  out.number(row.references);
  out.number(row.whole);
  out.number(flag(kToTrimFlag, row.to_trim));
  out.count(row.pieces.size());
  for (const BodyPiece& piece : row.pieces) {
    out.raw(piece.extent.view());
    out.number(piece.offset);
    out.number(piece.length);
  }
  return out.take();
}
Result<Body> decode_body(const BodyId& id, ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in, kBodyRowVersion));
  Body body;
  body.id = id;
  body.plain_bytes = in.number<std::uint64_t>();
  body.references = in.number<std::uint32_t>();
  body.whole = in.number<std::uint32_t>();
  body.to_trim = in.at_most(kKnownBodyFlags) != 0;
  body.pieces.resize(in.count(kPieceBytes));
  for (BodyPiece& piece : body.pieces) {
    piece.extent = in.id<ExtentId>();
    piece.offset = in.number<std::uint32_t>();
    piece.length = in.number<std::uint32_t>();
  }
  HYDRA_CHECK_OK(check_end(in, "body"));
  return body;
}

std::string encode(const ExtentRow& row) {
  RowWriter out(kRowVersion, 56 + row.extent.nodes.size() * 4);
  const bool reencoded = row.extent.stored_as != row.extent.id;
  out.number(reencoded ? kReencodedFlag : std::uint8_t{0});
  if (reencoded) out.raw(row.extent.stored_as.view());
  put_profile(out, row.extent.profile);
  put_profile(out, row.extent.wanted);
  out.number(row.extent.length);
  out.number(row.extent.live_bytes);
  out.number(row.extent.missing);
  out.number(row.rank);
  out.time(row.repair_since_ms);
  out.time(row.died_ms);
  out.number(static_cast<std::uint8_t>(row.extent.nodes.size()));
  for (NodeId node : row.extent.nodes) out.number(node);
  return out.take();
}
Result<ExtentRow> decode_extent(const ExtentId& id, ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  ExtentRow out;
  out.extent.id = id;
  const bool reencoded = in.at_most(kKnownExtentFlags) != 0;
  out.extent.stored_as = reencoded ? in.id<ExtentId>() : id;
  if (reencoded && out.extent.stored_as == id) in.damaged();
  out.extent.profile = get_profile(in);
  out.extent.wanted = get_profile(in);
  out.extent.length = in.number<std::uint32_t>();
  out.extent.live_bytes = in.number<std::uint32_t>();
  out.extent.missing = in.number<std::uint32_t>();
  out.rank = in.number<Rank>();
  out.repair_since_ms = in.time();
  out.died_ms = in.time();
  const auto nodes = in.number<std::uint8_t>();
  if (nodes != out.extent.profile.shards()) in.damaged();
  if (in.ok()) out.extent.nodes.resize(nodes);
  for (NodeId& node : out.extent.nodes) node = in.number<std::uint32_t>();
  HYDRA_CHECK_OK(check_end(in, "extent"));
  return out;
}

std::string encode(const NodeRow& row) {
  RowWriter out(kNodeRowVersion, 64 + row.name.size() + row.zone.size());
  out.raw(row.identity.view());
  out.text(row.name);
  out.text(row.zone);
  out.number(row.capacity_bytes);
  out.number(std::bit_cast<std::uint64_t>(row.weight));
  out.number<std::uint8_t>(flag(kDrainingFlag, row.draining) | flag(kRemovedFlag, row.removed) |
                           flag(kZoneFixedFlag, row.zone_fixed));
  out.number(static_cast<std::uint8_t>(row.role));
  return out.take();
}
Result<NodeRow> decode_node(NodeId id, ByteView row) {
  RowReader in(row);
  const bool first_version = !row.empty() && row[0] == std::byte{kRowVersion};
  HYDRA_CHECK_OK(check_version(in, first_version ? kRowVersion : kNodeRowVersion));
  NodeRow node;
  node.id = id;
  node.identity = in.id<NodeIdentity>();
  node.name = in.text();
  node.zone = in.text();
  node.capacity_bytes = in.number<std::uint64_t>();
  node.weight = std::bit_cast<double>(in.number<std::uint64_t>());
  const auto flags = in.at_most(first_version ? kDrainingFlag : kKnownNodeFlags);
  node.draining = (flags & kDrainingFlag) != 0;
  node.removed = (flags & kRemovedFlag) != 0;
  node.zone_fixed = (flags & kZoneFixedFlag) != 0;
  if (!first_version) node.role = static_cast<agent::NodeRole>(in.at_most(kGreatestRole));
  HYDRA_CHECK_OK(check_end(in, "node"));
  return node;
}

std::string encode(const Lease& row) {
  RowWriter out(kRowVersion, 13 + row.holder.size());
  out.time(row.until_ms);
  out.text(row.holder);
  return out.take();
}
Result<Lease> decode_lease(ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  Lease lease;
  lease.until_ms = in.time();
  lease.holder = in.text();
  HYDRA_CHECK_OK(check_end(in, "lease"));
  return lease;
}

std::string encode(const ClaimRow& row) {
  RowWriter out(kRowVersion, 73);
  out.raw(row.hash);
  out.time(row.created_ms);
  out.time(row.expires_ms);
  out.time(row.used_ms);
  out.raw(row.used_by.view());
  return out.take();
}
Result<ClaimRow> decode_claim(const agent::ClaimId& id, ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  ClaimRow claim;
  claim.id = id;
  const ByteView hash = in.raw(claim.hash.size());
  if (!hash.empty()) std::memcpy(claim.hash.data(), hash.data(), hash.size());
  claim.created_ms = in.time();
  claim.expires_ms = in.time();
  claim.used_ms = in.time();
  claim.used_by = in.id<NodeIdentity>();
  HYDRA_CHECK_OK(check_end(in, "claim"));
  return claim;
}

std::string encode_name(std::string_view name) {
  RowWriter out(kRowVersion, 5 + name.size());
  out.text(name);
  return out.take();
}
Result<std::string_view> decode_name(ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  const std::string_view name = in.text();
  HYDRA_CHECK_OK(check_end(in, "name"));
  return name;
}

std::string encode_sequence(std::uint64_t sequence) {
  RowWriter out(kRowVersion, 9);
  out.number(sequence);
  return out.take();
}
Result<std::uint64_t> decode_sequence(ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  const auto sequence = in.number<std::uint64_t>();
  HYDRA_CHECK_OK(check_end(in, "sequence"));
  return sequence;
}

std::string encode_node_number(NodeId id) {
  RowWriter out(kRowVersion, 5);
  out.number(id);
  return out.take();
}
Result<NodeId> decode_node_number(ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  const NodeId id = in.number<NodeId>();
  HYDRA_CHECK_OK(check_end(in, "node number"));
  return id;
}

std::string encode_extent_id(const ExtentId& id) {
  RowWriter out(kRowVersion, 17);
  out.raw(id.view());
  return out.take();
}
Result<ExtentId> decode_extent_id(ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  const auto id = in.id<ExtentId>();
  HYDRA_CHECK_OK(check_end(in, "alias"));
  return id;
}

std::string encode_count(std::uint32_t count) {
  RowWriter out(kRowVersion, 5);
  out.number(count);
  return out.take();
}
Result<std::uint32_t> decode_count(ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  const auto count = in.number<std::uint32_t>();
  HYDRA_CHECK_OK(check_end(in, "count"));
  return count;
}

}  // namespace hydra::catalog
