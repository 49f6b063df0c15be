// Uploads: their beginning, their parts, and their end without an object.

#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/lookups.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/catalog/store_catalog.h"
#include "gateway/catalog/upload_rows.h"

namespace hydra::catalog {

namespace {

constexpr std::uint32_t kMaxPartNumber = 10'000;
// One closure of a bucket's deletion aborts no more uploads than this, and ends early once it has
// aborted so many parts.
constexpr std::size_t kMaxUploadsAborted = 100;
constexpr std::size_t kEnoughPartsAborted = 1000;
constexpr std::size_t kCompletionsForgotten = 4;

Status insert_upload(Ledger& ledger, const Upload& upload) {
  if (upload.key.empty() || upload.key.size() > kMaxObjectKeyBytes) return fail(Code::kKeyTooLong);
  if (upload.upload_id.empty() || upload.upload_id.size() > kMaxUploadIdBytes)
    return fail(Code::kInvalidArgument, "upload id of a bad length");
  HYDRA_CHECK_OK(check_bucket(ledger.change(), upload.bucket));
  std::string key = upload_key(upload.bucket, upload.key, upload.upload_id);
  HYDRA_TRY(const auto known, ledger.change().get(key));
  if (known) return fail(Code::kAlreadyExists, "upload id is taken");
  HYDRA_CHECK_OK(forget_old_completions(ledger));
  ledger.change().put(std::move(key), encode(upload));
  ++ledger.state().uploads;
  return {};
}

Status insert_part(Ledger& ledger, const Upload& upload, const Part& part, const NewData& data) {
  if (part.number == 0 || part.number > kMaxPartNumber) return fail(Code::kInvalidPartNumber);
  HYDRA_TRY(const auto known,
            find_upload(ledger.change(), upload.bucket, upload.key, upload.upload_id));
  HYDRA_CHECK_OK(ledger.adopt(part.slices, data));
  std::string key = part_key(known.upload_id, part.number);
  HYDRA_TRY(const auto row, ledger.change().get(key));
  if (row) {
    HYDRA_TRY(const Part older, decode_part(part.number, *row, Slices::kDecode));
    HYDRA_CHECK_OK(ledger.release(older.slices));
  }
  ledger.change().put(std::move(key), encode(part));
  return {};
}

Result<std::size_t> abort(Ledger& ledger, BucketId bucket, std::string_view key,
                          std::string_view upload_id) {
  HYDRA_TRY(const auto parts, load_parts(ledger.change(), upload_id));
  std::vector<std::uint32_t> numbers;
  for (const Part& part : parts) {
    HYDRA_CHECK_OK(ledger.release(part.slices));
    numbers.push_back(part.number);
  }
  erase_upload(ledger, bucket, key, upload_id, numbers);
  return parts.size();
}

}  // namespace

Result<std::vector<Part>> load_parts(Change& change, std::string_view upload_id) {
  const std::string scope = parts_prefix(upload_id);
  const auto cursor = change.cursor();
  std::vector<Part> parts;
  HYDRA_TRY(bool more, cursor->seek(as_bytes(scope)));
  while (more && as_text(cursor->key()).starts_with(scope)) {
    const auto number = parse_part_key(cursor->key());
    if (!number) return fail(Code::kCorrupt, "catalog: damaged key of a part");
    HYDRA_TRY(Part part, decode_part(*number, cursor->value(), Slices::kDecode));
    parts.push_back(std::move(part));
    HYDRA_TRY(more, cursor->next());
  }
  return parts;
}

void erase_upload(Ledger& ledger, BucketId bucket, std::string_view key, std::string_view upload_id,
                  const std::vector<std::uint32_t>& part_numbers) {
  for (const std::uint32_t number : part_numbers)
    ledger.change().erase(part_key(upload_id, number));
  ledger.change().erase(upload_key(bucket, key, upload_id));
  --ledger.state().uploads;
}

Result<bool> abort_some_uploads(Ledger& ledger, BucketId bucket) {
  const std::string scope = uploads_prefix(bucket);
  const auto cursor = ledger.change().cursor();
  std::size_t uploads = 0;
  std::size_t parts = 0;
  HYDRA_TRY(bool more, cursor->seek(as_bytes(scope)));
  while (more && as_text(cursor->key()).starts_with(scope) && uploads < kMaxUploadsAborted &&
         parts < kEnoughPartsAborted) {
    const auto name = parse_upload_key(cursor->key());
    if (!name) return fail(Code::kCorrupt, "catalog: damaged key of an upload");
    HYDRA_TRY(const std::size_t aborted, abort(ledger, bucket, name->key, name->upload_id));
    ++uploads;
    parts += aborted;
    HYDRA_TRY(more, cursor->next());
  }
  return uploads > 0;
}

Status forget_old_completions(Ledger& ledger) {
  const auto cursor = ledger.change().cursor();
  HYDRA_TRY(bool more, cursor->seek(as_bytes(table_key(Table::kCompletedByTime))));
  for (std::size_t n = 0; more && n < kCompletionsForgotten; ++n) {
    const auto name = parse_completed_by_time_key(cursor->key());
    if (!name || name->completed_ms > ledger.now_ms() - kCompletionKeptMs) break;
    ledger.change().erase(completed_key(name->upload_id));
    ledger.change().erase(std::string(as_text(cursor->key())));
    HYDRA_TRY(more, cursor->next());
  }
  return {};
}

Result<OldUploads> StoreCatalog::old_uploads(std::int64_t initiated_before_ms, std::size_t limit,
                                             std::optional<Upload> after) {
  HYDRA_TRY(const auto snapshot, store_->snapshot());
  const auto cursor = snapshot->cursor();
  // No key lies between one and the same with a zero byte behind it.
  const std::string from = after ? upload_key(after->bucket, after->key, after->upload_id) + '\0'
                                 : table_key(Table::kUploads);
  OldUploads out;
  std::optional<Upload> last;
  HYDRA_TRY(bool more, cursor->seek(as_bytes(from)));
  for (std::size_t seen = 0; more; ++seen) {
    const auto name = parse_upload_key(cursor->key());
    if (!name) break;
    if (seen == limit) {
      out.next = std::move(last);
      break;
    }
    HYDRA_TRY(Upload upload,
              decode_upload(name->bucket, name->key, name->upload_id, cursor->value()));
    last = upload;
    if (upload.initiated_ms < initiated_before_ms) out.uploads.push_back(std::move(upload));
    HYDRA_TRY(more, cursor->next());
  }
  return out;
}

Task<Status> StoreCatalog::create_upload(Loop& loop, Upload upload) {
  return write(loop, loop.wall_ms(), [upload = std::move(upload)](Ledger& ledger) -> Status {
    return insert_upload(ledger, upload);
  });
}

Task<Status> StoreCatalog::put_part(Loop& loop, Upload upload, Part part, NewData data) {
  return write(loop, loop.wall_ms(),
               [upload = std::move(upload), part = std::move(part), data = std::move(data)](
                   Ledger& ledger) -> Status { return insert_part(ledger, upload, part, data); });
}

Task<Status> StoreCatalog::abort_upload(Loop& loop, BucketId bucket, std::string key,
                                        std::string upload_id, std::int64_t now_ms) {
  return write(
      loop, now_ms,
      [bucket, key = std::move(key), upload_id = std::move(upload_id)](Ledger& ledger) -> Status {
        HYDRA_TRY(const Upload upload, find_upload(ledger.change(), bucket, key, upload_id));
        HYDRA_CHECK_OK(abort(ledger, bucket, upload.key, upload.upload_id));
        return {};
      });
}

}  // namespace hydra::catalog
