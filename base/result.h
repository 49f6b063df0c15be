// What a call returns when it can fail: Result<T>, or Status for no value.
//
// One Code enum serves all layers. gateway/s3/error_table.cc holds the only mapping of a Code to an
// S3 error name, HTTP status and message; agents carry a Code as its number on the wire (append
// only, never renumber).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace hydra {

enum class Code : std::uint16_t {
  // Grid and machine.
  kInternal = 1,     // a broken invariant of ours
  kInvalidArgument,  // the caller's input is wrong
  kNotFound,         // it is known not to exist
  kAlreadyExists,
  kUnavailable,      // try again: too few nodes, link down
  kTimeout,          // a deadline passed
  kClosed,           // the peer or this side closed the stream
  kCorrupt,          // stored or received bytes fail their check
  kNoSpace,          // device or budget full
  kIo,               // the operating system refused
  kFenced,           // the device failed a sync and takes no more work
  kConflict,         // lost a compare-and-swap; reread and retry
  kUnsupported,      // unknown version or feature
  kTooLarge,         // over a named limit
  kUnauthenticated,  // grid peer failed to prove its identity
  kAborted,          // the other side gave up in the middle

  // S3 requests, named as S3 names them.
  kAccessDenied = 100,
  kAuthorizationHeaderMalformed,
  kAuthorizationQueryParametersError,
  kBadDigest,
  kBucketAlreadyExists,
  kBucketAlreadyOwnedByYou,
  kBucketNotEmpty,
  kConditionalRequestConflict,
  kEntityTooLarge,
  kEntityTooSmall,
  kExpiredToken,
  kIllegalLocationConstraint,
  kIncompleteBody,
  kInvalidAccessKeyId,
  kInvalidBucketName,
  kInvalidDigest,
  kInvalidLocationConstraint,
  kInvalidPart,
  kInvalidPartNumber,
  kInvalidPartOrder,
  kInvalidRange,
  kInvalidRequest,
  kInvalidStorageClass,
  kInvalidUri,
  kKeyTooLong,
  kMalformedXml,
  kMaxMessageLengthExceeded,
  kMetadataTooLarge,
  kMethodNotAllowed,
  kMissingContentLength,
  kMissingRequestBody,
  kNoSuchBucket,
  kNoSuchKey,
  kNoSuchUpload,
  kNoSuchVersion,
  kNotImplemented,
  kNotModified,
  kPreconditionFailed,
  kRequestExpired,
  kRequestTimeTooSkewed,
  kRequestTimeout,
  kServiceUnavailable,
  kSignatureDoesNotMatch,
  kSlowDown,
  kXAmzContentSha256Mismatch,
  kBadRequest,       // not HTTP as RFC 9112 has it: answer 400 and close
  kHeadersTooLarge,  // head over its limit: answer 400 and close
  kInsufficientStorage,
  kAccessControlListNotSupported,
};

// The name of a code as in this enum, without the k ("NoSuchKey").
std::string_view code_name(Code code);

struct Error {
  Code code = Code::kInternal;
  std::string message;  // for a person; may name what was wrong, never a secret

  std::string to_string() const { return std::string(code_name(code)) + ": " + message; }
};

template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};
using Status = Result<void>;

inline tl::unexpected<Error> fail(Code code, std::string message = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace hydra

// HYDRA_TRY(lhs, expr): lhs = value of expr, or return its error. HYDRA_CHECK_OK(expr): return its
// error. HYDRA_CO_TRY and HYDRA_CO_CHECK_OK are the same inside a coroutine.
#define HYDRA_CONCAT_INNER(a, b) a##b
#define HYDRA_CONCAT(a, b) HYDRA_CONCAT_INNER(a, b)
#define HYDRA_TRY_IMPL(tmp, ret, lhs, ...)             \
  auto tmp = (__VA_ARGS__);                            \
  if (!tmp) ret ::hydra::fail(std::move(tmp).error()); \
  lhs = std::move(*tmp)
#define HYDRA_TRY(lhs, ...) \
  HYDRA_TRY_IMPL(HYDRA_CONCAT(result_, __LINE__), return, lhs, __VA_ARGS__)
#define HYDRA_CO_TRY(lhs, ...) \
  HYDRA_TRY_IMPL(HYDRA_CONCAT(result_, __LINE__), co_return, lhs, __VA_ARGS__)
#define HYDRA_CHECK_OK(...)                                                                       \
  do {                                                                                            \
    if (auto status_ = (__VA_ARGS__); !status_) return ::hydra::fail(std::move(status_).error()); \
  } while (0)
#define HYDRA_CO_CHECK_OK(...)                             \
  do {                                                     \
    if (auto status_ = (__VA_ARGS__); !status_)            \
      co_return ::hydra::fail(std::move(status_).error()); \
  } while (0)
