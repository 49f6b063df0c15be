// The pipeline over nodes in memory: what goes in comes out, with every loss that the profile
// survives.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/runtime/sim/run_sim.h"
#include "gateway/object/pipeline_fixture.h"
#include "gateway/object/segment_format.h"
#include "gateway/object/slices.h"

namespace hydra::object {
namespace {

// Sizes around every edge: segment, small bodies, stripe, window, extent.
const std::vector<std::uint64_t> kSizes = {1,
                                           4096,
                                           16 * 1024 - 16,
                                           16 * 1024 - 15,
                                           kSegmentBytes - 1,
                                           kSegmentBytes,
                                           kSegmentBytes + 1,
                                           (1u << 20) - 256,
                                           1u << 20,
                                           (1u << 20) + 1,
                                           (3u << 20) + 12345,
                                           (64u << 20) + 77};

TEST(Pipeline, SegmentsHaveNoncesOfTheirOwnAndAreBoundToTheirPlace) {
  BodyId one, two;
  two.bytes[15] = std::byte{1};
  EXPECT_NE(segment_nonce(0), segment_nonce(1));
  EXPECT_NE(segment_nonce(1), segment_nonce(1ull << 32 | 1));
  EXPECT_NE(segment_aad(one, 0, false), segment_aad(one, 1, false));
  EXPECT_NE(segment_aad(one, 0, false), segment_aad(one, 0, true));
  EXPECT_NE(segment_aad(one, 0, false), segment_aad(two, 0, false));
}

TEST(Pipeline, EverySizeComesBackAlsoWithAnyTwoNodesDown) {
  for (const std::uint64_t size : kSizes) {
    const std::string text = noise(size, size);
    const auto status = sim::run_sim(size, [&](Loop& loop) -> Task<Status> {
      World world(loop);
      HYDRA_CO_CHECK_OK(co_await world.make_bucket());
      HYDRA_CO_CHECK_OK(co_await world.put("key", text));
      const NodeId step = size > (8u << 20) ? 3 : 1;  // fewer pairs for the long one
      for (NodeId a = 1; a <= kNodes; a += step)
        for (NodeId b = a; b <= kNodes; b += step) {
          world.grid.node(a).up = world.grid.node(b).up = false;
          auto back = co_await world.get("key", 0, size);
          world.grid.node(a).up = world.grid.node(b).up = true;
          if (!back) co_return fail(back.error());
          if (*back != text) co_return fail(Code::kCorrupt, "other bytes came back");
        }
      co_return Status();
    });
    ASSERT_TRUE(status) << size << ": " << status.error().to_string();
  }
}

RC_GTEST_PROP(Pipeline, AnyRangeIsThatOfTheObject, ()) {
  const auto size = *rc::gen::inRange<std::uint64_t>(1, 3u << 20);
  const auto offset = *rc::gen::inRange<std::uint64_t>(0, size);
  const auto length = *rc::gen::inRange<std::uint64_t>(1, size - offset + 1);
  const auto down = *rc::gen::inRange<NodeId>(1, kNodes + 1);
  const std::string text = noise(size, size);
  const auto back = sim::run_sim(1, [&](Loop& loop) -> Task<Result<std::string>> {
    World world(loop);
    HYDRA_CO_CHECK_OK(co_await world.make_bucket());
    HYDRA_CO_CHECK_OK(co_await world.put("key", text));
    world.grid.node(down).up = false;
    co_return co_await world.get("key", offset, length);
  });
  RC_ASSERT(back.has_value());
  RC_ASSERT(*back == text.substr(offset, length));
}

TEST(Pipeline, WritesGoOnWithTwoNodesDownAndKeepTwoParities) {
  const auto status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    World world(loop);
    HYDRA_CO_CHECK_OK(co_await world.make_bucket());
    world.grid.node(2).up = world.grid.node(5).up = false;
    HYDRA_CO_CHECK_OK(co_await world.put("key", noise(100'000, 1)));
    auto found =
        world.catalog().object_and_plan(world.bucket(), "key", [](const catalog::Version& v) {
          return std::optional(std::pair<std::uint64_t, std::uint64_t>(0, v.bytes));
        });
    if (!found) co_return fail(found.error());
    const auto& extent = found->second.extents.at(0);
    EXPECT_EQ(extent.profile, (erasure::Profile{2, 2}));
    EXPECT_EQ(extent.wanted, (erasure::Profile{4, 2}));
    auto repairs = world.catalog().repairs(10);
    EXPECT_TRUE(repairs && repairs->size() == 1);
    // Two more may die.
    world.grid.node(1).up = world.grid.node(3).up = false;
    auto back = co_await world.get("key", 0, 100'000);
    EXPECT_TRUE(back && *back == noise(100'000, 1));
    co_return Status();
  });
  EXPECT_TRUE(status);
}

TEST(Pipeline, AShardThatFailsInMidWriteIsRecordedAsMissing) {
  const auto status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    World world(loop);
    HYDRA_CO_CHECK_OK(co_await world.make_bucket());
    world.grid.node(4).fail_after = 1;
    const std::string text = noise(3u << 20, 9);
    HYDRA_CO_CHECK_OK(co_await world.put("key", text));
    auto repairs = world.catalog().repairs(10);
    if (!repairs || repairs->size() != 1) co_return fail(Code::kInternal, "no repair was recorded");
    auto extent = world.catalog().extent(repairs->at(0).extent);
    if (!extent) co_return fail(extent.error());
    EXPECT_EQ(std::popcount(extent->missing), 1);
    EXPECT_EQ(extent->nodes[static_cast<std::size_t>(std::countr_zero(extent->missing))], 4u);
    auto back = co_await world.get("key", 0, text.size());
    EXPECT_TRUE(back && *back == text);
    co_return Status();
  });
  EXPECT_TRUE(status);
}

TEST(Pipeline, AStalledNodeIsLeftBehind) {
  const auto status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    World world(loop);
    HYDRA_CO_CHECK_OK(co_await world.make_bucket());
    world.grid.node(3).stalls = true;
    const Nanos begin = loop.now();
    HYDRA_CO_CHECK_OK(co_await world.put("key", noise(4u << 20, 5)));
    EXPECT_LT(loop.now() - begin, 10 * kSecond);
    auto back = co_await world.get("key", 0, 4u << 20);
    EXPECT_TRUE(back && *back == noise(4u << 20, 5));
    EXPECT_GT(world.store.counters().hedged_reads + world.store.counters().degraded_reads, 0u);
    co_return Status();
  });
  EXPECT_TRUE(status);
}

// Two of six nodes fail at the given block of each shard, where five must live.
Task<Status> put_while_two_nodes_fail(World& world, std::size_t bytes, std::size_t block) {
  HYDRA_CO_CHECK_OK(co_await world.make_bucket());
  world.grid.node(2).fail_after = world.grid.node(5).fail_after = block;
  co_return co_await world.put("key", noise(bytes, 3));
}

TEST(Pipeline, AWriteThatLosesItsQuorumIsDoneAgainOnTheNodesThatAreLeft) {
  for (const auto& [bytes, block] : {std::pair{100'000u, 0u}, {1'500'000u, 0u}, {1'500'000u, 1u}}) {
    const auto status = sim::run_sim(1, [bytes, block](Loop& loop) -> Task<Status> {
      World world(loop);
      HYDRA_CO_CHECK_OK(co_await put_while_two_nodes_fail(world, bytes, block));
      auto back = co_await world.get("key", 0, bytes);
      EXPECT_TRUE(back && *back == noise(bytes, 3));
      co_await sleep_for(loop, kSecond);
      EXPECT_EQ(world.grid.shards(), 4u) << "of the first try something is left, or not all of 2+2";
      EXPECT_EQ(world.store.budget_free(), world.store.options().budget_bytes);
      co_return Status();
    });
    EXPECT_TRUE(status) << bytes << ", " << block << ": " << status.error().to_string();
  }
}

TEST(Pipeline, AWriteThatLosesItsQuorumAfterTwoStripesIsRefusedAndLeavesNothing) {
  const auto status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    World world(loop);
    const Status put = co_await put_while_two_nodes_fail(world, 3u << 20, 1);
    EXPECT_TRUE(!put && put.error().code == Code::kUnavailable);
    co_await sleep_for(loop, kSecond);
    EXPECT_EQ(world.grid.shards(), 0u);
    co_return Status();
  });
  EXPECT_TRUE(status);
}

// The object is deleted while its reader takes a quarter of an hour for each piece.
class SlowSink : public TextSink {
 public:
  SlowSink(Loop& loop, World& world) : loop_(loop), world_(world) {}
  Task<Status> write(ByteView bytes) override {
    if (text.empty())
      HYDRA_CO_CHECK_OK(co_await world_.catalog().delete_object(loop_, world_.bucket(), {"key"},
                                                                loop_.wall_ms()));
    text += as_text(bytes);
    co_await sleep_for(loop_, 900 * kSecond);
    auto dead = world_.catalog().dead_extents(loop_.wall_ms(), 10);
    if (!dead) co_return fail(dead.error());
    collectable.push_back(dead->size());
    co_return Status();
  }
  std::vector<std::size_t> collectable;  // after each piece

 private:
  Loop& loop_;
  World& world_;
};

TEST(Pipeline, ALongReadHoldsTheExtentsThatItReads) {
  const auto status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    World world(loop);
    HYDRA_CO_CHECK_OK(co_await world.make_bucket());
    const std::string text = noise(4u << 20, 6);
    HYDRA_CO_CHECK_OK(co_await world.put("key", text));
    const auto found =
        world.catalog().object_and_plan(world.bucket(), "key", [](const catalog::Version& v) {
          return std::optional(std::pair<std::uint64_t, std::uint64_t>(0, v.bytes));
        });
    if (!found) co_return fail(found.error());
    SlowSink sink(loop, world);
    HYDRA_CO_CHECK_OK(co_await world.store.send(found->second, sink));
    EXPECT_EQ(sink.text, text);
    // Its windows are begun one ahead, and each time it sees how long the read has lasted.
    EXPECT_EQ(sink.collectable.front(), 1u) << "a read that has just begun holds nothing";
    EXPECT_EQ(sink.collectable.back(), 0u) << "a long one does";
    const auto dead = world.catalog().dead_extents(loop.wall_ms(), 10);
    EXPECT_TRUE(dead && dead->size() == 1) << "let go when the read has ended";
    co_return Status();
  });
  EXPECT_TRUE(status) << status.error().to_string();
}

TEST(Pipeline, TooFewNodesRefuseTheWriteAndLeaveNothing) {
  const auto status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    World world(loop);
    HYDRA_CO_CHECK_OK(co_await world.make_bucket());
    for (NodeId id = 1; id <= 4; ++id) world.grid.node(id).up = false;
    auto put = co_await world.put("key", "text");
    EXPECT_TRUE(!put && put.error().code == Code::kUnavailable);
    EXPECT_EQ(world.grid.shards(), 0u);
    EXPECT_FALSE(world.catalog().object(world.bucket(), "key"));
    co_return Status();
  });
  EXPECT_TRUE(status);
}

TEST(Pipeline, ABodyThatFailsItsCheckLeavesNoShard) {
  const auto status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    World world(loop);
    HYDRA_CO_CHECK_OK(co_await world.make_bucket());
    TextSource source(noise(300'000, 3), Code::kBadDigest);
    {
      auto body = co_await world.store.receive(source, 300'000);
      EXPECT_TRUE(!body && body.error().code == Code::kBadDigest);
    }
    co_await sleep_for(loop, kSecond);
    EXPECT_EQ(world.grid.shards(), 0u);
    co_return Status();
  });
  EXPECT_TRUE(status);
}

TEST(Pipeline, ARefusedCommitFreesItsShards) {
  const auto status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    World world(loop);
    HYDRA_CO_CHECK_OK(co_await world.make_bucket());
    HYDRA_CO_CHECK_OK(co_await world.put("key", "first"));
    const std::size_t before = world.grid.shards();
    TextSource source("second");
    auto body = co_await world.store.receive(source, 6);
    if (!body) co_return fail(body.error());
    catalog::Version version;
    version.key = "key";
    version.bytes = 6;
    catalog::Preconditions preconditions;
    preconditions.if_none_match = "*";
    auto refused = co_await world.store.commit_object(world.bucket(), std::move(version),
                                                      std::move(*body), preconditions);
    EXPECT_TRUE(!refused && refused.error().code == Code::kPreconditionFailed);
    co_await sleep_for(loop, kSecond);
    EXPECT_EQ(world.grid.shards(), before);
    co_return Status();
  });
  EXPECT_TRUE(status);
}

TEST(Pipeline, ADamagedSegmentIsAnErrorNeverOtherBytes) {
  const auto status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    World world(loop);
    HYDRA_CO_CHECK_OK(co_await world.make_bucket());
    HYDRA_CO_CHECK_OK(co_await world.put("key", noise(5000, 1)));
    for (NodeId id = 1; id <= kNodes; ++id)
      for (auto& [shard, bytes] : world.grid.node(id).shards) bytes[100] ^= 1;
    auto back = co_await world.get("key", 0, 5000);
    EXPECT_TRUE(!back && back.error().code == Code::kCorrupt);
    co_return Status();
  });
  EXPECT_TRUE(status);
}

// The extent of the object, which has one.
catalog::Extent extent_of(World& world, const std::string& key) {
  const auto found =
      world.catalog().object_and_plan(world.bucket(), key, [](const catalog::Version& v) {
        return std::optional(std::pair<std::uint64_t, std::uint64_t>(0, v.bytes));
      });
  EXPECT_TRUE(found && found->second.extents.size() == 1);
  return found->second.extents.at(0);
}

TEST(Pipeline, WhatAReadFindsBrokenIsToldToTheHealer) {
  enum class Harm { kGone, kShort, kWrong };
  for (const Harm harm : {Harm::kGone, Harm::kShort, Harm::kWrong})
    for (std::uint8_t index = 0; index < 6; ++index) {
      const auto status = sim::run_sim(1, [harm, index](Loop& loop) -> Task<Status> {
        World world(loop);
        HYDRA_CO_CHECK_OK(co_await world.make_bucket());
        HYDRA_CO_CHECK_OK(co_await world.put("key", noise(900'000, 1)));
        const auto extent = extent_of(world, "key");
        auto& shards = world.grid.node(extent.nodes[index]).shards;
        std::string& bytes = shards.at(extent.shard(index));
        if (harm == Harm::kWrong) bytes[77'777] ^= 1;
        if (harm == Harm::kShort) bytes.resize(bytes.size() - 1000);
        if (harm == Harm::kGone) shards.erase(extent.shard(index));
        auto back = co_await world.get("key", 0, 900'000);
        EXPECT_TRUE(back && *back == noise(900'000, 1));
        const auto told = world.notices.broken.take();
        if (index >= 4) {  // parity, which nobody has read
          EXPECT_TRUE(told.empty());
          co_return Status();
        }
        EXPECT_EQ(told.size(), 1u);
        if (told.size() != 1) co_return Status();
        EXPECT_EQ(told[0].shard.node, extent.nodes[index]);
        EXPECT_EQ(told[0].shard.shard, extent.shard(index));
        EXPECT_EQ(told[0].breakage,
                  harm == Harm::kWrong ? heal::Breakage::kWrong : heal::Breakage::kLost);
        co_return Status();
      });
      EXPECT_TRUE(status) << int{index} << static_cast<int>(harm);
    }
}

// The catalog has it, and the journal did not say in time that it has it, too.
TEST(Pipeline, WhatMayHaveBeenCommittedKeepsItsShards) {
  const auto status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    World world(loop);
    HYDRA_CO_CHECK_OK(co_await world.make_bucket());
    world.journal->answer = fail(Code::kInternal, "the journal has not taken it in time");
    const Status put = co_await world.put("key", noise(300'000, 1));
    EXPECT_EQ(put ? Code{} : put.error().code, Code::kInternal);
    world.journal->answer = {};
    co_await sleep_for(loop, 60 * kSecond);
    const auto back = co_await world.get("key", 0, 300'000);
    EXPECT_TRUE(back && *back == noise(300'000, 1));
    co_return Status();
  });
  EXPECT_TRUE(status);
}

TEST(Pipeline, ANodeThatIsDownIsNotToldToTheHealer) {
  const auto status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    World world(loop);
    HYDRA_CO_CHECK_OK(co_await world.make_bucket());
    HYDRA_CO_CHECK_OK(co_await world.put("key", noise(900'000, 1)));
    world.grid.node(1).up = world.grid.node(2).up = false;
    auto back = co_await world.get("key", 0, 900'000);
    EXPECT_TRUE(back && *back == noise(900'000, 1));
    EXPECT_TRUE(world.notices.broken.take().empty());
    co_return Status();
  });
  EXPECT_TRUE(status);
}

TEST(Pipeline, AWriteIsInFlightUntilTheCatalogHasDecided) {
  const auto status = sim::run_sim(1, [](Loop& loop) -> Task<Status> {
    World world(loop);
    HYDRA_CO_CHECK_OK(co_await world.make_bucket());
    for (const bool refused : {false, true}) {
      TextSource source("text");
      auto body = co_await world.store.receive(source, 4);
      if (!body) co_return fail(body.error());
      EXPECT_TRUE(world.notices.writes.contains(body->data.extents.at(0).stored_as));
      EXPECT_EQ(world.notices.writes.size(), 1u);
      catalog::Version version;
      version.key = "key";
      version.bytes = 4;
      catalog::Preconditions preconditions;
      if (refused) preconditions.if_none_match = "*";
      const auto put = co_await world.store.commit_object(world.bucket(), std::move(version),
                                                          std::move(*body), preconditions);
      EXPECT_EQ(put.has_value(), !refused);
      EXPECT_EQ(world.notices.writes.size(), 0u);
    }
    TextSource broken(noise(300'000, 3), Code::kBadDigest);
    EXPECT_FALSE(co_await world.store.receive(broken, 300'000));
    EXPECT_EQ(world.notices.writes.size(), 0u);
    co_return Status();
  });
  EXPECT_TRUE(status);
}

TEST(Slices, CutKeepsOrderAndLength) {
  std::vector<catalog::Slice> slices(3);
  for (std::size_t i = 0; i < slices.size(); ++i) {
    slices[i].offset = 100 * i;
    slices[i].length = 10;
  }
  const auto middle = cut(slices, 5, 20);
  ASSERT_EQ(middle.size(), 3u);
  EXPECT_EQ(middle[0].offset, 5u);
  EXPECT_EQ(middle[0].length, 5u);
  EXPECT_EQ(middle[1].length, 10u);
  EXPECT_EQ(middle[2].offset, 200u);
  EXPECT_EQ(middle[2].length, 5u);
  EXPECT_TRUE(cut(slices, 30, 0).empty());
}

TEST(KeyRing, MistakesAreNamedByLineAndNeverShowAKey) {
  const std::string hex(64, 'a');
  for (const std::string& text : std::initializer_list<std::string>{
           "keys\n", "hydragrid-keys 1\n0 " + hex + "\n", "hydragrid-keys 1\n1 abc\n",
           "hydragrid-keys 1\n1 " + hex + "\n1 " + hex + "\n", "hydragrid-keys 1\n"}) {
    const auto ring = KeyRing::parse(text);
    ASSERT_FALSE(ring) << text;
    EXPECT_EQ(ring.error().message.find(hex), std::string::npos);
  }
  const auto ring = KeyRing::parse("# mine\nhydragrid-keys 1\n1 " + hex + "\n7 " + hex + "\n");
  ASSERT_TRUE(ring);
  EXPECT_EQ(ring->newest(), 7u);
}

TEST(KeyRing, AWrappedKeyOpensForItsBodyOnly) {
  const auto ok = sim::run_sim(1, [](Loop& loop) -> Task<bool> {
    const KeyRing ring = *KeyRing::parse(KeyRing::generate(DataKey{std::byte{1}}));
    KeyWrapper wrapper(loop, ring);
    BodyId mine, other;
    other.bytes[0] = std::byte{1};
    const DataKey key{std::byte{42}};
    const auto wrapped = wrapper.wrap(mine, key);
    const auto back = wrapper.unwrap(mine, wrapped);
    co_return back&&* back == key && !wrapper.unwrap(other, wrapped);
  });
  EXPECT_TRUE(ok);
}

}  // namespace
}  // namespace hydra::object
