// GetObject, HeadObject, GetObjectAttributes.
#include <charconv>

#include "base/encoding.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/list_parameters.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/version_ids.h"
#include "gateway/s3/xml.h"

namespace hydra::s3 {

namespace {

// Which bytes of the object are wanted, and as what.
struct Selection {
  ByteRange range;
  bool partial = false;             // answered by 206 and Content-Range
  std::optional<std::size_t> part;  // index into Version::parts
};

Conditions conditions_of(const Call& call) {
  return {call.header("if-match"), call.header("if-none-match"), call.header("if-modified-since"),
          call.header("if-unmodified-since")};
}

Result<std::optional<std::uint32_t>> part_number(const Call& call) {
  const std::string* text = call.query.find("partNumber");
  if (text == nullptr) return std::nullopt;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size() || number < 1 || number > 10'000)
    return fail(Code::kInvalidArgument,
                "Part number must be an integer between 1 and 10000, inclusive");
  return number;
}

// One part of an object; an object that was not uploaded in parts is one part.
Result<Selection> select_part(const catalog::Version& version, std::uint32_t number) {
  if (version.parts.empty()) {
    if (number != 1) return fail(Code::kInvalidPartNumber);
    return Selection{{0, version.bytes}, version.bytes > 0, std::nullopt};
  }
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < version.parts.size(); ++i) {
    if (version.parts[i].number == number)
      return Selection{{offset, version.parts[i].bytes}, true, i};
    offset += version.parts[i].bytes;
  }
  return fail(Code::kInvalidPart);
}

Result<Selection> select(const Call& call, const catalog::Version& version) {
  HYDRA_TRY(const auto number, part_number(call));
  const auto range = call.header("range");
  if (number) {
    if (range)
      return fail(Code::kInvalidRequest,
                  "Cannot specify both Range header and partNumber query parameter");
    return select_part(version, *number);
  }
  if (range) {
    HYDRA_TRY(const auto parsed, parse_range(*range, version.bytes));
    if (parsed) return Selection{*parsed, true, std::nullopt};
  }
  return Selection{{0, version.bytes}, false, std::nullopt};
}

Status check_conditions(const Call& call, const catalog::Version& version) {
  switch (judge(conditions_of(call), version.etag, version.modified_ms)) {
    case Verdict::kProceed:
      return {};
    case Verdict::kNotModified:
      return fail(Code::kNotModified);
    case Verdict::kPreconditionFailed:
      return fail(Code::kPreconditionFailed);
  }
  return fail(Code::kInternal);
}

http::ResponseHead object_head(const Call& call, const catalog::Bucket& bucket,
                               const catalog::Version& version, const Selection& selection) {
  http::ResponseHead head = call.answer(selection.partial ? 206 : 200);
  add_object_fields(call, version, head);
  add_version_id(bucket, version.version_id, head);
  if (selection.partial)
    head.add("Content-Range",
             "bytes " + std::to_string(selection.range.offset) + "-" +
                 std::to_string(selection.range.offset + selection.range.length - 1) + "/" +
                 std::to_string(version.bytes));
  if (call.query.has("partNumber") && !version.parts.empty())
    head.add("x-amz-mp-parts-count", std::to_string(version.parts.size()));
  if (call.header("x-amz-checksum-mode") == "ENABLED") {
    if (selection.part && version.parts[*selection.part].checksum) {
      // The part's own value, under the type of the whole.
      catalog::Checksum part = *version.parts[*selection.part].checksum;
      if (version.checksum) part.type = version.checksum->type;
      add_checksum_fields(part, 0, head);
    }
    if (!selection.part && version.checksum && !selection.partial)
      add_checksum_fields(*version.checksum, part_count(version), head);
  }
  return head;
}

}  // namespace

Task<Status> get_object(Call& call) {
  HYDRA_CO_TRY(const std::string version_id, version_id_of(call));
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  std::optional<Result<Selection>> selected;
  Status allowed;
  auto found = call.catalog().object_and_plan(
      bucket.id, call.key,
      [&](const catalog::Version& version)
          -> std::optional<std::pair<std::uint64_t, std::uint64_t>> {
        allowed = check_conditions(call, version);
        if (!allowed) return std::nullopt;
        selected = select(call, version);
        if (!*selected || call.head() || (*selected)->range.length == 0) return std::nullopt;
        return std::pair{(*selected)->range.offset, (*selected)->range.length};
      },
      version_id);
  if (!found) co_return fail(explain_missing(call, bucket, version_id, std::move(found).error()));
  const catalog::Version& version = found->first;
  if (!allowed && allowed.error().code == Code::kNotModified) {
    http::ResponseHead head = call.answer(304);
    head.add("ETag", quoted(version.etag));
    head.add("Last-Modified", format_http_date(version.modified_ms));
    add_version_id(bucket, version.version_id, head);
    co_return co_await call.respond_empty(std::move(head));
  }
  HYDRA_CO_CHECK_OK(allowed);
  if (!*selected) co_return fail(std::move(*selected).error());
  const Selection selection = **selected;
  HYDRA_CO_CHECK_OK(co_await call.http.start(object_head(call, bucket, version, selection),
                                             selection.range.length));
  if (!call.head()) HYDRA_CO_CHECK_OK(co_await call.store.send(found->second, call.http));
  co_return co_await call.http.finish();
}

namespace {

struct AttributeNames {
  bool etag = false, checksum = false, parts = false, storage_class = false, size = false;
};

Result<AttributeNames> wanted_attributes(const Call& call) {
  AttributeNames wanted;
  bool any = false;
  for (const auto& field : call.request().fields) {
    if (field.name.size() != std::string_view("x-amz-object-attributes").size() ||
        call.request().field("x-amz-object-attributes") == std::nullopt)
      continue;
    std::string lower(field.name);
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (lower != "x-amz-object-attributes") continue;
    std::string_view list = field.value;
    while (!list.empty()) {
      const auto comma = list.find(',');
      std::string_view name = list.substr(0, comma);
      list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
      while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
      any = true;
      if (name == "ETag")
        wanted.etag = true;
      else if (name == "Checksum")
        wanted.checksum = true;
      else if (name == "ObjectParts")
        wanted.parts = true;
      else if (name == "StorageClass")
        wanted.storage_class = true;
      else if (name == "ObjectSize")
        wanted.size = true;
      else
        return fail(Code::kInvalidArgument, "Invalid attribute name specified.");
    }
  }
  if (!any) return fail(Code::kInvalidArgument, "x-amz-object-attributes header is missing.");
  return wanted;
}

Status write_parts(XmlWriter& xml, const Call& call, const catalog::Version& version) {
  constexpr std::size_t kMostParts = 1000;
  std::size_t limit = kMostParts;
  std::uint32_t marker = 0;
  const auto number = [&](std::string_view name, auto& into) -> Status {
    const auto text = call.header(name);
    if (!text) return {};
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), into);
    if (error != std::errc() || end != text->data() + text->size())
      return fail(Code::kInvalidArgument, std::string(name) + " is not a number");
    return {};
  };
  HYDRA_CHECK_OK(number("x-amz-max-parts", limit));
  HYDRA_CHECK_OK(number("x-amz-part-number-marker", marker));
  limit = std::min(limit, kMostParts);
  xml.open("ObjectParts");
  xml.element("PartsCount", std::uint64_t{version.parts.size()});
  xml.element("PartNumberMarker", std::uint64_t{marker});
  xml.element("MaxParts", std::uint64_t{limit});
  std::size_t shown = 0;
  std::uint32_t last = 0;
  bool truncated = false;
  std::string parts;
  XmlWriter part_xml(parts);
  for (const auto& part : version.parts) {
    if (part.number <= marker) continue;
    if (shown == limit) {
      truncated = true;
      break;
    }
    part_xml.open("Part");
    if (part.checksum)
      part_xml.element(checksum_element(part.checksum->kind), shown_checksum(*part.checksum, 0));
    part_xml.element("PartNumber", std::uint64_t{part.number});
    part_xml.element("Size", part.bytes);
    part_xml.close("Part");
    last = part.number;
    ++shown;
  }
  xml.element("IsTruncated", truncated);
  xml.element("NextPartNumberMarker", std::uint64_t{last});
  xml.raw(parts);
  xml.close("ObjectParts");
  return {};
}

}  // namespace

Task<Status> get_object_attributes(Call& call) {
  HYDRA_CO_TRY(const AttributeNames wanted, wanted_attributes(call));
  HYDRA_CO_TRY(const std::string version_id, version_id_of(call));
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  auto found = call.catalog().head(bucket.id, call.key, version_id);
  if (!found) co_return fail(explain_missing(call, bucket, version_id, std::move(found).error()));
  const catalog::Version version = std::move(*found);
  HYDRA_CO_CHECK_OK(check_conditions(call, version));
  std::string body;
  XmlWriter xml(body);
  xml.declaration();
  xml.open_root("GetObjectAttributesResponse");
  if (wanted.etag) xml.element("ETag", version.etag);
  if (wanted.checksum && version.checksum) {
    xml.open("Checksum");
    xml.element(checksum_element(version.checksum->kind),
                shown_checksum(*version.checksum, part_count(version)));
    xml.element("ChecksumType", checksum_type_name(version.checksum->type));
    xml.close("Checksum");
  }
  if (wanted.parts && !version.parts.empty()) HYDRA_CO_CHECK_OK(write_parts(xml, call, version));
  if (wanted.storage_class) xml.element("StorageClass", version.storage_class);
  if (wanted.size) xml.element("ObjectSize", version.bytes);
  xml.close("GetObjectAttributesResponse");
  http::ResponseHead head = call.answer(200);
  head.add("Content-Type", "application/xml");
  head.add("Last-Modified", format_http_date(version.modified_ms));
  add_version_id(bucket, version.version_id, head);
  co_return co_await call.http.respond(std::move(head), body);
}

// The aws client asks for the tags of every large object it copies. None has any, as setting them
// answers 501.
Task<Status> get_object_tagging(Call& call) {
  HYDRA_CO_TRY(const catalog::Bucket bucket, call.open_bucket());
  HYDRA_CO_TRY(const catalog::Version version, call.catalog().head(bucket.id, call.key));
  std::string body;
  XmlWriter xml(body);
  xml.declaration();
  xml.open_root("Tagging");
  xml.element("TagSet", std::string_view());
  xml.close("Tagging");
  co_return co_await call.respond_xml(std::move(body));
}

}  // namespace hydra::s3
