// CPU of the catalog's hot paths over LMDB, without the price of fsync: puts of small objects (32
// at a time), reads, and listings. Run with --benchmark_counters_tabular=true; look at CPU, not at
// wall time.

#include <benchmark/benchmark.h>

#include <string>

#include "gateway/catalog/catalog_harness.h"

namespace hydra::catalog {
namespace {

constexpr int kObjects = 100'000;
constexpr int kTogether = 32;

struct Filled {
  Filled() : catalog(std::make_unique<kv::LmdbPlace>()) {
    bucket = catalog.make_bucket("bench").id;
    while (next < kObjects) put_some();
  }
  void put_some() {
    std::vector<Task<Result<std::string>>> tasks;
    for (int i = 0; i < kTogether; ++i) {
      auto sealed = catalog.seal(4096);
      Version version = catalog.new_version(key(next++), {sealed.slice});
      version.etag = "d41d8cd98f00b204e9800998ecf8427e";
      version.fields = {{"content-type", "application/octet-stream"}};
      tasks.push_back(catalog->put_object(catalog.loop(), bucket, std::move(version),
                                          std::move(sealed.data), {}));
    }
    for (const auto& id : catalog.wait_all(std::move(tasks))) HYDRA_ASSERT(id);
  }
  static std::string key(int n) {
    const std::string digits = std::to_string(n % kObjects * 7919LL % kObjects);
    return "logs/2026/" + std::string(6 - digits.size(), '0') + digits + ".gz";
  }

  CatalogHarness catalog;
  BucketId bucket;
  int next = 0;
};

Filled& filled() {
  static Filled instance;
  return instance;
}

class Count final : public ListVisitor {
 public:
  void object(const ListEntry& entry) override { bytes += entry.bytes; }
  void common_prefix(std::string_view) override { ++bytes; }
  std::uint64_t bytes = 0;
};

void put_small_object(benchmark::State& state) {
  Filled& objects = filled();
  for (auto _ : state) objects.put_some();
  state.SetItemsProcessed(state.iterations() * kTogether);
}
BENCHMARK(put_small_object);

void read_object_and_plan(benchmark::State& state) {
  Filled& objects = filled();
  int n = 0;
  for (auto _ : state) {
    auto read = objects.catalog->object_and_plan(
        objects.bucket, Filled::key(n++), [](const Version& version) {
          return std::optional(std::pair(std::uint64_t{0}, version.bytes));
        });
    HYDRA_ASSERT(read);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(read_object_and_plan);

void list_thousand(benchmark::State& state) {
  Filled& objects = filled();
  Count count;
  for (auto _ : state) {
    auto end = objects.catalog->list(objects.bucket,
                                     {.prefix = "logs/", .start_after = "logs/2026/05"}, count);
    HYDRA_ASSERT(end && end->truncated);
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(list_thousand);

void list_thousand_common_prefixes(benchmark::State& state) {
  Filled& objects = filled();
  Count count;
  for (auto _ : state) {
    auto end =
        objects.catalog->list(objects.bucket, {.prefix = "logs/", .delimiter = ".gz"}, count);
    HYDRA_ASSERT(end && end->truncated);
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(list_thousand_common_prefixes);

}  // namespace
}  // namespace hydra::catalog

BENCHMARK_MAIN();
