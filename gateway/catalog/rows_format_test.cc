#include "gateway/catalog/rows_format.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/encoding.h"
#include "gateway/catalog/arbitrary_rows.h"
#include "gateway/catalog/rows_decode_all.h"

namespace hydra::catalog {
namespace {

// Encoding is a function of all fields, so equal encodings of two rows are equal rows.
RC_GTEST_PROP(RowsFormat, VersionsRoundTrip, ()) {
  Version version = any_version();
  const std::string row = encode(version);
  const auto decoded = decode_version(version.key, as_bytes(row), Slices::kDecode);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(encode(*decoded) == row);
  RC_ASSERT(decoded->key == version.key);
  RC_ASSERT(decoded->delete_marker == version.delete_marker);
  RC_ASSERT(decoded->fields == version.fields);
  RC_ASSERT(decoded->checksum == version.checksum);
  RC_ASSERT(decoded->slices == version.slices);
  RC_ASSERT(decoded->owner == version.owner);
}

RC_GTEST_PROP(RowsFormat, TheShortFormOfAVersionSaysTheSame, ()) {
  const Version version = any_version();
  const std::string row = encode(version);
  const auto brief = decode_version_row(as_bytes(row));
  RC_ASSERT(brief.has_value());
  RC_ASSERT(brief->delete_marker == version.delete_marker);
  RC_ASSERT(brief->bytes == version.bytes);
  RC_ASSERT(brief->modified_ms == version.modified_ms);
  RC_ASSERT(brief->version_id == version.version_id);
  RC_ASSERT(brief->etag == version.etag);
  RC_ASSERT(brief->owner_id == version.owner.id);
  RC_ASSERT(brief->owner_name == version.owner.display_name);
  RC_ASSERT(brief->storage_class == version.storage_class);
  RC_ASSERT(brief->checksum_kind.has_value() == version.checksum.has_value());
  if (version.checksum) {
    RC_ASSERT(brief->checksum_kind == version.checksum->kind);
    RC_ASSERT(brief->checksum_type == version.checksum->type);
  }
}

RC_GTEST_PROP(RowsFormat, SkippingSlicesKeepsTheRest, ()) {
  Version version = any_version();
  const auto head = decode_version(version.key, as_bytes(encode(version)), Slices::kSkip);
  RC_ASSERT(head.has_value());
  version.slices.clear();
  RC_ASSERT(encode(*head) == encode(version));
}

RC_GTEST_PROP(RowsFormat, PartsAndUploadsRoundTrip, ()) {
  Part part{.number = *rc::gen::arbitrary<std::uint32_t>(),
            .etag = any_text(),
            .bytes = *rc::gen::arbitrary<std::uint64_t>(),
            .modified_ms = *rc::gen::arbitrary<std::int64_t>(),
            .checksum = any_checksum(),
            .slices = any_slices()};
  const auto decoded = decode_part(part.number, as_bytes(encode(part)), Slices::kDecode);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(encode(*decoded) == encode(part));
  RC_ASSERT(decoded->number == part.number);

  Upload upload;
  upload.initiated_ms = *rc::gen::arbitrary<std::int64_t>();
  upload.owner = any_owner();
  upload.storage_class = any_text();
  upload.fields = any_fields();
  upload.checksum_type = any_type();
  if (*rc::gen::arbitrary<bool>()) upload.checksum_kind = any_kind();
  const auto again = decode_upload(4, "key", "id", as_bytes(encode(upload)));
  RC_ASSERT(again.has_value());
  RC_ASSERT(encode(*again) == encode(upload));
  RC_ASSERT(again->bucket == 4u);
  RC_ASSERT(again->key == "key");
  RC_ASSERT(again->upload_id == "id");
  RC_ASSERT(again->checksum_kind == upload.checksum_kind);
}

RC_GTEST_PROP(RowsFormat, CurrentRowsRoundTrip, ()) {
  const Version version = any_version();
  CurrentRow row{.sequence = *rc::gen::arbitrary<std::uint64_t>(),
                 .null_version = *rc::gen::arbitrary<bool>(),
                 .bytes = version.bytes,
                 .modified_ms = version.modified_ms,
                 .checksum_type = any_type(),
                 .etag = version.etag,
                 .storage_class = version.storage_class,
                 .owner_id = version.owner.id,
                 .owner_name = version.owner.display_name};
  if (*rc::gen::arbitrary<bool>()) row.checksum_kind = any_kind();
  const std::string encoded = encode(row);
  const auto decoded = decode_current(as_bytes(encoded));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(encode(*decoded) == encoded);
  RC_ASSERT(decoded->owner_name == version.owner.display_name);
  RC_ASSERT(decoded->null_version == row.null_version);
}

RC_GTEST_PROP(RowsFormat, ExtentsRoundTrip, ()) {
  const ExtentRow row = any_extent_row();
  const auto decoded = decode_extent(row.extent.id, as_bytes(encode(row)));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(encode(*decoded) == encode(row));
  RC_ASSERT(decoded->extent.nodes == row.extent.nodes);
  RC_ASSERT(decoded->extent.stored_as == row.extent.stored_as);
  RC_ASSERT(decoded->rank == row.rank);
  RC_ASSERT(decoded->extent.profile == row.extent.profile);
  RC_ASSERT(decoded->extent.wanted == row.extent.wanted);
}

RC_GTEST_PROP(RowsFormat, BodiesBucketsAndNodesRoundTrip, ()) {
  Body body{.plain_bytes = *rc::gen::arbitrary<std::uint64_t>(),
            .references = *rc::gen::arbitrary<std::uint32_t>(),
            .whole = *rc::gen::arbitrary<std::uint32_t>(),
            .to_trim = *rc::gen::arbitrary<bool>()};
  body.pieces.resize(*rc::gen::inRange<std::size_t>(0, 5));
  for (BodyPiece& piece : body.pieces)
    piece = {any_id<ExtentId>(), *rc::gen::arbitrary<std::uint32_t>(),
             *rc::gen::arbitrary<std::uint32_t>()};
  const auto decoded = decode_body(body.id, as_bytes(encode(body)));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->pieces == body.pieces);
  RC_ASSERT(decoded->whole == body.whole);
  RC_ASSERT(decoded->to_trim == body.to_trim);
  RC_ASSERT(encode(*decoded) == encode(body));

  const Bucket bucket{.id = *rc::gen::arbitrary<std::uint64_t>(),
                      .name = any_text(),
                      .created_ms = *rc::gen::arbitrary<std::int64_t>(),
                      .owner = any_owner(),
                      .location = any_text(),
                      .versioning = any_versioning()};
  const auto bucket_again = decode_bucket(bucket.name, as_bytes(encode(bucket)));
  RC_ASSERT(bucket_again.has_value());
  RC_ASSERT(encode(*bucket_again) == encode(bucket));
  RC_ASSERT(bucket_again->versioning == bucket.versioning);

  const NodeRow node{.id = 9,
                     .identity = any_id<NodeIdentity>(),
                     .name = any_text(),
                     .zone = any_text(),
                     .capacity_bytes = *rc::gen::arbitrary<std::uint64_t>(),
                     .weight = *rc::gen::arbitrary<double>(),
                     .draining = *rc::gen::arbitrary<bool>(),
                     .removed = *rc::gen::arbitrary<bool>(),
                     .zone_fixed = *rc::gen::arbitrary<bool>(),
                     .role = static_cast<agent::NodeRole>(*rc::gen::inRange(0, 2))};
  const auto node_again = decode_node(9, as_bytes(encode(node)));
  RC_ASSERT(node_again.has_value());
  RC_ASSERT(encode(*node_again) == encode(node));
  RC_ASSERT(node_again->removed == node.removed);
  RC_ASSERT(node_again->role == node.role);
}

RC_GTEST_PROP(RowsFormat, ClaimsRoundTrip, ()) {
  ClaimRow claim{.created_ms = *rc::gen::arbitrary<std::int64_t>(),
                 .expires_ms = *rc::gen::arbitrary<std::int64_t>(),
                 .used_ms = *rc::gen::arbitrary<std::int64_t>(),
                 .used_by = any_id<NodeIdentity>()};
  claim.id = any_id<ExtentId>().bytes;
  for (std::byte& b : claim.hash) b = static_cast<std::byte>(*rc::gen::inRange(0, 256));
  const auto again = decode_claim(claim.id, as_bytes(encode(claim)));
  RC_ASSERT(again.has_value());
  RC_ASSERT(again->hash == claim.hash);
  RC_ASSERT(encode(*again) == encode(claim));
  RC_ASSERT(parse_claim_key(as_bytes(claim_key(claim.id))) == claim.id);
}

TEST(RowsFormat, NodesOfTheFirstVersionAreStorageNodes) {
  std::string row = encode(NodeRow{.id = 1, .name = "n", .zone = "z", .draining = true});
  row[0] = 1;
  row.pop_back();  // the role
  const auto node = decode_node(1, as_bytes(row));
  ASSERT_TRUE(node) << node.error().message;
  EXPECT_EQ(node->name, "n");
  EXPECT_TRUE(node->draining);
  EXPECT_TRUE(node->stores());
  row.back() = 2;  // a flag that it did not know
  EXPECT_FALSE(decode_node(1, as_bytes(row)));
}

TEST(RowsFormat, StateRoundTripsFieldByField) {
  StateRow state{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
  const auto decoded = decode_state(as_bytes(encode(state)));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, state);
}

TEST(RowsFormat, CompletedUploadsKeepTheOutcomeOnly) {
  Version version{.key = "k", .etag = "e-2", .bytes = 7, .fields = {{"a", "b"}}};
  version.parts.resize(2);
  version.slices.resize(2);
  const auto decoded = decode_completed(as_bytes(encode(CompletedRow{3, 99, version})));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->bucket, 3u);
  EXPECT_EQ(decoded->completed_ms, 99);
  EXPECT_EQ(decoded->version.key, "k");
  EXPECT_EQ(decoded->version.etag, "e-2");
  EXPECT_TRUE(decoded->version.fields.empty());
  EXPECT_TRUE(decoded->version.parts.empty());
  EXPECT_TRUE(decoded->version.slices.empty());
}

TEST(RowsFormat, WorkedExample) {
  Body body{.plain_bytes = 4096, .references = 1, .whole = 1};
  BodyPiece piece{.offset = 0, .length = 4112};
  piece.extent.bytes.fill(std::byte{0xee});
  body.pieces = {piece};
  EXPECT_EQ(hex_encode(encode(body)),
            "02"
            "0010000000000000"
            "01000000"
            "01000000"
            "00"
            "01000000"
            "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
            "00000000"
            "10100000");
}

TEST(RowsFormat, UnknownVersionsAreRefused) {
  std::string row = encode(Bucket{});
  row[0] = 2;
  const auto decoded = decode_bucket("b", as_bytes(row));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, Code::kUnsupported);
}

RC_GTEST_PROP(RowsFormat, EveryTruncationIsDamage, ()) {
  const Version version = any_version();
  const std::string row = encode(version);
  const auto size = *rc::gen::inRange<std::size_t>(0, row.size());
  for (const Slices mode : {Slices::kDecode, Slices::kSkip}) {
    const auto decoded = decode_version("k", as_bytes(row).first(size), mode);
    RC_ASSERT(!decoded);
    RC_ASSERT(decoded.error().code == Code::kCorrupt);
  }
}

RC_GTEST_PROP(RowsFormat, TrailingBytesAreDamage, ()) {
  RC_ASSERT(!decode_extent({}, as_bytes(encode(any_extent_row()) + "x")));
  RC_ASSERT(!decode_version("k", as_bytes(encode(any_version()) + "x"), Slices::kSkip));
}

RC_GTEST_PROP(RowsFormat, AnyBytesAreDecodedOrRefused, ()) {
  std::string row = *rc::gen::arbitrary<bool>() ? encode(any_version()) : encode(any_extent_row());
  for (int n = *rc::gen::inRange(1, 4); n > 0; --n)
    row[*rc::gen::inRange<std::size_t>(0, row.size())] = *rc::gen::arbitrary<char>();
  decode_all(as_bytes(row));
  std::string noise = "\x01" + any_text();
  decode_all(as_bytes(noise));
}

TEST(RowsFormat, HugeCountsAreRefusedBeforeAnythingIsAllocated) {
  std::string row = encode(Body{});
  row.replace(row.size() - 4, 4, "\xff\xff\xff\xff");
  EXPECT_FALSE(decode_body({}, as_bytes(row)));
}

}  // namespace
}  // namespace hydra::catalog
