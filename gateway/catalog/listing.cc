// Listing objects, uploads and parts: one scan, with a seek per common prefix.

#include <algorithm>

#include "gateway/catalog/common_prefixes.h"
#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/lookups.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/store_catalog.h"

namespace hydra::catalog {

namespace {

ListEntry entry_of(std::string_view key, const CurrentRow& row) {
  return {key,          row.etag,       row.bytes,         row.modified_ms,  row.storage_class,
          row.owner_id, row.owner_name, row.checksum_kind, row.checksum_type};
}

// Where a listing of `current` begins.
std::string first_key(BucketId bucket, const ListRequest& request) {
  // No object's key is longer, so what lies beyond cannot matter for the order.
  const std::string_view marker = request.start_after.substr(0, kMaxObjectKeyBytes);
  if (marker.empty() || marker < request.prefix) return current_key(bucket, request.prefix);
  std::string key = current_key(bucket, marker);
  if (is_common_prefix(marker, request.prefix, request.delimiter)) return after_prefix(key);
  key += '\0';
  return key;
}

}  // namespace

Result<ListEnd> StoreCatalog::list(BucketId bucket, const ListRequest& request,
                                   ListVisitor& visitor) {
  ListEnd end;
  if (request.limit == 0 || request.prefix.size() > kMaxObjectKeyBytes) return end;
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  const auto cursor = snapshot->cursor();
  const std::string scope = current_key(bucket, request.prefix);
  std::size_t visited = 0;
  HYDRA_TRY(bool more, cursor->seek(as_bytes(first_key(bucket, request))));
  while (more) {
    const std::string_view row_key = as_text(cursor->key());
    if (!row_key.starts_with(scope)) break;
    if (visited++ == request.limit) {
      end.truncated = true;
      break;
    }
    const std::string_view key = row_key.substr(kCurrentPrefixBytes);
    const std::string_view rolled_up = common_prefix_of(key, request.prefix, request.delimiter);
    if (rolled_up.empty()) {
      HYDRA_TRY(const CurrentRow row, decode_current(cursor->value()));
      visitor.object(entry_of(key, row));
      end.last = key;
      HYDRA_TRY(more, cursor->next());
    } else {
      visitor.common_prefix(rolled_up);
      end.last = rolled_up;
      HYDRA_TRY(more, cursor->seek(as_bytes(after_prefix(current_key(bucket, end.last)))));
    }
  }
  return end;
}

Result<Upload> StoreCatalog::upload(BucketId bucket, std::string_view key,
                                    std::string_view upload_id) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  return find_upload(*snapshot, bucket, key, upload_id);
}

namespace {
// Where a listing of uploads begins. Without an upload id the whole key of the marker is skipped.
std::string first_upload(BucketId bucket, const UploadListRequest& request) {
  const std::string_view marker =
      std::string_view(request.key_marker).substr(0, kMaxObjectKeyBytes);
  if (marker.empty() || marker < request.prefix) return uploads_prefix(bucket, request.prefix);
  if (is_common_prefix(marker, request.prefix, request.delimiter))
    return after_prefix(uploads_prefix(bucket, marker));
  const std::string_view id =
      std::string_view(request.upload_id_marker).substr(0, kMaxUploadIdBytes);
  std::string key = upload_key(bucket, marker, id);
  if (id.empty()) return after_prefix(key);
  key += '\0';
  return key;
}
}  // namespace

Result<UploadPage> StoreCatalog::uploads(BucketId bucket, const UploadListRequest& request) {
  UploadPage page;
  if (request.limit == 0 || request.prefix.size() > kMaxObjectKeyBytes) return page;
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  const auto cursor = snapshot->cursor();
  const std::string scope = uploads_prefix(bucket, request.prefix);
  HYDRA_TRY(bool more, cursor->seek(as_bytes(first_upload(bucket, request))));
  while (more && as_text(cursor->key()).starts_with(scope)) {
    const auto name = parse_upload_key(cursor->key());
    if (!name) return fail(Code::kCorrupt, "catalog: damaged key of an upload");
    if (page.uploads.size() + page.common_prefixes.size() == request.limit) {
      page.truncated = true;
      break;
    }
    const std::string_view rolled_up =
        common_prefix_of(name->key, request.prefix, request.delimiter);
    if (rolled_up.empty()) {
      HYDRA_TRY(Upload upload, decode_upload(bucket, name->key, name->upload_id, cursor->value()));
      page.next_key_marker = upload.key;
      page.next_upload_id_marker = upload.upload_id;
      page.uploads.push_back(std::move(upload));
      HYDRA_TRY(more, cursor->next());
    } else {
      page.common_prefixes.emplace_back(rolled_up);
      page.next_key_marker = rolled_up;
      page.next_upload_id_marker.clear();
      HYDRA_TRY(more, cursor->seek(as_bytes(after_prefix(uploads_prefix(bucket, rolled_up)))));
    }
  }
  if (!page.truncated) {
    page.next_key_marker.clear();
    page.next_upload_id_marker.clear();
  }
  return page;
}

Result<PartPage> StoreCatalog::parts(std::string_view upload_id, std::uint32_t after,
                                     std::size_t limit) {
  PartPage page;
  if (limit == 0 || after == UINT32_MAX || upload_id.size() > kMaxUploadIdBytes) return page;
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  const auto cursor = snapshot->cursor();
  const std::string scope = parts_prefix(upload_id);
  HYDRA_TRY(bool more, cursor->seek(as_bytes(part_key(upload_id, after + 1))));
  while (more && as_text(cursor->key()).starts_with(scope)) {
    if (page.parts.size() == limit) {
      page.truncated = true;
      break;
    }
    const auto number = parse_part_key(cursor->key());
    if (!number) return fail(Code::kCorrupt, "catalog: damaged key of a part");
    HYDRA_TRY(Part part, decode_part(*number, cursor->value(), Slices::kSkip));
    page.next_marker = part.number;
    page.parts.push_back(std::move(part));
    HYDRA_TRY(more, cursor->next());
  }
  return page;
}

}  // namespace hydra::catalog
