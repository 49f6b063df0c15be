#include "gateway/s3/auth/payload.h"

#include <algorithm>
#include <array>

#include "base/assert.h"

namespace hydra::s3 {

namespace {
constexpr std::size_t kPieceBytes = 128 * 1024;  // hashed while it is in cache
constexpr std::size_t kFramingBytes = 512;
}  // namespace

Result<std::unique_ptr<Payload>> open_payload(http::Exchange& exchange, const Authenticated& who,
                                              PayloadChecks checks) {
  const http::Request& request = exchange.request();
  HYDRA_TRY(PayloadClaims claims, read_payload_claims(request, who, checks));
  std::optional<AwsChunkedDecoder> decoder;
  if (is_aws_chunked(who.payload)) {
    std::vector<std::string> trailers;
    if (!claims.trailer.empty()) trailers.push_back(claims.trailer);
    decoder.emplace(who.payload, who.chunks, claims.length, std::move(trailers));
  }
  return std::make_unique<Payload>(exchange.body(), request.chunked, std::move(claims),
                                   std::move(decoder));
}

Payload::Payload(ByteSource& body, bool http_chunked, PayloadClaims claims,
                 std::optional<AwsChunkedDecoder> decoder)
    : body_(body),
      http_chunked_(http_chunked),
      claims_(std::move(claims)),
      decoder_(std::move(decoder)) {
  if (decoder_) framing_ = Buffer(kFramingBytes);
  want(DigestKind::kMd5);
  if (claims_.sha256) want(DigestKind::kSha256);
  if (claims_.checksum_kind) want(*claims_.checksum_kind);
}

void Payload::want(DigestKind kind) {
  for (const Running& running : digests_)
    if (running.kind == kind) return;
  digests_.push_back({kind, make_digest(kind), {}});
}

const std::string& Payload::value_of(DigestKind kind) const {
  const auto found = std::find_if(digests_.begin(), digests_.end(),
                                  [kind](const Running& running) { return running.kind == kind; });
  HYDRA_ASSERT(found != digests_.end());
  return found->value;
}

const std::string& Payload::md5() const {
  HYDRA_ASSERT(complete_);
  return value_of(DigestKind::kMd5);
}

const std::optional<Checksum>& Payload::checksum() const {
  HYDRA_ASSERT(complete_);
  return checksum_;
}

Task<Result<std::size_t>> Payload::read(MutableBytes into) {
  if (error_) co_return fail(*error_);
  std::size_t done = 0;
  // With the last byte the checks come due, whether or not the caller has room for more.
  while (!complete_ && (done < into.size() || received_ == claims_.length)) {
    auto count = co_await read_some(into.subspan(done));
    if (!count) {
      error_ = count.error();
      co_return fail(*error_);
    }
    done += *count;
  }
  co_return done;
}

// At least one byte while there are any left; then 0, and complete_.
Task<Result<std::size_t>> Payload::read_some(MutableBytes into) {
  if (decoder_) HYDRA_CO_CHECK_OK(co_await read_framing());
  if (received_ == claims_.length) {
    HYDRA_CO_CHECK_OK(co_await expect_end());
    HYDRA_CO_CHECK_OK(conclude());
    co_return std::size_t{0};
  }
  const std::uint64_t due = decoder_ ? decoder_->data_left() : claims_.length - received_;
  into = into.first(std::min({into.size(), kPieceBytes, static_cast<std::size_t>(due)}));
  HYDRA_CO_TRY(const std::size_t count, co_await read_data(into));
  const ByteView bytes = into.first(count);
  if (decoder_) HYDRA_CO_CHECK_OK(decoder_->take(bytes));
  for (Running& running : digests_) running.digest->update(bytes);
  received_ += count;
  co_return count;
}

// Brings the decoder to where data is due, or to its end.
Task<Status> Payload::read_framing() {
  while (decoder_->data_left() == 0 && !decoder_->done()) {
    HYDRA_CO_TRY(const std::size_t used, decoder_->feed(framing_.view().subspan(framing_begin_)));
    framing_begin_ += used;
    if (framing_begin_ < framing_.size()) continue;
    if (decoder_->data_left() > 0 || decoder_->done()) break;
    framing_.resize(framing_.capacity());
    framing_begin_ = 0;
    auto count = co_await body_.read(framing_.span());
    framing_.resize(count.value_or(0));
    if (!count) co_return fail(count.error());
    if (*count == 0) co_return decoder_->end_of_input();
  }
  co_return Status();
}

// From what was read ahead, else straight from the body.
Task<Result<std::size_t>> Payload::read_data(MutableBytes into) {
  if (const ByteView ahead = framing_.view().subspan(framing_begin_); !ahead.empty()) {
    const std::size_t count = std::min(ahead.size(), into.size());
    std::memcpy(into.data(), ahead.data(), count);
    framing_begin_ += count;
    co_return count;
  }
  HYDRA_CO_TRY(const std::size_t count, co_await body_.read(into));
  if (count < into.size())
    co_return fail(Code::kIncompleteBody, "The request body ended before its announced length");
  co_return count;
}

Task<Status> Payload::expect_end() {
  std::size_t more = framing_.size() - framing_begin_;
  if (more == 0 && (decoder_ || http_chunked_)) {
    std::array<std::byte, 1> probe{};
    HYDRA_CO_TRY(more, co_await body_.read(probe));
  }
  if (more > 0)
    co_return fail(Code::kInvalidRequest, "The request body is longer than its announced length");
  co_return Status();
}

Status Payload::conclude() {
  for (Running& running : digests_) running.value = running.digest->finish();
  if (claims_.sha256 && *claims_.sha256 != value_of(DigestKind::kSha256))
    return fail(Code::kXAmzContentSha256Mismatch,
                "The provided 'x-amz-content-sha256' header does not match what was computed.");
  if (claims_.md5 && *claims_.md5 != value_of(DigestKind::kMd5))
    return fail(Code::kBadDigest, "The Content-MD5 you specified did not match what we received.");
  if (claims_.checksum_kind) {
    const ChecksumName& name = checksum_name(*claims_.checksum_kind);
    std::optional<std::string> expected = claims_.checksum;
    if (!claims_.trailer.empty()) {
      expected = decode_checksum(name.kind, decoder_->trailers().at(0).second);
      if (!expected)
        return fail(Code::kInvalidRequest,
                    "Value for " + std::string(name.header) + " trailing header is invalid.");
    }
    checksum_ = Checksum{name.kind, value_of(name.kind)};
    if (expected && *expected != checksum_->value)
      return fail(Code::kBadDigest, "The " + std::string(name.algorithm) +
                                        " you specified did not match the calculated checksum.");
  }
  complete_ = true;
  return {};
}

}  // namespace hydra::s3
