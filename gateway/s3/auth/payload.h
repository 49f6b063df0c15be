// The payload of a request as the operations see it: HTTP framing and aws-chunked removed, and
// everything that the client said of it checked on the way: chunk signatures, x-amz-content-sha256,
// Content-MD5, x-amz-checksum-*, length.
//
// Each byte is hashed once per digest, right after it arrived. A Payload lives within its exchange,
// on its loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/runtime/source.h"
#include "gateway/http/http.h"
#include "gateway/s3/auth/aws_chunked.h"
#include "gateway/s3/auth/payload_claims.h"

namespace hydra::s3 {

class Payload final : public ByteSource {
 public:
  Payload(ByteSource& body, bool http_chunked, PayloadClaims claims,
          std::optional<AwsChunkedDecoder> decoder);

  // As ByteSource: short only at the end, and the failure of a check is reported at the latest by
  // the read that returns the last byte. kIncompleteBody, kRequestTimeout, kBadRequest,
  // kInvalidRequest, kSignatureDoesNotMatch, kXAmzContentSha256Mismatch, kBadDigest. All are final.
  Task<Result<std::size_t>> read(MutableBytes into) override;

  // Of the decoded bytes; known from the beginning.
  std::uint64_t length() const { return claims_.length; }

  // The end was reached and every check held. Only then:
  bool complete() const { return complete_; }
  const std::string& md5() const;  // raw, 16 bytes
  // The checksum that the client declared (then it matched) or asked for (then it was computed).
  const std::optional<Checksum>& checksum() const;

 private:
  struct Running {
    DigestKind kind;
    std::unique_ptr<Digest> digest;
    std::string value;  // once finished
  };

  void want(DigestKind kind);
  const std::string& value_of(DigestKind kind) const;
  Task<Result<std::size_t>> read_some(MutableBytes into);
  Task<Status> read_framing();
  Task<Result<std::size_t>> read_data(MutableBytes into);
  Task<Status> expect_end();
  Status conclude();

  ByteSource& body_;
  const bool http_chunked_;
  const PayloadClaims claims_;
  std::optional<AwsChunkedDecoder> decoder_;
  Buffer framing_;  // read ahead for the decoder; what is before framing_begin_ is used up
  std::size_t framing_begin_ = 0;

  std::uint64_t received_ = 0;
  bool complete_ = false;
  std::optional<Error> error_;
  std::vector<Running> digests_;
  std::optional<Checksum> checksum_;
};

// Errors are those of read_payload_claims. Reads nothing yet: a client that waits for 100 Continue
// keeps waiting.
Result<std::unique_ptr<Payload>> open_payload(http::Exchange& exchange, const Authenticated& who,
                                              PayloadChecks checks = {});

}  // namespace hydra::s3
