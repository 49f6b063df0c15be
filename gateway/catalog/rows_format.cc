#include "gateway/catalog/rows_format.h"

#include <bit>
#include <cstring>

#include "gateway/catalog/row_bytes.h"
#include "gateway/catalog/row_checks.h"

namespace hydra::catalog {

namespace {

// A slice: body (16), offset (8), length (8), key-encryption key id (4), sealed data key (60).
constexpr std::size_t kSliceBytes = 96;
static_assert(kSliceBytes ==
              sizeof(BodyId::bytes) + 8 + 8 + 4 + std::tuple_size_v<decltype(WrappedKey::sealed)>);
constexpr std::size_t kLeastFieldBytes = 4 + 4;
constexpr std::size_t kLeastPartSummaryBytes = 4 + 8 + 1;

constexpr std::uint8_t kDeleteMarkerFlag = 1;
constexpr std::uint8_t kKnownVersionFlags = kDeleteMarkerFlag;
constexpr std::uint8_t kNullVersionFlag = 1;
constexpr std::uint8_t kKnownCurrentFlags = kNullVersionFlag;
// The state's row did not count what is half dead in its first version.
constexpr std::uint8_t kStateRowVersion = 2;

constexpr auto kGreatestVersioning = static_cast<std::uint8_t>(Versioning::kSuspended);
static_assert(kGreatestVersioning == 2);
constexpr std::uint8_t kNoChecksum = 0;
constexpr auto kGreatestDigestKind = static_cast<std::uint8_t>(DigestKind::kCrc64Nvme);
static_assert(static_cast<std::uint8_t>(DigestKind::kMd5) == 1 && kGreatestDigestKind == 6);
static_assert(static_cast<std::uint8_t>(ChecksumType::kFullObject) == 1 &&
              static_cast<std::uint8_t>(ChecksumType::kComposite) == 2);

void put_kind(RowWriter& out, std::optional<DigestKind> kind, ChecksumType type) {
  out.number(kind ? static_cast<std::uint8_t>(*kind) : kNoChecksum);
  out.number(static_cast<std::uint8_t>(type));
}
void get_kind(RowReader& in, std::optional<DigestKind>& kind, ChecksumType& type) {
  const auto kind_number = in.at_most(kGreatestDigestKind);
  const auto type_number = in.at_most(static_cast<std::uint8_t>(ChecksumType::kComposite));
  if (type_number == 0) in.damaged();
  if (!in.ok()) return;
  if (kind_number != kNoChecksum) kind = static_cast<DigestKind>(kind_number);
  type = static_cast<ChecksumType>(type_number);
}

void put_checksum(RowWriter& out, const std::optional<Checksum>& checksum) {
  out.number(checksum ? static_cast<std::uint8_t>(checksum->kind) : kNoChecksum);
  if (!checksum) return;
  out.number(static_cast<std::uint8_t>(checksum->type));
  out.text(checksum->value);
}
std::optional<Checksum> get_checksum(RowReader& in) {
  const auto kind = in.at_most(kGreatestDigestKind);
  if (kind == kNoChecksum) return std::nullopt;
  const auto type = in.at_most(static_cast<std::uint8_t>(ChecksumType::kComposite));
  if (type == 0) in.damaged();
  Checksum checksum;
  checksum.value = in.text();
  if (!in.ok()) return std::nullopt;
  checksum.kind = static_cast<DigestKind>(kind);
  checksum.type = static_cast<ChecksumType>(type);
  return checksum;
}

void put_owner(RowWriter& out, const Owner& owner) {
  out.text(owner.id);
  out.text(owner.display_name);
}
Owner get_owner(RowReader& in) {
  Owner owner;
  owner.id = in.text();
  owner.display_name = in.text();
  return owner;
}

void put_fields(RowWriter& out, const Fields& fields) {
  out.count(fields.size());
  for (const auto& [name, value] : fields) {
    out.text(name);
    out.text(value);
  }
}
Fields get_fields(RowReader& in) {
  Fields fields;
  for (std::size_t n = in.count(kLeastFieldBytes); n > 0 && in.ok(); --n) {
    const std::string_view name = in.text();
    const std::string_view value = in.text();
    if (in.ok()) fields.emplace_hint(fields.end(), name, value);
  }
  return fields;
}

std::size_t size_of(const Fields& fields) {
  std::size_t size = 0;
  for (const auto& [name, value] : fields) size += kLeastFieldBytes + name.size() + value.size();
  return size;
}

void put_slices(RowWriter& out, const std::vector<Slice>& slices) {
  out.count(slices.size());
  for (const Slice& slice : slices) {
    out.raw(slice.body.view());
    out.number(slice.offset);
    out.number(slice.length);
    out.number(slice.key.kek_id);
    out.raw(slice.key.sealed);
  }
}
std::vector<Slice> get_slices(RowReader& in, Slices mode) {
  const std::size_t n = in.count(kSliceBytes);
  std::vector<Slice> slices;
  if (mode == Slices::kSkip) {
    in.raw(n * kSliceBytes);
    return slices;
  }
  slices.resize(n);
  for (Slice& slice : slices) {
    slice.body = in.id<BodyId>();
    slice.offset = in.number<std::uint64_t>();
    slice.length = in.number<std::uint64_t>();
    slice.key.kek_id = in.number<std::uint32_t>();
    const ByteView sealed = in.raw(slice.key.sealed.size());
    if (in.ok()) std::memcpy(slice.key.sealed.data(), sealed.data(), sealed.size());
  }
  return slices;
}

}  // namespace

std::string encode(const MetaRow& row) {
  RowWriter out(kRowVersion, 19);
  out.number(row.format);
  out.raw(row.cluster.view());
  return out.take();
}
Result<MetaRow> decode_meta(ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  MetaRow meta;
  meta.format = in.number<std::uint16_t>();
  meta.cluster = in.id<ClusterId>();
  HYDRA_CHECK_OK(check_end(in, "meta"));
  return meta;
}

std::string encode(const StateRow& row) {
  RowWriter out(kStateRowVersion, 145);
  for (std::uint64_t n : {row.buckets, row.objects, row.object_bytes, row.extents, row.extent_bytes,
                          row.dead_extents, row.repairs, row.repair_bytes, row.moves,
                          row.move_bytes, row.strays, row.uploads, row.trims, row.half_dead,
                          row.half_dead_bytes, row.next_bucket, row.next_sequence, row.next_node})
    out.number(n);
  return out.take();
}
Result<StateRow> decode_state(ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in, kStateRowVersion));
  StateRow state;
  for (std::uint64_t* n :
       {&state.buckets, &state.objects, &state.object_bytes, &state.extents, &state.extent_bytes,
        &state.dead_extents, &state.repairs, &state.repair_bytes, &state.moves, &state.move_bytes,
        &state.strays, &state.uploads, &state.trims, &state.half_dead, &state.half_dead_bytes,
        &state.next_bucket, &state.next_sequence, &state.next_node})
    *n = in.number<std::uint64_t>();
  HYDRA_CHECK_OK(check_end(in, "state"));
  return state;
}

std::string encode(const Bucket& row) {
  RowWriter out(kRowVersion, 64);
  out.number(row.id);
  out.time(row.created_ms);
  put_owner(out, row.owner);
  out.text(row.location);
  out.number(static_cast<std::uint8_t>(row.versioning));
  return out.take();
}
Result<Bucket> decode_bucket(std::string_view name, ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  Bucket bucket;
  bucket.name = name;
  bucket.id = in.number<BucketId>();
  bucket.created_ms = in.time();
  bucket.owner = get_owner(in);
  bucket.location = in.text();
  bucket.versioning = static_cast<Versioning>(in.at_most(kGreatestVersioning));
  HYDRA_CHECK_OK(check_end(in, "bucket"));
  return bucket;
}

std::string encode(const CurrentRow& row) {
  RowWriter out(kRowVersion, 44 + row.etag.size() + row.storage_class.size() + row.owner_id.size() +
                                 row.owner_name.size());
  out.number(row.sequence);
  out.number(row.null_version ? kNullVersionFlag : std::uint8_t{0});
  out.number(row.bytes);
  out.time(row.modified_ms);
  put_kind(out, row.checksum_kind, row.checksum_type);
  out.text(row.etag);
  out.text(row.storage_class);
  out.text(row.owner_id);
  out.text(row.owner_name);
  return out.take();
}
Result<CurrentRow> decode_current(ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  CurrentRow current;
  current.sequence = in.number<std::uint64_t>();
  current.null_version = in.at_most(kKnownCurrentFlags) != 0;
  current.bytes = in.number<std::uint64_t>();
  current.modified_ms = in.time();
  get_kind(in, current.checksum_kind, current.checksum_type);
  current.etag = in.text();
  current.storage_class = in.text();
  current.owner_id = in.text();
  current.owner_name = in.text();
  HYDRA_CHECK_OK(check_end(in, "current"));
  return current;
}

std::string encode(const Version& row) {
  RowWriter out(kRowVersion, 128 + row.owner.id.size() + row.owner.display_name.size() +
                                 size_of(row.fields) + row.parts.size() * 32 +
                                 row.slices.size() * kSliceBytes);
  out.number(row.delete_marker ? kDeleteMarkerFlag : std::uint8_t{0});
  out.number(row.bytes);
  out.time(row.modified_ms);
  out.text(row.version_id);
  out.text(row.etag);
  put_owner(out, row.owner);
  out.text(row.storage_class);
  put_fields(out, row.fields);
  put_checksum(out, row.checksum);
  out.count(row.parts.size());
  for (const PartSummary& part : row.parts) {
    out.number(part.number);
    out.number(part.bytes);
    put_checksum(out, part.checksum);
  }
  put_slices(out, row.slices);
  return out.take();
}
Result<Version> decode_version(std::string_view key, ByteView row, Slices slices) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  Version version;
  version.key = key;
  version.delete_marker = in.at_most(kKnownVersionFlags) != 0;
  version.bytes = in.number<std::uint64_t>();
  version.modified_ms = in.time();
  version.version_id = in.text();
  version.etag = in.text();
  version.owner = get_owner(in);
  version.storage_class = in.text();
  version.fields = get_fields(in);
  version.checksum = get_checksum(in);
  version.parts.resize(in.count(kLeastPartSummaryBytes));
  for (PartSummary& part : version.parts) {
    part.number = in.number<std::uint32_t>();
    part.bytes = in.number<std::uint64_t>();
    part.checksum = get_checksum(in);
  }
  version.slices = get_slices(in, slices);
  HYDRA_CHECK_OK(check_end(in, "version"));
  return version;
}

Result<VersionRow> decode_version_row(ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  VersionRow version;
  version.delete_marker = in.at_most(kKnownVersionFlags) != 0;
  version.bytes = in.number<std::uint64_t>();
  version.modified_ms = in.time();
  version.version_id = in.text();
  version.etag = in.text();
  version.owner_id = in.text();
  version.owner_name = in.text();
  version.storage_class = in.text();
  for (std::size_t n = in.count(kLeastFieldBytes); n > 0 && in.ok(); --n) {
    in.text();
    in.text();
  }
  if (const auto checksum = get_checksum(in)) {
    version.checksum_kind = checksum->kind;
    version.checksum_type = checksum->type;
  }
  if (!in.ok()) return fail(Code::kCorrupt, "catalog row is damaged: version");
  return version;
}

std::string encode(const Upload& row) {
  RowWriter out(kRowVersion, 64 + size_of(row.fields));
  out.time(row.initiated_ms);
  put_kind(out, row.checksum_kind, row.checksum_type);
  put_owner(out, row.owner);
  out.text(row.storage_class);
  put_fields(out, row.fields);
  return out.take();
}
Result<Upload> decode_upload(BucketId bucket, std::string_view key, std::string_view upload_id,
                             ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  Upload upload;
  upload.bucket = bucket;
  upload.key = key;
  upload.upload_id = upload_id;
  upload.initiated_ms = in.time();
  get_kind(in, upload.checksum_kind, upload.checksum_type);
  upload.owner = get_owner(in);
  upload.storage_class = in.text();
  upload.fields = get_fields(in);
  HYDRA_CHECK_OK(check_end(in, "upload"));
  return upload;
}

std::string encode(const Part& row) {
  RowWriter out(kRowVersion, 96 + row.slices.size() * kSliceBytes);
  out.number(row.bytes);
  out.time(row.modified_ms);
  out.text(row.etag);
  put_checksum(out, row.checksum);
  put_slices(out, row.slices);
  return out.take();
}
Result<Part> decode_part(std::uint32_t number, ByteView row, Slices slices) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  Part part;
  part.number = number;
  part.bytes = in.number<std::uint64_t>();
  part.modified_ms = in.time();
  part.etag = in.text();
  part.checksum = get_checksum(in);
  part.slices = get_slices(in, slices);
  HYDRA_CHECK_OK(check_end(in, "part"));
  return part;
}

std::string encode(const CompletedRow& row) {
  RowWriter out(kRowVersion, 256);
  out.number(row.bucket);
  out.time(row.completed_ms);
  out.text(row.version.key);
  Version outcome = row.version;
  outcome.fields.clear();
  outcome.parts.clear();
  outcome.slices.clear();
  out.text(encode(outcome));
  return out.take();
}
Result<CompletedRow> decode_completed(ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  CompletedRow completed;
  completed.bucket = in.number<BucketId>();
  completed.completed_ms = in.time();
  const std::string_view key = in.text();
  const std::string_view version = in.text();
  HYDRA_CHECK_OK(check_end(in, "completed upload"));
  HYDRA_TRY(completed.version, decode_version(key, as_bytes(version), Slices::kDecode));
  return completed;
}

std::string encode(const SnapshotRow& row) {
  RowWriter out(kRowVersion, 32 + kSliceBytes);
  out.number(static_cast<std::uint8_t>(row.rooted));
  out.time(row.made_ms);
  out.number(row.journal_bytes);
  out.number(row.plain_bytes);
  put_slices(out, {row.slice});
  return out.take();
}
Result<SnapshotRow> decode_snapshot(std::uint64_t sequence, ByteView row) {
  RowReader in(row);
  HYDRA_CHECK_OK(check_version(in));
  SnapshotRow snapshot;
  snapshot.sequence = sequence;
  snapshot.rooted = in.at_most<std::uint8_t>(1) != 0;
  snapshot.made_ms = in.time();
  snapshot.journal_bytes = in.number<std::uint64_t>();
  snapshot.plain_bytes = in.number<std::uint64_t>();
  const auto slices = get_slices(in, Slices::kDecode);
  if (slices.size() != 1) in.damaged();
  HYDRA_CHECK_OK(check_end(in, "snapshot"));
  snapshot.slice = slices.front();
  return snapshot;
}

}  // namespace hydra::catalog
