// Listing versions: one scan of `versions`, with a seek per common prefix.

#include "gateway/catalog/common_prefixes.h"
#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/lookups.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/store_catalog.h"

namespace hydra::catalog {

namespace {

// The place of the version that a page ended with, which may be gone by now. std::nullopt: it was
// the null one, so its place is not known.
Result<std::optional<std::uint64_t>> marked_sequence(kv::Reader& reader, BucketId bucket,
                                                     std::string_view key,
                                                     std::string_view version_id) {
  if (version_id != kNullVersionId) {
    const auto sequence = sequence_of_version_id(version_id);
    if (!sequence) return fail(Code::kInvalidArgument, "Invalid version id specified");
    return sequence;
  }
  HYDRA_TRY(const auto current, find_current(reader, bucket, key));
  return find_null_version(reader, bucket, key, current);
}

// Where a listing begins. Without a version id the whole key of the marker is skipped.
Result<std::string> first_version(kv::Reader& reader, BucketId bucket,
                                  const VersionListRequest& request) {
  const std::string_view marker = request.key_marker.substr(0, kMaxObjectKeyBytes);
  if (marker.empty() || marker < request.prefix) return versions_prefix(bucket, request.prefix);
  if (is_common_prefix(marker, request.prefix, request.delimiter))
    return after_prefix(versions_prefix(bucket, marker));
  if (request.version_id_marker.empty()) return after_prefix(versions_of(bucket, marker));
  HYDRA_TRY(const auto sequence,
            marked_sequence(reader, bucket, marker, request.version_id_marker));
  // Better shown twice than not at all.
  if (!sequence) return versions_of(bucket, marker);
  return version_key(bucket, marker, *sequence) + '\0';
}

VersionEntry entry_of(const VersionName& name, const VersionRow& row, bool latest) {
  VersionEntry entry;
  entry.object = {name.key,        row.etag,          row.bytes,
                  row.modified_ms, row.storage_class, row.owner_id,
                  row.owner_name,  row.checksum_kind, row.checksum_type};
  entry.version_id = row.version_id;
  entry.delete_marker = row.delete_marker;
  entry.latest = latest;
  return entry;
}

}  // namespace

Result<VersionListEnd> StoreCatalog::list_versions(BucketId bucket,
                                                   const VersionListRequest& request,
                                                   VersionVisitor& visitor) {
  VersionListEnd end;
  if (request.limit == 0 || request.prefix.size() > kMaxObjectKeyBytes) return end;
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  HYDRA_TRY(const std::string first, first_version(*snapshot, bucket, request));
  // The key of the marker may go on with versions that are not its newest.
  std::string newest_of;  // the key whose newest version was passed already
  HYDRA_TRY(const auto newest, find_newest(*snapshot, bucket, request.key_marker));
  if (newest && version_key(bucket, request.key_marker, newest->sequence) < first)
    newest_of = request.key_marker;

  const auto cursor = snapshot->cursor();
  const std::string scope = versions_prefix(bucket, request.prefix);
  std::size_t visited = 0;
  HYDRA_TRY(bool more, cursor->seek(as_bytes(first)));
  while (more && as_text(cursor->key()).starts_with(scope)) {
    if (visited++ == request.limit) {
      end.truncated = true;
      break;
    }
    const auto name = parse_version_key(cursor->key());
    if (!name) return fail(Code::kCorrupt, "catalog: damaged key of a version");
    const std::string_view rolled_up =
        common_prefix_of(name->key, request.prefix, request.delimiter);
    if (rolled_up.empty()) {
      HYDRA_TRY(const VersionRow row, decode_version_row(cursor->value()));
      visitor.version(entry_of(*name, row, name->key != newest_of));
      newest_of = name->key;
      end.last_key = name->key;
      end.last_version_id = row.version_id;
      HYDRA_TRY(more, cursor->next());
    } else {
      visitor.common_prefix(rolled_up);
      end.last_key = rolled_up;
      end.last_version_id.clear();
      HYDRA_TRY(more, cursor->seek(as_bytes(after_prefix(versions_prefix(bucket, rolled_up)))));
    }
  }
  return end;
}

}  // namespace hydra::catalog
