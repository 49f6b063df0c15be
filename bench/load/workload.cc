#include "bench/load/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/encoding.h"
#include "bench/load/schedule.h"

namespace hydra::bench {

namespace {

constexpr std::size_t kBlockBytes = 8 << 20;
constexpr std::uint64_t kBodyStarts = 4096;
constexpr std::uint64_t kListStarts = 256;
constexpr int kExpiresSeconds = 86400;

std::string_view method_of(Operation operation) {
  switch (operation) {
    case Operation::kPut:
    case Operation::kMakeBucket:
      return "PUT";
    case Operation::kGet:
    case Operation::kList:
      return "GET";
    case Operation::kHead:
      return "HEAD";
    case Operation::kDelete:
      return "DELETE";
  }
  return "";
}

std::optional<Operation> operation_of(std::string_view name) {
  for (std::size_t i = 0; i < kOperations; ++i)
    if (name_of(static_cast<Operation>(i)) == name) return static_cast<Operation>(i);
  HYDRA_ASSERT(name == "mixed");
  return std::nullopt;
}

}  // namespace

std::string_view name_of(Operation operation) {
  constexpr std::string_view kNames[kOperations] = {"put",    "get",  "head",
                                                    "delete", "list", "make-bucket"};
  return kNames[static_cast<std::size_t>(operation)];
}

Payload::Payload() : block_(kBlockBytes, '\0') {
  for (std::size_t i = 0; i < kBlockBytes; i += 8) {
    const std::uint64_t word = mix(i);
    std::memcpy(block_.data() + i, &word, sizeof word);
  }
}

std::string_view Payload::at(std::uint64_t key, std::uint64_t offset) const {
  return std::string_view(block_).substr((mix(key) % kBodyStarts + offset) % kBlockBytes);
}

bool Payload::matches(std::uint64_t key, std::uint64_t offset, std::string_view bytes) const {
  while (!bytes.empty()) {
    const std::string_view expected = at(key, offset).substr(0, bytes.size());
    if (bytes.substr(0, expected.size()) != expected) return false;
    bytes.remove_prefix(expected.size());
    offset += expected.size();
  }
  return true;
}

Workload::Workload(WorkloadOptions options, Signer signer)
    : options_(std::move(options)),
      signer_(std::move(signer)),
      single_(operation_of(options_.operation)) {
  if (single_ == Operation::kList) {
    // Places from which a whole page follows.
    std::vector<std::string> names;
    for (std::uint64_t key = 0; key < options_.keys; ++key) names.push_back(key_name(key));
    std::sort(names.begin(), names.end());
    list_starts_.push_back("");
    for (std::uint64_t i = 0; i < kListStarts && names.size() > options_.max_keys; ++i)
      list_starts_.push_back(names[mix(options_.seed + i) % (names.size() - options_.max_keys)]);
  }
  if (options_.signed_headers) return;
  for (std::size_t i = 0; i < kOperations; ++i) {
    const auto operation = static_cast<Operation>(i);
    const bool mixed = operation == Operation::kPut || operation == Operation::kGet;
    if (single_ ? operation != *single_ : !mixed) continue;
    const std::uint64_t body = operation == Operation::kPut ? options_.size : 0;
    for (std::uint64_t key = 0; key < variants(operation); ++key)
      heads_[i].push_back(make_head({operation, key, body}));
  }
}

std::uint64_t Workload::variants(Operation operation) const {
  if (operation == Operation::kMakeBucket) return 1;
  if (operation == Operation::kList) return list_starts_.size();
  return options_.keys;
}

std::string Workload::key_name(std::uint64_t key) const {
  return fmt::format("{}{:016x}", options_.prefix, mix(key ^ 0x68796472610000));
}

Request Workload::request(std::uint64_t n) const {
  const std::uint64_t random = mix(options_.seed * 0x10001 + n);
  Request request{single_.value_or(Operation::kGet), 0, 0};
  if (!single_ && static_cast<int>(mix(random) % 100) < options_.put_percent)
    request.operation = Operation::kPut;
  const std::uint64_t count = variants(request.operation);
  const bool in_turn = single_ == Operation::kPut || single_ == Operation::kDelete;
  request.key = (in_turn ? n : random) % count;
  if (request.operation == Operation::kPut) request.body_bytes = options_.size;
  return request;
}

std::string_view Workload::head(const Request& request, std::string& scratch) const {
  if (!options_.signed_headers)
    return heads_[static_cast<std::size_t>(request.operation)][request.key];
  scratch = make_head(request);
  return scratch;
}

Signer::Query Workload::query_of(const Request& request) const {
  Signer::Query query;
  if (request.operation != Operation::kList) return query;
  query["list-type"] = "2";
  query["max-keys"] = std::to_string(options_.max_keys);
  query["prefix"] = options_.prefix;
  if (!list_starts_[request.key].empty()) query["start-after"] = list_starts_[request.key];
  return query;
}

std::string Workload::make_head(const Request& request) const {
  const bool of_bucket =
      request.operation == Operation::kList || request.operation == Operation::kMakeBucket;
  std::string path = "/" + percent_encode(options_.bucket);
  if (!of_bucket) path += "/" + percent_encode(key_name(request.key), /*keep_slash=*/true);
  const std::string_view method = method_of(request.operation);
  const Signer::Query query = query_of(request);
  std::string target, headers;
  if (options_.signed_headers) {
    target = query.empty() ? path : path + "?" + Signer::encode(query);
    headers = signer_.sign_headers(method, path, query);
  } else {
    target = signer_.presign(method, path, query, kExpiresSeconds);
  }
  if (method == "PUT") headers += fmt::format("Content-Length: {}\r\n", request.body_bytes);
  return fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n{}\r\n", method, target, options_.host,
                     headers);
}

}  // namespace hydra::bench
