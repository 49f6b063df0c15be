// Everything of S3 that a client's bytes reach before they mean anything: XML, queries, targets,
// ranges, conditions, dates and encodings.
#include <cstdint>

#include "base/encoding.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/router.h"
#include "gateway/s3/xml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hydra;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)s3::parse_xml(text);
  (void)s3::Query::parse(text);
  if (const auto range = s3::parse_range(text, 1000); range && *range)
    HYDRA_ASSERT((*range)->offset + (*range)->length <= 1000 && (*range)->length > 0);
  if (const auto range = s3::parse_copy_range(text, 1000))
    HYDRA_ASSERT(range->offset + range->length <= 1000);
  (void)s3::matches_etag(text, "tag");
  (void)parse_http_date(text);
  (void)parse_iso8601(text);
  (void)parse_amz_date(text);
  if (const auto raw = base64_decode(text)) HYDRA_ASSERT(base64_encode(*raw) == text);
  if (const auto raw = percent_decode(text))
    HYDRA_ASSERT(percent_decode(percent_encode(*raw)) == *raw);
  http::Request request;
  request.path = text;
  request.fields.push_back({"host", text});
  (void)s3::find_target(request, {"s3.example.com"});
  std::string out;
  s3::XmlWriter(out).element("a", text);
  return 0;
}
