// What becomes of damage when it is looked for: scrub, read repair and healer make every shard
// whole again while at most m are hit; beyond that nothing is lost that was still there.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "gateway/heal/healer.h"
#include "gateway/heal/read_repair.h"
#include "gateway/heal/scrub.h"
#include "tests/corruption/damage_kinds.h"

namespace hydra::corruption {
namespace {

heal::HealOptions quick() {
  heal::HealOptions options;
  options.retry = 3600 * kSecond;  // what cannot be helped stays so
  options.sweep.grace_ms = 1000;
  return options;
}

class HealedDamage : public testing::Test {
 protected:
  HealedDamage() {
    world_.loop().spawn(heal::Healer::run(&healer_));
    world_.loop().spawn(heal::Scrub::run(&scrub_));
    world_.loop().spawn(heal::ReadRepair::run(&read_repair_));
  }

  ~HealedDamage() override { world_.stop(); }

  void pass(Nanos time) {
    const Nanos end = world_.loop().now() + time;
    (void)world_.settles([&] { return world_.loop().now() >= end; });
  }
  catalog::Extent row(const Object& object) { return *world_.catalog().extent(object.extent.id); }

  // A pass over everything, and time for the healer; false when work is left that it cannot do.
  bool look_after() {
    pass(2 * kSecond);  // what readers found is reported
    const std::int64_t begun = world_.loop().wall_ms();
    const bool scrubbed = world_.settles([&] {
      const auto status = scrub_.status();
      if (status.row.last_started_ms >= begun) return true;
      if (status.row.started_ms == 0) scrub_.start_now();
      return false;
    });
    EXPECT_TRUE(scrubbed) << "the scrub does not come round";
    const Nanos patience = world_.loop().now() + 10 * kSecond;
    bool done = false;
    (void)world_.settles([&] {
      const auto totals = world_.catalog().totals();
      done = totals && totals->repairs + totals->moves + totals->strays == 0;
      return done || world_.loop().now() > patience;
    });
    return done;
  }
  // Every shard is where the catalog says, whole, and what was written in the beginning.
  void expect_whole(const Object& object) {
    const catalog::Extent now = row(object);
    EXPECT_EQ(now.missing, 0u);
    EXPECT_EQ(now.nodes, object.extent.nodes);
    for (std::size_t i = 0; i < object.shards(); ++i) {
      EXPECT_TRUE(world_.whole(object, i)) << "shard " << i;
      const auto bytes = world_.run([&](Loop&) {
        return world_.grid().read(now.nodes[i], object.shard(i), 0,
                                  object.records[i].header.shard_bytes, Deadline::never());
      });
      ASSERT_TRUE(bytes) << "shard " << i << ": " << bytes.error().to_string();
      EXPECT_TRUE(as_text(bytes->view()) == object.content(i)) << "shard " << i;
    }
    EXPECT_EQ(world_.read(object), Answer::kRight);
  }
  std::vector<std::size_t> victims(const Object& object, std::size_t hit) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < object.shards(); ++i)
      order.insert(order.begin() + static_cast<std::ptrdiff_t>(prng_.below(i + 1)), i);
    order.resize(hit);
    return order;
  }
  std::vector<NodeId> nodes_of(const Object& object, const std::vector<std::size_t>& hits) {
    std::vector<NodeId> nodes;
    for (const std::size_t index : hits) nodes.push_back(object.extent.nodes[index]);
    return nodes;
  }

  void harm(const Object& object, const Kind& kind, const std::vector<std::size_t>& hits,
            bool from_logs) {
    const auto each = [&] {
      for (const std::size_t index : hits) kind.harm(world_, object, index);
    };
    if (from_logs)
      world_.restart_from_logs(nodes_of(object, hits), each);
    else
      each();
    // What no checksum tells is found by who reads it.
    if (kind.plausible_in_logs && from_logs) EXPECT_EQ(world_.read(object), Answer::kRight);
  }

  // As it was in the beginning, for nodes and catalog.
  void restore() {
    pass(2 * kSecond);
    world_.restore({1, 2, 3, 4, 5, 6});
    for (const Object& object : world_.objects()) {
      std::vector<catalog::ShardReport> shards;
      for (std::size_t i = 0; i < object.shards(); ++i)
        shards.push_back({object.extent.nodes[i], object.shard(i)});
      const auto news = world_.run(
          [&](Loop& loop) { return world_.catalog().report_present(loop, std::move(shards)); });
      ASSERT_TRUE(news);
    }
    ASSERT_TRUE(look_after());
  }

  DamagedGrid world_;
  heal::Foreground foreground_;
  heal::Healer healer_{world_.loop(), world_.grid(),           world_.catalog(), world_.board(),
                       foreground_,   world_.notices().writes, quick()};
  heal::Scrub scrub_{
      world_.loop(), world_.grid(), world_.catalog(), {.period_ms = 0}, [] { return true; }};
  heal::ReadRepair read_repair_{world_.loop(), world_.grid(), world_.catalog(),
                                world_.notices().broken};
  sim::Prng prng_{11};
  std::size_t healed_ = 0;
};

TEST_F(HealedDamage, UpToMShardsAreWholeAgain) {
  for (const Kind& kind : kinds())
    for (const Object& object : world_.objects())
      for (std::size_t hit = 1; hit <= std::size_t(object.m()); ++hit)
        for (const bool from_logs : {false, true}) {
          std::vector<std::size_t> hits = victims(object, hit);
          // Parity that is valid and another one is seen only when it is used.
          const bool by_reader = kind.plausible_in_logs && from_logs;
          if (by_reader)
            std::erase_if(hits, [&](std::size_t i) { return i >= std::size_t(object.k()); });
          SCOPED_TRACE(fmt::format("{}: {} shards of {}{}", kind.name, hits.size(), object.key,
                                   from_logs ? ", index lost" : ""));
          harm(object, kind, hits, from_logs);
          ASSERT_TRUE(look_after()) << healer_.status()->blocked_why;
          expect_whole(object);
          healed_ += hits.size();
          // What lay behind in a log that was cut off is restored, not healed.
          if (HasFailure()) return;
          restore();
        }
  fmt::print("{} damaged records, all whole again\n", healed_);
}

TEST_F(HealedDamage, FlippedBytesAreHealed) {
  for (int round = 0; round < 200; ++round) {
    const Object& object = round % 20 == 0  ? world_.large()
                           : round % 4 == 0 ? world_.small()
                                            : world_.medium();
    for (const std::size_t index : victims(object, prng_.between(1, object.m()))) {
      const Record record = world_.grid().find(object.extent.nodes[index], object.shard(index));
      const std::uint64_t at = record.header.offset + prng_.below(record.header.record_bytes);
      const std::uint64_t last = record.trailer() + record.trailer_bytes();
      world_.grid().flip(record.path, std::min(at, last - 1),
                         static_cast<std::uint8_t>(prng_.between(1, 255)));
      ASSERT_FALSE(world_.whole(object, index)) << object.key << " " << index;
      ++healed_;
    }
    ASSERT_TRUE(look_after()) << healer_.status()->blocked_why;
    expect_whole(object);
    if (HasFailure()) return;
  }
  fmt::print("{} flipped bytes, all healed\n", healed_);
}

// An error, never wrong bytes; and what is left stays, so that who brings a device back has all.
TEST_F(HealedDamage, BeyondMNothingIsDeleted) {
  for (const Object& object : world_.objects())
    for (std::size_t hit = std::size_t(object.m()) + 1; hit <= object.shards(); ++hit) {
      SCOPED_TRACE(fmt::format("{} shards of {}", hit, object.key));
      const auto hits = victims(object, hit);
      for (const std::size_t index : hits) {
        const Record& record = object.records[index];
        world_.grid().flip(record.path, record.header.payload(), 0x40);
      }
      EXPECT_FALSE(look_after());
      EXPECT_EQ(world_.read(object), Answer::kError);
      EXPECT_EQ(static_cast<std::size_t>(std::popcount(row(object).missing)), hit);
      for (std::size_t i = 0; i < object.shards(); ++i) {
        const bool was_hit = std::ranges::find(hits, i) != hits.end();
        EXPECT_EQ(world_.whole(object, i), !was_hit) << i;
        // Also what is damaged still lies where it was.
        EXPECT_TRUE(world_.grid().store(object.extent.nodes[i]).info(object.shard(i))) << i;
      }
      restore();
      expect_whole(object);
      if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace hydra::corruption
