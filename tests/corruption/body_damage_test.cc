// Bytes of payloads, changed at random: 100,000 of them (SIM_FLIPS=n: so many), of one shard or
// of all.
#include <fmt/format.h>

#include <cstdlib>
#include <set>

#include "tests/corruption/damaged_grid.h"

namespace hydra::corruption {
namespace {

std::size_t flips_wanted() {
  const char* text = std::getenv("SIM_FLIPS");
  return text == nullptr ? 100'000 : std::strtoull(text, nullptr, 0);
}

struct Flip {
  std::size_t index;
  std::uint64_t at;  // in the log
  std::uint8_t mask;
};

struct Counts {
  std::size_t flips = 0, shards = 0, right = 0, errors = 0;
};

class BodyDamage : public testing::Test {
 protected:
  // One to four different bytes of each of `hit` shards, from the shard `first` on.
  std::vector<Flip> choose(const Object& object, std::size_t hit) {
    std::vector<Flip> flips;
    const std::size_t first = prng_.below(object.shards());
    for (std::size_t i = 0; i < hit; ++i) {
      const std::size_t index = (first + i) % object.shards();
      const auto& header = object.records[index].header;
      std::set<std::uint64_t> places;
      for (auto count = prng_.between(1, 4); count > 0; --count)
        places.insert(header.payload() + prng_.below(header.shard_bytes));
      for (const std::uint64_t at : places)
        flips.push_back({index, at, static_cast<std::uint8_t>(prng_.between(1, 255))});
    }
    return flips;
  }
  void apply(const Object& object, const std::vector<Flip>& flips) {
    for (const Flip& flip : flips)
      world_.grid().flip(object.records[flip.index].path, flip.at, flip.mask);
  }
  // Every shard that was hit is found, and what a read gives is right or, beyond m, an error.
  void check(const Object& object, const std::vector<Flip>& flips, std::size_t hit) {
    std::set<std::size_t> indexes;
    for (const Flip& flip : flips) indexes.insert(flip.index);
    ASSERT_EQ(indexes.size(), hit);
    for (const std::size_t index : indexes)
      ASSERT_FALSE(world_.whole(object, index)) << object.key << ", shard " << index;
    const bool recoverable = hit <= static_cast<std::size_t>(object.m());
    const bool one_block = object.records[0].header.layout.stripes() == 1;
    const std::uint64_t offset = prng_.below(object.bytes.size());
    const std::uint64_t length = prng_.between(1, object.bytes.size() - offset);
    for (const Answer answer : {world_.read(object), world_.read(object, offset, length)}) {
      ASSERT_NE(answer, Answer::kWrong) << object.key << ", " << hit << " shards";
      if (recoverable) ASSERT_EQ(answer, Answer::kRight) << object.key << ", " << hit << " shards";
      ++(answer == Answer::kRight ? counts_.right : counts_.errors);
    }
    // A whole read needs some block of k shards, and no k have it.
    if (!recoverable && one_block) ASSERT_EQ(world_.read(object), Answer::kError) << object.key;
    counts_.flips += flips.size();
    counts_.shards += hit;
  }

  DamagedGrid world_;
  sim::Prng prng_{4711};
  Counts counts_;
};

TEST_F(BodyDamage, IsFoundAndNeverServed) {
  for (std::size_t round = 0; counts_.flips < flips_wanted(); ++round) {
    const Object& object = round % 64 == 0  ? world_.large()
                           : round % 4 == 0 ? world_.small()
                                            : world_.medium();
    const std::size_t hit =
        prng_.chance(0.8) ? prng_.between(1, object.m()) : prng_.between(1, object.shards());
    const std::vector<Flip> flips = choose(object, hit);
    apply(object, flips);
    check(object, flips, hit);
    if (HasFatalFailure()) return;
    apply(object, flips);  // a flip undoes itself
  }
  for (const Object& object : world_.objects()) EXPECT_EQ(world_.read(object), Answer::kRight);
  fmt::print("{} flips in {} shards, all found; {} reads right, {} refused, none wrong\n",
             counts_.flips, counts_.shards, counts_.right, counts_.errors);
}

}  // namespace
}  // namespace hydra::corruption
