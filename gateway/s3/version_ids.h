// Version ids and delete markers in requests and answers.
#pragma once

#include "gateway/s3/call.h"

namespace hydra::s3 {

// The request's versionId; empty when there is none. kInvalidArgument when no version can have it.
Result<std::string> version_id_of(const Call& call);
// The same of any text that names a version.
Status check_version_id(std::string_view version_id);

// x-amz-version-id of a version that was read, where the bucket keeps versions or once did.
void add_version_id(const catalog::Bucket& bucket, std::string_view version_id,
                    http::ResponseHead& head);
// x-amz-version-id of a version that was made. The null one is not spoken of.
void add_new_version_id(std::string_view version_id, http::ResponseHead& head);

// Why an object could not be read, with the headers that tell of delete markers in
// call.error_fields.
Error explain_missing(Call& call, const catalog::Bucket& bucket, const std::string& version_id,
                      Error error);

}  // namespace hydra::s3
