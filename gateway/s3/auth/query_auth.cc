#include "gateway/s3/auth/query_auth.h"

#include <algorithm>
#include <array>

#include "base/encoding.h"

namespace hydra::s3 {

namespace {
enum Name : std::size_t {
  kAlgorithm,
  kCredential,
  kDate,
  kExpires,
  kSignedHeaders,
  kSignature,
  kSha256,
  kNames
};
constexpr std::array<std::string_view, kNames> kParameters = {
    "X-Amz-Algorithm",     "X-Amz-Credential", "X-Amz-Date",          "X-Amz-Expires",
    "X-Amz-SignedHeaders", "X-Amz-Signature",  "X-Amz-Content-Sha256"};
}  // namespace

Result<QueryCredentials> find_query_credentials(std::string_view query) {
  std::array<std::optional<std::string>, kNames> found;
  bool v2_key = false;
  bool v2_signature = false;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const std::string_view item = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const auto equals = std::min(item.find('='), item.size());
    std::string_view name = item.substr(0, equals);
    std::optional<std::string> decoded;
    if (name.find('%') != name.npos) {
      decoded = percent_decode(name);
      if (!decoded) return fail(Code::kInvalidUri, "broken escape in the query");
      name = *decoded;
    }
    v2_key |= name == "AWSAccessKeyId";
    v2_signature |= name == "Signature";
    const auto at = std::find(kParameters.begin(), kParameters.end(), name);
    if (at == kParameters.end()) continue;
    auto& slot = found[static_cast<std::size_t>(at - kParameters.begin())];
    if (slot)
      return fail(Code::kAuthorizationQueryParametersError,
                  std::string(name) + " is given more than once");
    slot = percent_decode(item.substr(std::min(equals + 1, item.size())));
    if (!slot) return fail(Code::kInvalidUri, "broken escape in the query");
  }
  QueryCredentials out{.v4 = std::nullopt, .v2 = v2_key && v2_signature};
  if (!found[kAlgorithm] && !found[kCredential] && !found[kSignature]) return out;
  for (std::size_t i = 0; i < kSha256; ++i)
    if (!found[i])
      return fail(Code::kAuthorizationQueryParametersError,
                  "Query-string authentication version 4 requires the X-Amz-Algorithm, "
                  "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
                  "X-Amz-Expires parameters.");
  const auto take = [&found](Name name) { return *std::move(found[name]); };
  out.v4 = QueryAuth{take(kAlgorithm),         take(kCredential),    take(kDate),
                     take(kExpires),           take(kSignedHeaders), take(kSignature),
                     std::move(found[kSha256])};
  return out;
}

bool belongs_to_signature(std::string_view name) {
  return std::find(kParameters.begin(), kParameters.end(), name) != kParameters.end();
}

}  // namespace hydra::s3
