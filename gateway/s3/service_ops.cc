// ListBuckets.
#include <charconv>

#include "base/encoding.h"
#include "gateway/s3/call.h"
#include "gateway/s3/list_parameters.h"
#include "gateway/s3/xml.h"

namespace hydra::s3 {

Task<Status> list_buckets(Call& call) {
  HYDRA_CO_TRY(const std::size_t limit, page_limit(call.query, "max-buckets", 10'000));
  const std::string prefix = call.query.get("prefix");
  const std::string after = call.query.get("continuation-token");
  HYDRA_CO_TRY(auto buckets, call.catalog().buckets(call.who.principal.user_id));
  std::string body;
  XmlWriter xml(body);
  xml.declaration();
  xml.open_root("ListAllMyBucketsResult");
  xml.open("Owner");
  xml.element("ID", call.owner().id);
  xml.element("DisplayName", call.owner().display_name);
  xml.close("Owner");
  xml.open("Buckets");
  std::size_t shown = 0;
  std::string last;
  bool more = false;
  for (const auto& bucket : buckets) {
    if (!bucket.name.starts_with(prefix) || (!after.empty() && bucket.name <= after)) continue;
    if (shown == limit) {
      more = true;
      break;
    }
    xml.open("Bucket");
    xml.element("Name", bucket.name);
    xml.element("CreationDate", format_iso8601(bucket.created_ms));
    xml.close("Bucket");
    last = bucket.name;
    ++shown;
  }
  xml.close("Buckets");
  if (more) xml.element("ContinuationToken", last);
  if (!prefix.empty()) xml.element("Prefix", prefix);
  xml.close("ListAllMyBucketsResult");
  co_return co_await call.respond_xml(std::move(body));
}

}  // namespace hydra::s3
