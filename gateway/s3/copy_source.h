// The source of CopyObject and UploadPartCopy: where it is, whether its conditions hold, and
// digests over its bytes.
#pragma once

#include "gateway/s3/call.h"

namespace hydra::s3 {

struct CopySource {
  catalog::Bucket bucket;
  std::string key;
  std::string version_id;  // that the request named; empty: the current version
  catalog::Version version;
};

// x-amz-copy-source (percent-encoded "BUCKET/KEY", maybe with a leading slash and "?versionId=ID")
// with its x-amz-copy-source-if-* headers. kInvalidArgument, kNoSuchBucket, kAccessDenied,
// kNoSuchKey, kPreconditionFailed.
Result<CopySource> open_copy_source(Call& call);

// x-amz-copy-source-version-id, where the source's bucket keeps versions or once did.
void add_source_version_id(const CopySource& source, http::ResponseHead& head);

// The digest of slices' plaintext, which is read for it: a copy itself moves no data.
Task<Result<std::string>> digest_slices(Call& call, std::vector<catalog::Slice> slices,
                                        DigestKind kind);

}  // namespace hydra::s3
