// The catalog between real threads: two workers write and read through one instance. Worth most
// under TSan.

#include <gmock/gmock.h>

#include "base/kv/store_backends.h"
#include "base/runtime/pistache/runtime_fixture.h"
#include "base/runtime/sync.h"
#include "gateway/catalog/catalog.h"

namespace hydra::catalog {
namespace {

constexpr int kKeys = 100;

struct Outcome {
  int won = 0;
  int lost = 0;
  int unreadable = 0;
};

Version named(std::string key, std::string etag) {
  Version version;
  version.key = std::move(key);
  version.etag = std::move(etag);
  return version;
}

Task<void> race_one(Loop& loop, Catalog& catalog, BucketId bucket, std::string key,
                    Outcome& outcome) {
  const std::string etag = "worker-" + std::to_string(loop.index());
  const auto status =
      co_await catalog.put_object(loop, bucket, named(key, etag), {}, {.if_none_match = "*"});
  status ? ++outcome.won : ++outcome.lost;
  const auto read = catalog.object(bucket, key);
  if (!read || (status && read->etag != etag)) ++outcome.unreadable;
}

Task<Outcome> race(Loop& loop, Catalog& catalog, BucketId bucket) {
  Outcome outcome;
  TaskGroup group(loop);
  for (int i = 0; i < kKeys; ++i)
    group.spawn(race_one(loop, catalog, bucket, "key-" + std::to_string(i), outcome));
  co_await group.join();
  co_return outcome;
}

TEST(CatalogThreads, WorkersRacingForKeysNeverBothWin) {
  const auto runtime = make_runtime(2);
  ASSERT_TRUE(runtime->start());
  Loop& first = *runtime->loops()[0];
  Loop& second = *runtime->loops()[1];
  kv::LmdbPlace place;
  auto catalog = Catalog::open(first, place.open({.map_bytes = 64u << 20}));
  ASSERT_TRUE(catalog);
  const auto bucket = run_on<Result<Bucket>>(
      first, [&](Loop& loop) { return (*catalog)->create_bucket(loop, {.name = "b"}); });
  ASSERT_TRUE(bucket);

  const auto start = [&](Loop& loop) {
    return std::async(std::launch::async, [&] {
      return run_on<Outcome>(loop, [&](Loop& own) { return race(own, **catalog, bucket->id); });
    });
  };
  auto one = start(first);
  auto two = start(second);
  const Outcome a = one.get();
  const Outcome b = two.get();
  EXPECT_EQ(a.won + b.won, kKeys);
  EXPECT_EQ(a.lost + b.lost, kKeys);
  EXPECT_EQ(a.unreadable + b.unreadable, 0);
  EXPECT_EQ((*catalog)->totals()->objects, static_cast<std::uint64_t>(kKeys));
  catalog->reset();
  runtime->stop();
}

}  // namespace
}  // namespace hydra::catalog
