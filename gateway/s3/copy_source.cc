#include "gateway/s3/copy_source.h"

#include "base/encoding.h"
#include "gateway/object/slices.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/version_ids.h"

namespace hydra::s3 {

namespace {
constexpr std::string_view kVersionMark = "?versionId=";
}

Result<CopySource> open_copy_source(Call& call) {
  const std::string header = call.header("x-amz-copy-source").value_or("");
  std::string_view text = header;
  CopySource source;
  if (const auto mark = text.rfind(kVersionMark); mark != std::string_view::npos) {
    source.version_id = text.substr(mark + kVersionMark.size());
    HYDRA_CHECK_OK(check_version_id(source.version_id));
    text = text.substr(0, mark);
  }
  auto path = percent_decode(text);
  if (!path) return fail(Code::kInvalidArgument, "Copy Source must be percent-encoded");
  if (path->starts_with('/')) path->erase(0, 1);
  const auto slash = path->find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == path->size())
    return fail(Code::kInvalidArgument,
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
  source.key = path->substr(slash + 1);
  HYDRA_TRY(source.bucket, call.open_bucket(path->substr(0, slash)));
  auto version = call.catalog().object(source.bucket.id, source.key, source.version_id);
  if (!version && version.error().code == Code::kMethodNotAllowed)
    return fail(Code::kInvalidRequest,
                "The source of a copy request may not specifically refer to a delete marker by "
                "version id.");
  HYDRA_TRY(source.version, std::move(version));
  const Conditions conditions{call.header("x-amz-copy-source-if-match"),
                              call.header("x-amz-copy-source-if-none-match"),
                              call.header("x-amz-copy-source-if-modified-since"),
                              call.header("x-amz-copy-source-if-unmodified-since")};
  // A copy has no 304: what a GET would call unchanged fails its precondition.
  if (judge(conditions, source.version.etag, source.version.modified_ms) != Verdict::kProceed)
    return fail(Code::kPreconditionFailed);
  return source;
}

void add_source_version_id(const CopySource& source, http::ResponseHead& head) {
  if (source.bucket.versioning != catalog::Versioning::kOff)
    head.add("x-amz-copy-source-version-id", source.version.version_id);
}

namespace {
class DigestSink : public ByteSink {
 public:
  explicit DigestSink(DigestKind kind) : digest_(make_digest(kind)) {}
  Task<Status> write(ByteView bytes) override {
    digest_->update(bytes);
    co_return Status();
  }
  std::string finish() { return digest_->finish(); }

 private:
  std::unique_ptr<Digest> digest_;
};
}  // namespace

Task<Result<std::string>> digest_slices(Call& call, std::vector<catalog::Slice> slices,
                                        DigestKind kind) {
  HYDRA_CO_TRY(const catalog::ReadPlan plan,
               call.catalog().plan(slices, 0, object::total_bytes(slices)));
  DigestSink sink(kind);
  HYDRA_CO_CHECK_OK(co_await call.store.send(plan, sink));
  co_return sink.finish();
}

}  // namespace hydra::s3
