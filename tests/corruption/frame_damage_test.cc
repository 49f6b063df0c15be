// Every byte of every record's header and trailer, changed one at a time.
#include <fmt/format.h>

#include "tests/corruption/damaged_grid.h"

namespace hydra::corruption {
namespace {

// Offsets in the log of all bytes around the shard's payload. `sparse`: one of eight.
std::vector<std::uint64_t> frame_bytes(const Record& record, bool sparse = false) {
  std::vector<std::uint64_t> found;
  for (std::uint64_t i = 0; i < agent::kRecordHeaderBytes; ++i)
    found.push_back(record.header.offset + i);
  for (std::uint64_t i = 0; i < record.trailer_bytes(); ++i) found.push_back(record.trailer() + i);
  if (sparse) std::erase_if(found, [](std::uint64_t at) { return at % 8 != 3; });
  return found;
}

class FrameDamage : public testing::Test {
 protected:
  std::uint8_t mask() { return static_cast<std::uint8_t>(prng_.between(1, 255)); }

  DamagedGrid world_;
  sim::Prng prng_{1};
  std::size_t flips_ = 0;
};

TEST_F(FrameDamage, IsFoundByTheAgentWhileItRuns) {
  for (const Object& object : world_.objects())
    for (std::size_t index = 0; index < object.shards(); ++index)
      for (const std::uint64_t at : frame_bytes(object.records[index])) {
        const Record& record = object.records[index];
        const std::uint8_t change = mask();
        world_.grid().flip(record.path, at, change);
        ASSERT_FALSE(world_.whole(object, index))
            << object.key << ", shard " << index << ", byte " << at - record.header.offset;
        if (at % 16 == 0) ASSERT_EQ(world_.read(object), Answer::kRight);
        world_.grid().flip(record.path, at, change);
        ++flips_;
      }
  for (const Object& object : world_.objects())
    for (std::size_t index = 0; index < object.shards(); ++index)
      EXPECT_TRUE(world_.whole(object, index)) << "put back";
  fmt::print("{} bytes of headers and trailers, all found\n", flips_);
}

// The index is gone, too: what lies in the logs is all there is.
TEST_F(FrameDamage, IsFoundByAnAgentThatHasOnlyItsLogs) {
  for (const Object& object : world_.objects())
    for (std::size_t index = 0; index < object.shards(); ++index) {
      const NodeId node = object.extent.nodes[index];
      for (const std::uint64_t at :
           frame_bytes(object.records[index], &object == &world_.large())) {
        world_.restart_from_logs(
            {node}, [&] { world_.grid().flip(object.records[index].path, at, mask()); });
        ASSERT_FALSE(world_.whole(object, index)) << object.key << ", shard " << index << ", byte "
                                                  << at - object.records[index].header.offset;
        ASSERT_EQ(world_.read(object), Answer::kRight);
        world_.restore({node});
        ++flips_;
      }
      ASSERT_TRUE(world_.whole(object, index)) << "put back";
    }
  fmt::print("{} bytes of headers and trailers, all found without an index\n", flips_);
}

// The same byte of several shards at once: right up to m, an error beyond.
TEST_F(FrameDamage, OfMoreThanMShardsIsAnError) {
  for (const Object* object : {&world_.small(), &world_.medium()}) {
    const std::size_t bytes = frame_bytes(object->records[0]).size();
    for (std::size_t byte = 0; byte < bytes; ++byte)
      for (const int hit : {object->m(), object->m() + 1}) {
        std::vector<NodeId> nodes;
        std::vector<std::size_t> hits;
        for (std::size_t first = prng_.below(object->shards()); hits.size() < std::size_t(hit);) {
          hits.push_back((first + hits.size()) % object->shards());
          nodes.push_back(object->extent.nodes[hits.back()]);
        }
        world_.restart_from_logs(nodes, [&] {
          for (const std::size_t index : hits)
            world_.grid().flip(object->records[index].path,
                               frame_bytes(object->records[index])[byte], mask());
        });
        ASSERT_EQ(world_.read(*object), hit > object->m() ? Answer::kError : Answer::kRight)
            << object->key << ", byte " << byte << " of " << hit << " shards";
        world_.restore(nodes);
        flips_ += hits.size();
      }
  }
  fmt::print("{} bytes of headers and trailers on m and m+1 nodes at once\n", flips_);
}

}  // namespace
}  // namespace hydra::corruption
