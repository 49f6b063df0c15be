// The fields of every message on a grid link: encoded to bytes and decoded from them, without any
// I/O.
//
// encode() asserts the limits named here; decode_*() takes hostile bytes and returns kCorrupt,
// kTooLarge or kInvalidArgument. A decoder takes exactly the bytes it is given: a byte too few or
// too many is an error. docs/FORMAT-grid-protocol.md has the tables. Pure functions; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "erasure/layout.h"
#include "nodeagent/protocol/node.h"
#include "nodeagent/protocol/secrets.h"

namespace hydra::agent {

constexpr std::size_t kMaxNameBytes = 255;         // of a node's name, zone and version
constexpr std::size_t kMaxErrorBytes = 1024;       // longer messages are cut
constexpr std::uint32_t kMaxReadBytes = 1u << 20;  // of one READ; longer ranges are several
constexpr std::size_t kMaxReadPieces = 4096;
constexpr std::size_t kMaxFreeShards = 2048;
constexpr std::size_t kMaxListEntries = 2048;
constexpr std::uint32_t kMaxWorkers = 1024;
constexpr std::size_t kMaxGateways = 64;  // addresses in a JOINED, each like a name

using Nonce = std::array<std::byte, 32>;
using Proof = std::array<std::byte, 32>;

// Agent to gateway, first on a link.
struct Hello {
  NodeDescription node;
  std::optional<ClusterId>
      cluster;  // absent: the device is new and joins whichever grid knows the secret
  std::uint32_t wanted_worker = 0;
  Nonce nonce{};

  bool operator==(const Hello&) const = default;
};
// Gateway to agent: proves that it knows the secret, and asks the same.
struct Challenge {
  ClusterId cluster;
  Nonce nonce{};
  Proof proof{};

  bool operator==(const Challenge&) const = default;
};
// Agent to gateway.
struct ProofMessage {
  Proof proof{};

  bool operator==(const ProofMessage&) const = default;
};
// Gateway to agent: the link is up.
struct Welcome {
  NodeId node = 0;
  std::uint32_t workers = 0;
  std::uint32_t heartbeat_ms = 0;

  bool operator==(const Welcome&) const = default;
};
// Agent to gateway, instead of HELLO: a device that belongs to no grid, or lost its secret, asks
// for one.
struct Join {
  NodeDescription node;
  std::optional<ClusterId> cluster;  // that the device has belonged to
  ClaimToken token;

  bool operator==(const Join&) const = default;
};
// Gateway to agent: what it is to keep. The link ends.
struct Joined {
  NodeId node = 0;
  ClusterId cluster;
  NodeSecret secret;
  std::vector<std::string> gateways;  // where agents reach gateways

  bool operator==(const Joined&) const = default;
};
// Both ways; a gateway's says nothing.
struct Heartbeat {
  NodeLoad load;

  bool operator==(const Heartbeat&) const = default;
};
// Agent to gateway: so many more bytes of WRITE bulk may be sent on this link.
struct Credit {
  std::uint32_t bytes = 0;

  bool operator==(const Credit&) const = default;
};
// The answer to a request that failed; with request id 0, why the link is about to be closed.
struct ErrorMessage {
  Code code = Code::kInternal;
  std::string message;

  bool operator==(const ErrorMessage&) const = default;
};
// One block of a shard; all blocks of one shard share a request id.
struct WriteBlock {
  ShardId shard;
  erasure::Profile profile;
  std::uint64_t extent_length = 0;
  std::uint32_t block = 0;  // the stripe's number
  std::uint32_t crc32c = 0;

  bool operator==(const WriteBlock&) const = default;
};
struct ReadRange {
  ShardId shard;
  std::uint64_t offset = 0;
  std::uint32_t length = 0;

  bool operator==(const ReadRange&) const = default;
};
// One run of the bulk with its checksum. The lengths add up to the bulk.
struct PieceCheck {
  std::uint32_t length = 0;
  std::uint32_t crc32c = 0;

  bool operator==(const PieceCheck&) const = default;
};
struct ReadResult {
  std::vector<PieceCheck> pieces;

  bool operator==(const ReadResult&) const = default;
};
struct FreeShards {
  std::vector<ShardId> shards;

  bool operator==(const FreeShards&) const = default;
};
// INFO and VERIFY.
struct ShardQuery {
  ShardId shard;

  bool operator==(const ShardQuery&) const = default;
};
// INFO_RESULT, and the entries of LIST_RESULT.
struct ListedShard {
  ShardId shard;
  erasure::Profile profile;
  std::uint64_t extent_length = 0;

  bool operator==(const ListedShard&) const = default;
};
struct ListShards {
  std::optional<ShardId> after;
  std::uint32_t limit = 0;  // 1 to kMaxListEntries

  bool operator==(const ListShards&) const = default;
};
struct ListResult {
  std::vector<ListedShard> shards;

  bool operator==(const ListResult&) const = default;
};

std::string encode(const Hello& message);
std::string encode(const Challenge& message);
std::string encode(const ProofMessage& message);
std::string encode(const Welcome& message);
std::string encode(const Join& message);
std::string encode(const Joined& message);
std::string encode(const Heartbeat& message);
std::string encode(const Credit& message);
std::string encode(const ErrorMessage& message);
std::string encode(const WriteBlock& message);
std::string encode(const ReadRange& message);
std::string encode(const ReadResult& message);
std::string encode(const FreeShards& message);
std::string encode(const ShardQuery& message);
std::string encode(const ListedShard& message);
std::string encode(const ListShards& message);
std::string encode(const ListResult& message);

Result<Hello> decode_hello(ByteView fields);
Result<Challenge> decode_challenge(ByteView fields);
Result<ProofMessage> decode_proof(ByteView fields);
Result<Welcome> decode_welcome(ByteView fields);
Result<Join> decode_join(ByteView fields);
Result<Joined> decode_joined(ByteView fields);
Result<Heartbeat> decode_heartbeat(ByteView fields);
Result<Credit> decode_credit(ByteView fields);
Result<ErrorMessage> decode_error(ByteView fields);
Result<WriteBlock> decode_write_block(ByteView fields);
Result<ReadRange> decode_read_range(ByteView fields);
Result<ReadResult> decode_read_result(ByteView fields);
Result<FreeShards> decode_free_shards(ByteView fields);
Result<ShardQuery> decode_shard_query(ByteView fields);
Result<ListedShard> decode_listed_shard(ByteView fields);
Result<ListShards> decode_list_shards(ByteView fields);
Result<ListResult> decode_list_result(ByteView fields);

}  // namespace hydra::agent
