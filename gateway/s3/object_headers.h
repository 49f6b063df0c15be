// The headers of an object: which a PUT stores and how a GET returns them. Pure.
#pragma once

#include "gateway/s3/auth/checksum.h"
#include "gateway/s3/call.h"

namespace hydra::s3 {

// Content-*, Cache-Control, Expires, x-amz-website-redirect-location and x-amz-meta-* of a request.
// User metadata over 2 KiB: kMetadataTooLarge. Content-Encoding loses its "aws-chunked", which was
// only transfer.
Result<catalog::Fields> stored_fields(const http::Request& request);

// kInvalidStorageClass unless it is one whose promises the grid keeps.
Result<std::string> storage_class(const http::Request& request);

// What HEAD and GET say of a version, without length and range; response-* overrides of a signed
// query applied.
void add_object_fields(const Call& call, const catalog::Version& version, http::ResponseHead& head);

// Names are those of auth/checksum.h; "ChecksumCRC32" is the element in XML.
std::string checksum_element(DigestKind kind);
std::string_view checksum_type_name(catalog::ChecksumType type);
// How many parts made the object: the N of an ETag "md5-N", else 0.
std::size_t part_count(const catalog::Version& version);
// Base64, with "-N" behind a composite checksum of N parts.
std::string shown_checksum(const catalog::Checksum& checksum, std::size_t parts);
void add_checksum_fields(const catalog::Checksum& checksum, std::size_t parts,
                         http::ResponseHead& head);
// The x-amz-checksum-* header of a request that speaks of a whole object. kInvalidRequest when
// malformed or twice.
Result<std::optional<catalog::Checksum>> checksum_of(const http::Request& request);
// x-amz-checksum-algorithm, if there is one. kInvalidRequest when unknown.
Result<std::optional<DigestKind>> checksum_algorithm(const http::Request& request);
// What a verified payload brought, as it is stored.
std::optional<catalog::Checksum> stored_checksum(const Payload& payload);

inline std::string quoted(std::string_view etag) { return '"' + std::string(etag) + '"'; }

// If-Match and If-None-Match of a write: an entity tag or "*".
Result<catalog::Preconditions> write_preconditions(const Call& call);

}  // namespace hydra::s3
