// DeleteObject and DeleteObjects.
#include <charconv>

#include "base/encoding.h"
#include "gateway/s3/call.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/error_table.h"
#include "gateway/s3/version_ids.h"
#include "gateway/s3/xml.h"

namespace hydra::s3 {

namespace {

constexpr std::size_t kMostKeys = 1000;

std::optional<std::int64_t> parse_either_date(std::string_view text) {
  const auto http = parse_http_date(text);
  return http ? http : parse_iso8601(text);
}

// Conditions of a delete: headers of DeleteObject, elements of DeleteObjects.
Result<catalog::Preconditions> delete_preconditions(const std::optional<std::string>& etag,
                                                    const std::optional<std::string>& modified,
                                                    const std::optional<std::string>& bytes) {
  catalog::Preconditions preconditions;
  if (etag) preconditions.if_match = unquoted(*etag);
  if (modified) {
    preconditions.if_match_modified_ms = parse_either_date(*modified);
    if (!preconditions.if_match_modified_ms)
      return fail(Code::kInvalidArgument, "the last-modified condition is not a date");
  }
  if (bytes) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(bytes->data(), bytes->data() + bytes->size(), value);
    if (bytes->empty() || error != std::errc() || end != bytes->data() + bytes->size())
      return fail(Code::kInvalidArgument, "the size condition is not a number");
    preconditions.if_match_bytes = value;
  }
  return preconditions;
}

std::optional<std::string> child_of(const XmlElement& element, std::string_view name) {
  const XmlElement* child = element.child(name);
  if (child == nullptr) return std::nullopt;
  return child->text;
}

void write_error(XmlWriter& xml, const catalog::DeleteItem& item, const Error& error) {
  const ErrorRow& row = error_row(error.code);
  xml.open("Error");
  xml.element("Key", item.key);
  if (item.version_id) xml.element("VersionId", *item.version_id);
  xml.element("Code", row.name);
  xml.element("Message", row.message);
  xml.close("Error");
}

void write_deleted(XmlWriter& xml, const catalog::DeleteItem& item,
                   const catalog::DeleteResult& result) {
  xml.open("Deleted");
  xml.element("Key", item.key);
  if (item.version_id) xml.element("VersionId", *item.version_id);
  if (result.delete_marker) {
    xml.element("DeleteMarker", true);
    xml.element("DeleteMarkerVersionId", result.version_id);
  }
  xml.close("Deleted");
}

}  // namespace

Task<Status> delete_object(Call& call) {
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  catalog::DeleteItem item{.key = call.key};
  if (call.query.has("versionId")) {
    HYDRA_CO_TRY(item.version_id, version_id_of(call));
  }
  HYDRA_CO_TRY(item.preconditions,
               delete_preconditions(call.header("if-match"),
                                    call.header("x-amz-if-match-last-modified-time"),
                                    call.header("x-amz-if-match-size")));
  auto deleted =
      co_await call.catalog().delete_object(call.loop(), bucket.id, std::move(item), call.now_ms);
  if (!deleted && deleted.error().code != Code::kNoSuchKey)
    co_return fail(std::move(deleted).error());
  http::ResponseHead head = call.answer(204);
  if (deleted && deleted->delete_marker) head.add("x-amz-delete-marker", "true");
  if (deleted && !deleted->version_id.empty()) head.add("x-amz-version-id", deleted->version_id);
  co_return co_await call.respond_empty(std::move(head));
}

Task<Status> delete_objects(Call& call) {
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  HYDRA_CO_TRY(const std::string document, co_await call.document());
  HYDRA_CO_TRY(const XmlElement root, parse_xml(document));
  if (root.name != "Delete") co_return fail(Code::kMalformedXml);
  const bool quiet = root.child_text("Quiet") == "true";
  std::vector<catalog::DeleteItem> items;
  for (const auto& element : root.children) {
    if (element.name != "Object") continue;
    catalog::DeleteItem item;
    item.key = element.child_text("Key");
    if (item.key.empty() || items.size() == kMostKeys) co_return fail(Code::kMalformedXml);
    item.version_id = child_of(element, "VersionId");
    if (item.version_id && item.version_id->empty()) item.version_id.reset();
    HYDRA_CO_TRY(item.preconditions, delete_preconditions(child_of(element, "ETag"),
                                                          child_of(element, "LastModifiedTime"),
                                                          child_of(element, "Size")));
    items.push_back(std::move(item));
  }
  if (items.empty()) co_return fail(Code::kMalformedXml);
  HYDRA_CO_TRY(auto results,
               co_await call.catalog().delete_objects(call.loop(), bucket.id, items, call.now_ms));
  std::string body;
  XmlWriter xml(body);
  xml.declaration();
  xml.open_root("DeleteResult");
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto& result = results[i];
    if (!result && result.error().code != Code::kNoSuchKey)
      write_error(xml, items[i], result.error());
    else if (!quiet)
      write_deleted(xml, items[i], result ? *result : catalog::DeleteResult());
  }
  xml.close("DeleteResult");
  co_return co_await call.respond_xml(std::move(body));
}

}  // namespace hydra::s3
