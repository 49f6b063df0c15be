#include "gateway/s3/copy_source.h"

#include "base/encoding.h"
#include "gateway/object/slices.h"
#include "gateway/s3/conditions.h"

namespace hydra::s3 {

Result<CopySource> open_copy_source(Call& call) {
  const std::string header = call.header("x-amz-copy-source").value_or("");
  std::string_view text = header;
  if (const auto mark = text.find("?versionId="); mark != std::string_view::npos) {
    if (text.substr(mark) != "?versionId=null")
      return fail(Code::kNotImplemented, "Copying a version is not implemented.");
    text = text.substr(0, mark);
  }
  auto path = percent_decode(text);
  if (!path) return fail(Code::kInvalidArgument, "Copy Source must be percent-encoded");
  if (path->starts_with('/')) path->erase(0, 1);
  const auto slash = path->find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == path->size())
    return fail(Code::kInvalidArgument, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
  CopySource source;
  source.key = path->substr(slash + 1);
  HYDRA_TRY(source.bucket, call.open_bucket(path->substr(0, slash)));
  HYDRA_TRY(source.version, call.catalog().object(source.bucket.id, source.key));
  const Conditions conditions{call.header("x-amz-copy-source-if-match"),
                              call.header("x-amz-copy-source-if-none-match"),
                              call.header("x-amz-copy-source-if-modified-since"),
                              call.header("x-amz-copy-source-if-unmodified-since")};
  // A copy has no 304: what a GET would call unchanged fails its precondition.
  if (judge(conditions, source.version.etag, source.version.modified_ms) != Verdict::kProceed)
    return fail(Code::kPreconditionFailed);
  return source;
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
