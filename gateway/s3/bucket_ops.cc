// CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation.
#include "gateway/s3/call.h"
#include "gateway/s3/router.h"
#include "gateway/s3/xml.h"

namespace hydra::s3 {

Task<Status> create_bucket(Call& call) {
  if (!is_valid_bucket_name(call.bucket)) co_return fail(Code::kInvalidBucketName);
  HYDRA_CO_TRY(const std::string document, co_await call.document(64 << 10));
  catalog::Bucket bucket;
  bucket.name = call.bucket;
  bucket.created_ms = call.now_ms;
  bucket.owner = call.owner();
  if (document.find_first_not_of(" \t\r\n") != std::string::npos) {
    HYDRA_CO_TRY(const XmlElement root, parse_xml(document));
    if (root.name != "CreateBucketConfiguration") co_return fail(Code::kMalformedXml);
    bucket.location = root.child_text("LocationConstraint");
  }
  HYDRA_CO_TRY(bucket, co_await call.catalog().create_bucket(call.loop(), std::move(bucket)));
  http::ResponseHead head = call.answer(200);
  head.add("Location", "/" + call.bucket);
  co_return co_await call.respond_empty(std::move(head));
}

Task<Status> head_bucket(Call& call) {
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  http::ResponseHead head = call.answer(200);
  head.add("x-amz-bucket-region", bucket.location.empty() ? call.options.region : bucket.location);
  co_return co_await call.respond_empty(std::move(head));
}

Task<Status> delete_bucket(Call& call) {
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  HYDRA_CO_CHECK_OK(co_await call.catalog().delete_bucket(call.loop(), bucket.name));
  co_return co_await call.respond_empty(call.answer(204));
}

Task<Status> get_bucket_location(Call& call) {
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  std::string body;
  XmlWriter xml(body);
  xml.declaration();
  xml.open_root("LocationConstraint");
  xml.escaped(bucket.location);
  xml.close("LocationConstraint");
  co_return co_await call.respond_xml(std::move(body));
}

}  // namespace hydra::s3
