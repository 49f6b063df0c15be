#include "nodeagent/protocol/messages.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <functional>

namespace hydra::agent {
namespace {

template <std::size_t N>
std::array<std::byte, N> any_bytes() {
  std::array<std::byte, N> bytes;
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(*rc::gen::inRange(0, 256));
  return bytes;
}
std::string any_name() {
  auto name = *rc::gen::arbitrary<std::string>();
  name.resize(std::min(name.size(), kMaxNameBytes));
  return name;
}
std::uint64_t any_u64() { return *rc::gen::arbitrary<std::uint64_t>(); }
std::uint32_t any_u32() { return *rc::gen::arbitrary<std::uint32_t>(); }
ListedShard any_listed() {
  ListedShard entry;
  entry.shard.extent.bytes = any_bytes<16>();
  entry.profile.m = *rc::gen::inRange<std::uint8_t>(1, 16);
  entry.profile.k = *rc::gen::inRange<std::uint8_t>(1, 17);
  entry.shard.index =
      *rc::gen::inRange<std::uint8_t>(0, static_cast<std::uint8_t>(entry.profile.shards()));
  entry.extent_length = *rc::gen::inRange<std::uint64_t>(1, erasure::kMaxExtentBytes + 1);
  return entry;
}
ShardId any_shard() { return any_listed().shard; }

Hello any_hello() {
  Hello hello;
  hello.node.identity.bytes = any_bytes<16>();
  hello.node.capacity_bytes = any_u64();
  hello.node.name = any_name();
  hello.node.zone = any_name();
  hello.node.version = any_name();
  hello.node.role = *rc::gen::element(NodeRole::kStorage, NodeRole::kCache);
  if (*rc::gen::arbitrary<bool>()) hello.cluster = ClusterId{any_bytes<16>()};
  hello.wanted_worker = any_u32();
  hello.nonce = any_bytes<32>();
  return hello;
}

// Comes back as it went; and no shorter or longer run of bytes is taken for a message of the same
// kind.
template <typename Message, typename Decode>
void check(const Message& message, Decode decode) {
  const std::string fields = encode(message);
  RC_ASSERT(fields.size() <= 0xffff);
  const auto decoded = decode(as_bytes(fields));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == message);
  const auto cut = *rc::gen::inRange<std::size_t>(0, fields.size());
  RC_ASSERT(!decode(as_bytes(fields).first(cut)).has_value());
  const std::string longer = fields + '\0';
  RC_ASSERT(!decode(as_bytes(longer)).has_value());
}

RC_GTEST_PROP(Messages, HandshakesComeBackAsTheyWent, ()) {
  check(any_hello(), decode_hello);
  check(Challenge{ClusterId{any_bytes<16>()}, any_bytes<32>(), any_bytes<32>()}, decode_challenge);
  check(ProofMessage{any_bytes<32>()}, decode_proof);
  check(Welcome{*rc::gen::inRange(1u, UINT32_MAX), *rc::gen::inRange(1u, kMaxWorkers + 1),
                *rc::gen::inRange(1u, UINT32_MAX)},
        decode_welcome);
}

RC_GTEST_PROP(Messages, JoiningComesBackAsItWent, ()) {
  const Hello hello = any_hello();
  check(Join{hello.node, hello.cluster, {any_bytes<20>()}}, decode_join);
  Joined joined{*rc::gen::inRange(1u, UINT32_MAX), {any_bytes<16>()}, {any_bytes<32>()}, {}};
  joined.gateways.resize(*rc::gen::inRange<std::size_t>(0, kMaxGateways + 1));
  std::generate(joined.gateways.begin(), joined.gateways.end(), any_name);
  check(joined, decode_joined);
}

RC_GTEST_PROP(Messages, LinkMessagesComeBackAsTheyWent, ()) {
  NodeLoad load{any_u64(), any_u64(), any_u64(),
                any_u64(), any_u64(), any_u64(),
                any_u64(), any_u64(), *rc::gen::arbitrary<bool>()};
  check(Heartbeat{load}, decode_heartbeat);
  check(Credit{any_u32()}, decode_credit);
  check(ErrorMessage{*rc::gen::element(Code::kNotFound, Code::kNoSpace, Code::kFenced), any_name()},
        decode_error);
}

RC_GTEST_PROP(Messages, RequestsComeBackAsTheyWent, ()) {
  const ListedShard entry = any_listed();
  check(WriteBlock{entry.shard, entry.profile, entry.extent_length, any_u32(), any_u32()},
        decode_write_block);
  check(ReadRange{any_shard(), any_u64() >> 1, *rc::gen::inRange(1u, kMaxReadBytes + 1)},
        decode_read_range);
  check(ShardQuery{any_shard()}, decode_shard_query);
  FreeShards free;
  free.shards.resize(*rc::gen::inRange(0, 20));
  std::generate(free.shards.begin(), free.shards.end(), any_shard);
  check(free, decode_free_shards);
  ListShards list;
  if (*rc::gen::arbitrary<bool>()) list.after = any_shard();
  list.limit = *rc::gen::inRange<std::uint32_t>(1, kMaxListEntries + 1);
  check(list, decode_list_shards);
}

RC_GTEST_PROP(Messages, ResultsComeBackAsTheyWent, ()) {
  check(any_listed(), decode_listed_shard);
  ReadResult read;
  read.pieces.resize(*rc::gen::inRange(0, 20));
  for (PieceCheck& piece : read.pieces) piece = {any_u32(), any_u32()};
  check(read, decode_read_result);
  ListResult list;
  list.shards.resize(*rc::gen::inRange(0, 20));
  std::generate(list.shards.begin(), list.shards.end(), any_listed);
  check(list, decode_list_result);
}

TEST(Messages, TheLargestListsFitAFrame) {
  ListedShard entry{{}, {4, 2}, 1000};
  EXPECT_TRUE(decode_list_result(
      as_bytes(encode(ListResult{std::vector<ListedShard>(kMaxListEntries, entry)}))));
  EXPECT_TRUE(
      decode_free_shards(as_bytes(encode(FreeShards{std::vector<ShardId>(kMaxFreeShards)}))));
  EXPECT_TRUE(
      decode_read_result(as_bytes(encode(ReadResult{std::vector<PieceCheck>(kMaxReadPieces)}))));
}

TEST(Messages, CountsBeyondTheLimitAreRefused) {
  std::string fields(2 + (kMaxFreeShards + 1) * 17, '\0');
  fields[0] = 0x01;
  fields[1] = 0x08;  // 2049
  EXPECT_FALSE(decode_free_shards(as_bytes(fields)));
}

TEST(Messages, ShardsThatCannotExistAreRefused) {
  ListedShard entry{{{}, 5}, {4, 2}, 1000};
  EXPECT_TRUE(decode_listed_shard(as_bytes(encode(entry))));
  entry.shard.index = 6;
  EXPECT_FALSE(decode_listed_shard(as_bytes(encode(entry))));
  entry = {{}, {4, 0}, 1000};
  EXPECT_FALSE(decode_listed_shard(as_bytes(encode(entry))));
  entry = {{}, {4, 2}, erasure::kMaxExtentBytes + 1};
  EXPECT_FALSE(decode_listed_shard(as_bytes(encode(entry))));
}

TEST(Messages, LongErrorsAreCut) {
  const auto decoded =
      decode_error(as_bytes(encode(ErrorMessage{Code::kIo, std::string(5000, 'x')})));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->message.size(), kMaxErrorBytes);
}

}  // namespace
}  // namespace hydra::agent
