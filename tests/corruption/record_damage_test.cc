// Whole records that are cut off, exchanged, out of date or in the wrong place; each kind on one
// shard, on several and on all, noticed by a running agent and by one that has only its logs.
#include <fmt/format.h>

#include <functional>
#include <numeric>

#include "base/crc32c.h"
#include "tests/corruption/damaged_grid.h"

namespace hydra::corruption {
namespace {

std::string other_content(std::uint64_t seed, std::size_t size) {
  std::string bytes(size, '\0');
  sim::Prng prng(seed);
  prng.fill(std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

// One kind of damage, done to a shard's record on the medium.
struct Kind {
  std::string name;
  std::function<void(DamagedGrid&, const Object&, std::size_t index)> harm;
  // Without its index the agent takes this for what it should hold: each checksum holds.
  bool plausible_in_logs = false;
  // A running agent knows from its index all that a read needs.
  bool frame_only = false;
  bool frame_only_if_replicated = false;  // all payloads of 1+m are the same
  bool harms_reads(const Object& object, bool from_logs) const {
    return from_logs || !(frame_only || (frame_only_if_replicated && object.k() == 1));
  }
};

// An older version of the same shard in the same place, as a write that was lost leaves it. Its
// header is the same; its payload and trailer are valid, and another body's.
void make_stale(DamagedGrid& world, const Object& object, std::size_t index) {
  const Record& record = object.records[index];
  const std::string old = other_content(99 + index, record.header.shard_bytes);
  agent::Trailer trailer;
  const std::string trailer_now =
      world.grid().bytes_at(record.path, record.trailer(), record.trailer_bytes());
  const auto header = agent::encode_record_header(record.header);
  trailer = *agent::decode_trailer(header, record.header.layout.stripes(), as_bytes(trailer_now));
  for (std::uint32_t i = 0; i < trailer.block_crcs.size(); ++i)
    trailer.block_crcs[i] = crc32c(as_bytes(old).subspan(record.header.layout.block_shard_offset(i),
                                                         record.header.layout.block_size(i)));
  std::vector<std::byte> bytes(record.trailer_bytes());
  agent::encode_trailer(header, trailer, bytes);
  auto& disk = world.grid().disk();
  HYDRA_ASSERT(disk.overwrite(record.path, record.header.payload(), as_bytes(old)));
  HYDRA_ASSERT(disk.overwrite(record.path, record.trailer(), bytes));
}

// The neighbour's record in the place of this one, as a misdirected write of another node's or of
// another log's leaves it. It is valid, and belongs elsewhere.
void put_neighbours_record(DamagedGrid& world, const Object& object, std::size_t index) {
  const Record& record = object.records[index];
  const std::string& other = object.images[(index + 1) % object.shards()];
  HYDRA_ASSERT(world.grid().disk().overwrite(
      record.path, record.header.offset,
      as_bytes(other).first(std::min<std::size_t>(other.size(), record.header.record_bytes))));
}

// The record was written 64 bytes too far: over the beginning of what lies behind it.
void shift_record(DamagedGrid& world, const Object& object, std::size_t index) {
  const Record& record = object.records[index];
  HYDRA_ASSERT(world.grid().disk().overwrite(record.path, record.header.offset + 64,
                                             as_bytes(object.images[index])));
}

void put_neighbours_payload(DamagedGrid& world, const Object& object, std::size_t index) {
  const Record& record = object.records[index];
  // With 1+m all payloads are the same: take another body's then.
  const std::string payload = object.k() == 1 ? other_content(5, record.header.shard_bytes)
                                              : object.content((index + 1) % object.shards());
  HYDRA_ASSERT(
      world.grid().disk().overwrite(record.path, record.header.payload(), as_bytes(payload)));
}

std::function<void(DamagedGrid&, const Object&, std::size_t)> cut_at(
    std::function<std::uint64_t(const Record&)> where) {
  return [where = std::move(where)](DamagedGrid& world, const Object& object, std::size_t index) {
    const Record& record = object.records[index];
    HYDRA_ASSERT(world.grid().disk().truncate(record.path, where(record)));
  };
}

std::function<void(DamagedGrid&, const Object&, std::size_t)> zero(
    std::function<std::pair<std::uint64_t, std::uint64_t>(const Record&)> range) {
  return [range = std::move(range)](DamagedGrid& world, const Object& object, std::size_t index) {
    const Record& record = object.records[index];
    const auto [offset, length] = range(record);
    HYDRA_ASSERT(
        world.grid().disk().overwrite(record.path, offset, as_bytes(std::string(length, '\0'))));
  };
}

std::vector<Kind> kinds() {
  return {
      {"log cut off before the record", cut_at([](const Record& r) { return r.header.offset; })},
      {"log cut off in the header", cut_at([](const Record& r) { return r.header.offset + 70; })},
      {"log cut off in the payload",
       cut_at([](const Record& r) { return r.header.payload() + r.header.shard_bytes / 2; })},
      {"log cut off in the trailer", cut_at([](const Record& r) { return r.trailer() + 44; }),
       false, true},
      {"log empty", cut_at([](const Record&) { return 0; })},
      {"record never written",
       zero([](const Record& r) { return std::pair(r.header.offset, r.header.record_bytes); })},
      {"payload never written",
       zero([](const Record& r) { return std::pair(r.header.payload(), r.header.shard_bytes); })},
      {"a sector of the payload never written", zero([](const Record& r) {
         return std::pair((r.header.payload() + 511) / 512 * 512, std::uint64_t{512});
       })},
      {"trailer never written",
       zero([](const Record& r) { return std::pair(r.trailer(), r.trailer_bytes()); }), false,
       true},
      {"payload of another shard", put_neighbours_payload},
      {"record of another node", put_neighbours_record, false, false, true},
      {"record in another place", shift_record},
      {"older version of the shard", make_stale, true},
  };
}

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
