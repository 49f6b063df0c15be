#include "gateway/s3/object_headers.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/encoding.h"
#include "gateway/s3/conditions.h"

namespace hydra::s3 {

namespace {

constexpr std::size_t kMaxUserMetadata = 2048;
constexpr std::string_view kMetaPrefix = "x-amz-meta-";
constexpr std::array<std::string_view, 7> kStored = {"content-type",
                                                     "cache-control",
                                                     "content-disposition",
                                                     "content-encoding",
                                                     "content-language",
                                                     "expires",
                                                     "x-amz-website-redirect-location"};
// response-* query parameter and the header it replaces.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kOverrides = {
    {{"response-content-type", "content-type"},
     {"response-content-language", "content-language"},
     {"response-expires", "expires"},
     {"response-cache-control", "cache-control"},
     {"response-content-disposition", "content-disposition"},
     {"response-content-encoding", "content-encoding"}}};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// "aws-chunked,gzip" was sent as gzip.
std::string without_aws_chunked(std::string_view encodings) {
  std::string out;
  while (!encodings.empty()) {
    const auto comma = encodings.find(',');
    std::string_view item = encodings.substr(0, comma);
    encodings.remove_prefix(comma == std::string_view::npos ? encodings.size() : comma + 1);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (item.empty() || lower(item) == "aws-chunked") continue;
    if (!out.empty()) out += ", ";
    out += item;
  }
  return out;
}

}  // namespace

Result<catalog::Fields> stored_fields(const http::Request& request) {
  catalog::Fields fields;
  std::size_t user_bytes = 0;
  for (const auto& field : request.fields) {
    std::string name = lower(field.name);
    const bool user = name.starts_with(kMetaPrefix);
    if (!user && std::find(kStored.begin(), kStored.end(), name) == kStored.end()) continue;
    std::string value(field.value);
    if (name == "content-encoding") value = without_aws_chunked(value);
    if (value.empty() && !user) continue;
    if (user) user_bytes += name.size() - kMetaPrefix.size() + value.size();
    auto [it, added] = fields.emplace(std::move(name), value);
    if (!added) it->second += "," + value;  // RFC 9110 section 5.3
  }
  if (user_bytes > kMaxUserMetadata) return fail(Code::kMetadataTooLarge);
  return fields;
}

Result<std::string> storage_class(const http::Request& request) {
  const std::string asked(request.field("x-amz-storage-class").value_or("STANDARD"));
  if (asked == "STANDARD" || asked == "REDUCED_REDUNDANCY") return std::string("STANDARD");
  return fail(Code::kInvalidStorageClass);
}

void add_object_fields(const Call& call, const catalog::Version& version,
                       http::ResponseHead& head) {
  const auto add_all = [&head](const catalog::Fields& fields) {
    for (const auto& [name, value] : fields) head.add(name, value);
  };
  const bool overridden = std::ranges::any_of(call.query.all(), [](const auto& parameter) {
    return parameter.first.starts_with("response-");
  });
  if (overridden || !version.fields.contains("content-type")) {
    catalog::Fields fields = version.fields;
    fields.try_emplace("content-type", "binary/octet-stream");
    for (const auto& [parameter, name] : kOverrides)
      if (const std::string* value = call.query.find(parameter)) fields[std::string(name)] = *value;
    add_all(fields);
  } else {
    add_all(version.fields);
  }
  head.add("ETag", quoted(version.etag));
  head.add("Last-Modified", format_http_date(version.modified_ms));
  head.add("Accept-Ranges", "bytes");
  head.add("x-amz-server-side-encryption", "AES256");
  if (version.storage_class != "STANDARD") head.add("x-amz-storage-class", version.storage_class);
}

std::string checksum_element(DigestKind kind) {
  return "Checksum" + std::string(checksum_name(kind).algorithm);
}

std::string_view checksum_type_name(catalog::ChecksumType type) {
  return type == catalog::ChecksumType::kComposite ? "COMPOSITE" : "FULL_OBJECT";
}

std::size_t part_count(const catalog::Version& version) {
  const auto dash = version.etag.find('-');
  if (dash == std::string::npos) return 0;
  std::size_t count = 0;
  std::from_chars(version.etag.data() + dash + 1, version.etag.data() + version.etag.size(), count);
  return count;
}

std::string shown_checksum(const catalog::Checksum& checksum, std::size_t parts) {
  std::string out = base64_encode(checksum.value);
  if (checksum.type == catalog::ChecksumType::kComposite && parts > 0)
    out += "-" + std::to_string(parts);
  return out;
}

void add_checksum_fields(const catalog::Checksum& checksum, std::size_t parts,
                         http::ResponseHead& head) {
  head.add(std::string(checksum_name(checksum.kind).header), shown_checksum(checksum, parts));
  head.add("x-amz-checksum-type", std::string(checksum_type_name(checksum.type)));
}

Result<std::optional<catalog::Checksum>> checksum_of(const http::Request& request) {
  std::optional<catalog::Checksum> found;
  for (const auto& names : kChecksumNames) {
    const auto text = request.field(names.header);
    if (!text) continue;
    if (found) return fail(Code::kInvalidRequest, "Expecting a single x-amz-checksum- header");
    const auto dash = text->find('-');
    const auto raw = decode_checksum(names.kind, text->substr(0, dash));
    if (!raw)
      return fail(Code::kBadDigest,
                  "Value for " + std::string(names.header) + " header is invalid.");
    found = catalog::Checksum{names.kind,
                              dash == std::string_view::npos ? catalog::ChecksumType::kFullObject
                                                             : catalog::ChecksumType::kComposite,
                              *raw};
  }
  return found;
}

Result<std::optional<DigestKind>> checksum_algorithm(const http::Request& request) {
  const auto name = request.field("x-amz-checksum-algorithm");
  if (!name) return std::nullopt;
  const auto kind = checksum_of_algorithm(*name);
  if (!kind)
    return fail(Code::kInvalidRequest,
                "Checksum algorithm provided is unsupported. Please try again with any of the "
                "valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
  return kind;
}

std::optional<catalog::Checksum> stored_checksum(const Payload& payload) {
  const auto checksum = payload.checksum();
  if (!checksum) return std::nullopt;
  return catalog::Checksum{checksum->kind, catalog::ChecksumType::kFullObject, checksum->value};
}

Result<catalog::Preconditions> write_preconditions(const Call& call) {
  catalog::Preconditions preconditions;
  if (const auto value = call.header("if-match")) preconditions.if_match = unquoted(*value);
  if (const auto value = call.header("if-none-match"))
    preconditions.if_none_match = unquoted(*value);
  return preconditions;
}

}  // namespace hydra::s3
