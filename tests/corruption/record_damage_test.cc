// Whole records that are cut off, exchanged, out of date or in the wrong place; each kind on one
// shard, on several and on all, noticed by a running agent and by one that has only its logs.
#include <fmt/format.h>

#include "tests/corruption/damage_kinds.h"

namespace hydra::corruption {
namespace {

class RecordDamage : public testing::Test {
 protected:
  std::vector<std::size_t> victims(const Object& object, std::size_t hit) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < object.shards(); ++i)
      order.insert(order.begin() + static_cast<std::ptrdiff_t>(prng_.below(i + 1)), i);
    order.resize(hit);
    return order;
  }
  void harm_and_check(const Object& object, const Kind& kind, std::size_t hit, bool from_logs) {
    SCOPED_TRACE(fmt::format("{}: {} shards of {}{}", kind.name, hit, object.key,
                             from_logs ? ", index lost" : ""));
    const std::vector<std::size_t> hits = victims(object, hit);
    std::vector<NodeId> nodes;
    for (const std::size_t index : hits) nodes.push_back(object.extent.nodes[index]);
    const auto harm = [&] {
      for (const std::size_t index : hits) kind.harm(world_, object, index);
    };
    if (from_logs)
      world_.restart_from_logs(nodes, harm);
    else
      harm();
    const std::uint64_t rescued = world_.store().counters().rescued_segments;
    const Answer answer = world_.read(object);
    const bool recoverable =
        hit <= static_cast<std::size_t>(object.m()) || !kind.harms_reads(object, from_logs);
    EXPECT_EQ(answer, recoverable ? Answer::kRight : Answer::kError);
    for (const std::size_t index : hits)
      EXPECT_EQ(world_.whole(object, index), from_logs && kind.plausible_in_logs) << index;
    by_agent_ += from_logs && kind.plausible_in_logs ? 0 : hit;
    by_tag_ += world_.store().counters().rescued_segments - rescued;
    ++(answer == Answer::kRight ? right_ : errors_);
    world_.restore(nodes);
    EXPECT_EQ(world_.read(object), Answer::kRight) << "put back";
  }

  DamagedGrid world_;
  sim::Prng prng_{7};
  std::size_t by_agent_ = 0, by_tag_ = 0, right_ = 0, errors_ = 0;
};

TEST_F(RecordDamage, IsFoundAndNeverServed) {
  for (const Kind& kind : kinds())
    for (const Object& object : world_.objects())
      for (std::size_t hit = 1; hit <= object.shards(); ++hit)
        for (const bool from_logs : {false, true}) {
          harm_and_check(object, kind, hit, from_logs);
          if (HasFailure()) return;
        }
  fmt::print(
      "{} damaged records found by their agents, {} segments by their tags; {} reads right, "
      "{} refused, none wrong\n",
      by_agent_, by_tag_, right_, errors_);
}

// Two shards exchanged, written as valid records by the stores themselves: no checksum can tell.
TEST_F(RecordDamage, ExchangedShardsAreFoundByTheTag) {
  for (const Object* object : {&world_.medium(), &world_.large()})
    for (std::size_t a = 0; a < object->shards(); ++a)
      for (std::size_t b = 0; b < a; ++b) {
        const std::string of_a = object->content(a);
        const std::string of_b = object->content(b);
        world_.write_shard(*object, a, of_b);
        world_.write_shard(*object, b, of_a);
        EXPECT_TRUE(world_.whole(*object, a) && world_.whole(*object, b));
        const std::uint64_t rescued = world_.store().counters().rescued_segments;
        EXPECT_EQ(world_.read(*object), Answer::kRight) << object->key << " " << a << " " << b;
        const bool touches_data = b < std::size_t(object->k());
        EXPECT_EQ(world_.store().counters().rescued_segments > rescued, touches_data);
        const std::uint64_t offset = prng_.below(object->bytes.size());
        EXPECT_EQ(world_.read(*object, offset, 1000), Answer::kRight);
        world_.write_shard(*object, a, of_a);
        world_.write_shard(*object, b, of_b);
      }
}

// One shard beyond m is another version: an error, whichever sets of k are tried.
TEST_F(RecordDamage, MoreThanMPlausibleShardsAreAnError) {
  for (const Object& object : world_.objects())
    for (std::size_t first = 0; first < object.shards(); ++first) {
      const std::size_t hit = object.m() + 1;
      std::map<std::size_t, std::string> before;
      for (std::size_t i = 0; i < hit; ++i) {
        const std::size_t index = (first + i) % object.shards();
        before[index] = object.content(index);
        world_.write_shard(object, index, other_content(first * 10 + i, before[index].size()));
      }
      EXPECT_EQ(world_.read(object), Answer::kError) << object.key << " from " << first;
      for (const auto& [index, content] : before) world_.write_shard(object, index, content);
      EXPECT_EQ(world_.read(object), Answer::kRight);
    }
}

// A device that was put back to an older state holds nothing of what came later, and says so.
TEST_F(RecordDamage, DeviceOfAnEarlierTimeLacksTheShard) {
  const Object& object = world_.medium();
  for (std::size_t hit = 1; hit <= object.shards(); ++hit) {
    std::vector<NodeId> nodes;
    for (std::size_t i = 0; i < hit; ++i) nodes.push_back(object.extent.nodes[i]);
    world_.restart_from_logs(nodes, [&] {
      for (std::size_t i = 0; i < hit; ++i) {
        const Record& record = object.records[i];
        const std::uint64_t size = world_.grid().disk().contents(record.path)->size();
        HYDRA_ASSERT(world_.grid().disk().overwrite(
            record.path, record.header.offset,
            as_bytes(std::string(size - record.header.offset, '\0'))));
      }
    });
    EXPECT_EQ(world_.read(object),
              hit <= std::size_t(object.m()) ? Answer::kRight : Answer::kError);
    world_.restore(nodes);
  }
}

}  // namespace
}  // namespace hydra::corruption
