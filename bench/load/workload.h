// What is asked of the server: operations, keys, bodies, and the heads of the requests. All of it
// is made before the clock starts, so that a request costs the generator next to nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/signer.h"

namespace hydra::bench {

enum class Operation : std::uint8_t { kPut, kGet, kHead, kDelete, kList, kMakeBucket };
constexpr std::size_t kOperations = 6;
std::string_view name_of(Operation operation);

// The bodies: object `key` is a run of one shared random block that begins at a place of its own
// and starts over at the block's end. The same in every process, whatever the size.
class Payload {
 public:
  Payload();
  // The object's bytes from `offset` on that lie together, at least one.
  std::string_view at(std::uint64_t key, std::uint64_t offset) const;
  // Whether `bytes` are the object's at `offset`.
  bool matches(std::uint64_t key, std::uint64_t offset, std::string_view bytes) const;

 private:
  std::string block_;
};

struct WorkloadOptions {
  std::string operation = "put";  // put, get, head, delete, list, mixed or make-bucket
  std::string bucket = "bench";
  std::string prefix = "load/";
  std::string host;  // for the Host header
  std::uint64_t size = 4096;
  std::uint64_t keys = 1000;
  int put_percent = 30;  // of mixed, the rest are GETs
  std::uint64_t max_keys = 1000;
  bool signed_headers = false;  // sign each request as it is sent, instead of presigned URLs
  std::uint64_t seed = 1;
};

struct Request {
  Operation operation;
  std::uint64_t key;
  std::uint64_t body_bytes;  // to send
};

class Workload {
 public:
  Workload(WorkloadOptions options, Signer signer);

  // The n-th of the run. PUT and DELETE go through the keys in turn, the others at random.
  Request request(std::uint64_t n) const;
  // Its head; with signed headers it is written into `scratch`.
  std::string_view head(const Request& request, std::string& scratch) const;

  std::string key_name(std::uint64_t key) const;
  const WorkloadOptions& options() const { return options_; }

 private:
  std::string make_head(const Request& request) const;
  Signer::Query query_of(const Request& request) const;
  std::uint64_t variants(Operation operation) const;

  WorkloadOptions options_;
  Signer signer_;
  std::optional<Operation> single_;  // none for mixed
  std::vector<std::string> list_starts_;
  std::vector<std::string> heads_[kOperations];
};

}  // namespace hydra::bench
