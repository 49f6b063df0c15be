#include "gateway/s3/error_table.h"

#include <algorithm>
#include <iterator>

#include "gateway/s3/xml.h"

namespace hydra::s3 {

namespace {

constexpr ErrorRow kRows[] = {
    {Code::kInternal, "InternalError", 500, "We encountered an internal error. Please try again."},
    {Code::kUnavailable, "ServiceUnavailable", 503, "Too few storage nodes can be reached."},
    {Code::kTimeout, "ServiceUnavailable", 503, "Storage nodes did not answer in time."},
    {Code::kNoSpace, "InsufficientStorage", 507, "The grid has no room for this write."},
    {Code::kFenced, "ServiceUnavailable", 503, "A storage device failed."},
    {Code::kConflict, "OperationAborted", 409,
     "A conflicting operation is in progress. Please try again."},
    {Code::kInvalidArgument, "InvalidArgument", 400, "Invalid Argument"},
    {Code::kUnsupported, "NotImplemented", 501,
     "A header or query you provided implies functionality that is not implemented."},
    {Code::kTooLarge, "EntityTooLarge", 400,
     "Your proposed upload exceeds the maximum allowed object size."},

    {Code::kAccessControlListNotSupported, "AccessControlListNotSupported", 400,
     "The bucket does not allow ACLs"},
    {Code::kAccessDenied, "AccessDenied", 403, "Access Denied"},
    {Code::kAuthorizationHeaderMalformed, "AuthorizationHeaderMalformed", 400,
     "The authorization header that you provided is not valid."},
    {Code::kAuthorizationQueryParametersError, "AuthorizationQueryParametersError", 400,
     "Error parsing the X-Amz-Credential parameter."},
    {Code::kBadDigest, "BadDigest", 400,
     "The Content-MD5 or checksum value that you specified did not match what the server "
     "received."},
    {Code::kBadRequest, "BadRequest", 400, "The request is not valid HTTP/1.1."},
    {Code::kBucketAlreadyExists, "BucketAlreadyExists", 409,
     "The requested bucket name is not available. The bucket namespace is shared by all users of "
     "the system. Please select a different name and try again."},
    {Code::kBucketAlreadyOwnedByYou, "BucketAlreadyOwnedByYou", 409,
     "The bucket that you tried to create already exists, and you own it."},
    {Code::kBucketNotEmpty, "BucketNotEmpty", 409,
     "The bucket that you tried to delete is not empty."},
    {Code::kConditionalRequestConflict, "ConditionalRequestConflict", 409,
     "A conflicting conditional operation is currently in progress against this resource."},
    {Code::kEntityTooLarge, "EntityTooLarge", 400,
     "Your proposed upload exceeds the maximum allowed object size."},
    {Code::kEntityTooSmall, "EntityTooSmall", 400,
     "Your proposed upload is smaller than the minimum allowed object size."},
    {Code::kExpiredToken, "ExpiredToken", 400, "The provided token has expired."},
    {Code::kHeadersTooLarge, "RequestHeaderSectionTooLarge", 400,
     "Your request header section exceeds the maximum allowed size."},
    {Code::kIllegalLocationConstraint, "IllegalLocationConstraintException", 400,
     "The specified location constraint is not valid."},
    {Code::kIncompleteBody, "IncompleteBody", 400,
     "You did not provide the number of bytes specified by the Content-Length HTTP header."},
    {Code::kInsufficientStorage, "InsufficientStorage", 507,
     "The grid has no room for this write."},
    {Code::kInvalidAccessKeyId, "InvalidAccessKeyId", 403,
     "The AWS access key ID that you provided does not exist in our records."},
    {Code::kInvalidBucketName, "InvalidBucketName", 400, "The specified bucket is not valid."},
    {Code::kInvalidDigest, "InvalidDigest", 400,
     "The Content-MD5 or checksum value that you specified is not valid."},
    {Code::kInvalidLocationConstraint, "InvalidLocationConstraint", 400,
     "The specified location constraint is not valid."},
    {Code::kInvalidPart, "InvalidPart", 400,
     "One or more of the specified parts could not be found. The part might not have been "
     "uploaded, or the specified entity tag might not have matched the part's entity tag."},
    {Code::kInvalidPartNumber, "InvalidPartNumber", 416,
     "The requested partnumber is not satisfiable"},
    {Code::kInvalidPartOrder, "InvalidPartOrder", 400,
     "The list of parts was not in ascending order. The parts list must be specified in order by "
     "part number."},
    {Code::kInvalidRange, "InvalidRange", 416, "The requested range is not satisfiable"},
    {Code::kInvalidRequest, "InvalidRequest", 400, "Invalid Request"},
    {Code::kInvalidStorageClass, "InvalidStorageClass", 400,
     "The storage class that you specified is not valid."},
    {Code::kInvalidUri, "InvalidURI", 400, "The specified URI couldn't be parsed."},
    {Code::kKeyTooLong, "KeyTooLongError", 400, "Your key is too long."},
    {Code::kMalformedXml, "MalformedXML", 400,
     "The XML that you provided was not well formed or did not validate against our published "
     "schema."},
    {Code::kMaxMessageLengthExceeded, "MaxMessageLengthExceeded", 400,
     "Your request was too large."},
    {Code::kMetadataTooLarge, "MetadataTooLarge", 400,
     "Your metadata headers exceed the maximum allowed metadata size."},
    {Code::kMethodNotAllowed, "MethodNotAllowed", 405,
     "The specified method is not allowed against this resource."},
    {Code::kMissingContentLength, "MissingContentLength", 411,
     "You must provide the Content-Length HTTP header."},
    {Code::kMissingRequestBody, "MissingRequestBodyError", 400, "Request Body is empty"},
    {Code::kNoSuchBucket, "NoSuchBucket", 404, "The specified bucket does not exist."},
    {Code::kNoSuchKey, "NoSuchKey", 404, "The specified key does not exist."},
    {Code::kNoSuchUpload, "NoSuchUpload", 404,
     "The specified multipart upload does not exist. The upload ID might not be valid, or the "
     "multipart upload might have been aborted or completed."},
    {Code::kNoSuchVersion, "NoSuchVersion", 404, "The specified version does not exist."},
    {Code::kNotImplemented, "NotImplemented", 501,
     "A header or query you provided implies functionality that is not implemented."},
    {Code::kNotModified, "NotModified", 304, "Not Modified"},
    {Code::kPreconditionFailed, "PreconditionFailed", 412,
     "At least one of the preconditions that you specified did not hold."},
    {Code::kRequestExpired, "AccessDenied", 403, "Request has expired"},
    {Code::kRequestTimeTooSkewed, "RequestTimeTooSkewed", 403,
     "The difference between the request time and the server's time is too large."},
    {Code::kRequestTimeout, "RequestTimeout", 400,
     "Your socket connection to the server was not read from or written to within the timeout "
     "period."},
    {Code::kServiceUnavailable, "ServiceUnavailable", 503, "Please reduce your request rate."},
    {Code::kSignatureDoesNotMatch, "SignatureDoesNotMatch", 403,
     "The request signature that the server calculated does not match the signature that you "
     "provided. Check your secret access key and signing method."},
    {Code::kSlowDown, "SlowDown", 503, "Please reduce your request rate."},
    {Code::kXAmzContentSha256Mismatch, "XAmzContentSHA256Mismatch", 400,
     "The provided 'x-amz-content-sha256' header does not match what was computed."},
};

}  // namespace

const ErrorRow& error_row(Code code) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows),
                                [code](const ErrorRow& r) { return r.code == code; });
  return row == std::end(kRows) ? kRows[0] : *row;
}

std::string render_error(const Error& error, std::string_view resource,
                         std::string_view request_id) {
  const ErrorRow& row = error_row(error.code);
  const bool tell = row.code != Code::kInternal && row.status != 503 && !error.message.empty();
  std::string out;
  XmlWriter xml(out);
  xml.declaration();
  xml.open("Error");
  xml.element("Code", row.name);
  xml.element("Message", tell ? std::string_view(error.message) : row.message);
  xml.element("Resource", resource);
  xml.element("RequestId", request_id);
  xml.element("HostId", request_id);
  xml.close("Error");
  return out;
}

}  // namespace hydra::s3
